"""Films as folders of frames, and lists of pairs of films."""

import pytest

from recognition.data.videos import read_film_pairs, read_films
from recognition.errors import InputError


def test_frames_are_listed_by_film(tmp_path):
    for name in ("Ann/0/b.png", "Ann/0/a.jpg", "Ann/2/a.png", "Bob/1/x.txt", "Cat/a.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    films = read_films(tmp_path)
    assert {name: [path.name for path in paths] for name, paths in films.items()} == {
        "Ann/0": ["a.jpg", "b.png"],
        "Ann/2": ["a.png"],
    }
    with pytest.raises(InputError, match="expected folders PERSON/FILM with frames"):
        read_films(tmp_path / "Bob")


def test_pairs_are_read_with_or_without_header(tmp_path):
    rows = "1, 1, Ann/0, Ann/2, 1\n2, 1, Ann/0 , Bob/1/, 0, extra\n"
    for header in ("", "split number, pair number, first name, second name, is same name\n"):
        (tmp_path / "splits.txt").write_text(header + rows)
        assert read_film_pairs(tmp_path / "splits.txt") == [
            ("Ann/0", "Ann/2", True, 0),
            ("Ann/0", "Bob/1", False, 1),
        ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1, 1, Ann/0, Ann/2\n", "expected a fold, a number, two films and 0 or 1 in line 1"),
        ("1, 1, Ann/0, Ann/2, x\n", "expected a fold, a number, two films and 0 or 1 in line 1"),
        ("1, 1, A/0, A/1, 1\n0, 2, A/0, B/0, 0\n", "expected a fold from 1, and 0 or 1, in line 2"),
        ("1, 1, A/0, A/1, 1\n1, 2, A/0, B/0, 0\n", "in at least 2 folds, found 2 pairs"),
        ("", "found 0 pairs"),
    ],
)
def test_other_lists_are_refused(tmp_path, text, message):
    (tmp_path / "splits.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        read_film_pairs(tmp_path / "splits.txt")
