"""Names of classes as people type them."""

import pytest

from arcinvert.subjects.names import find_name, nearest_names, plain_name, search_names
from recognition.errors import InputError

NAMES = (
    "Serena_Williams",
    "Venus_Williams",
    "Gerhard_Schröder",
    "Jean-Pierre Raffarin",
    "Ann Able",
    "ann_able",
)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Serena_Williams", "serena williams"),
        ("  SERENA   williams ", "serena williams"),
        ("Jean-Pierre_Raffarin", "jean pierre raffarin"),
        ("Gerhard Schröder", "gerhard schroder"),
        ("Scho\u0308n", "schon"),
        ("Søren Łukasz", "soren lukasz"),
        ("Straße", "strasse"),
        ("İlhan", "ilhan"),
        ("Tim O'Brien Jr.", "tim obrien jr"),
        ("李娜", "李娜"),
        ("___", ""),
    ],
)
def test_plain_names(name: str, plain: str) -> None:
    assert plain_name(name) == plain


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        ("serena williams", 0),
        ("SERENA-WILLIAMS", 0),
        ("gerhard schroder", 2),
        ("jean pierre raffarin", 3),
        # Equal names come before those that are equal in plain form only.
        ("Ann Able", 4),
        ("ann_able", 5),
    ],
)
def test_names_are_found(wanted: str, index: int) -> None:
    assert find_name(wanted, NAMES) == index


def test_an_ambiguous_name_lists_the_classes() -> None:
    with pytest.raises(InputError, match=r"'ANN ABLE' fits 2 \(4: Ann Able, 5: ann_able\); give the exact"):
        find_name("ANN ABLE", NAMES)


@pytest.mark.parametrize(
    ("wanted", "near"),
    [
        ("williams", "'Serena_Williams', 'Venus_Williams'"),
        ("Serena Wiliams", "'Serena_Williams'"),
        ("zzzz", ""),
        ("", ""),
    ],
)
def test_an_unknown_name_lists_the_nearest(wanted: str, near: str) -> None:
    with pytest.raises(InputError) as caught:
        find_name(wanted, NAMES)
    message = str(caught.value)
    assert f"expected one of the network's 6, got {wanted!r}; the nearest: {near}" in message
    assert "\n" not in message


def test_search_by_words_in_any_order() -> None:
    assert list(search_names("williams s", NAMES)) == [0, 1]
    assert list(search_names("williams ser", NAMES)) == [0]
    assert list(search_names("", NAMES)) == list(range(6))
    assert nearest_names("venus", NAMES, 3)[0] == 1
