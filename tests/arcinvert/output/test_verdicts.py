"""Verdicts in plain words."""

from typing import Any

import pytest

from arcinvert.output.verdicts import Badge, accepted_at, badge, fmr_text, one_in, person_line, seen_in


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (0.001, "1 in 1,000"),
        (0.01, "1 in 100"),
        (1e-6, "1 in 1,000,000"),
        (0.25, "1 in 4"),
        (0.4, "2 in 5"),
        (1.0, "1 in 1"),
    ],
)
def test_rates_as_frequencies(rate: float, text: str) -> None:
    assert one_in(rate) == text


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ({"0.01": True, "0.001": True}, Badge("accepted at 1 in 1,000", 0.001, strictest=True)),
        ({"0.01": True, "0.001": False}, Badge("accepted at 1 in 100", 0.01)),
        ({"0.01": False, "0.001": False}, Badge("not accepted")),
        (None, Badge("not judged", judged=False)),
    ],
)
def test_badges(accepted: dict[str, bool] | None, expected: Badge) -> None:
    assert badge(accepted) == expected


def test_rates_as_readers_know_them() -> None:
    assert fmr_text(0.001) == fmr_text("0.001") == "FMR 1 in 1,000"
    assert fmr_text(None) == "FMR refused"


def test_the_strictest_rate_stands_in_a_table() -> None:
    texts = [accepted_at(one) for one in (STRICT, LOOSE, NONE, None)]
    assert texts == ["1 in 1,000", "1 in 100", "none", "not judged"]


def sample(accepted: Any, *, class_id: int | None = 5, photographs: int | None = 71) -> dict[str, Any]:
    name = "Serena_Williams" if class_id is not None else "folder/her_photo.jpg"
    return {
        "input": name,
        "class_id": class_id,
        "class_photographs": photographs,
        "subcentre": None,
        "judge": {"accepted": accepted},
    }


STRICT, LOOSE, NONE = (
    {"0.01": one, "0.001": other} for one, other in ((True, True), (True, False), (False, False))
)


def test_a_person_is_one_line() -> None:
    assert person_line([sample(STRICT)]) == "Serena Williams, seen in 71 photographs: accepted at 1 in 1,000"
    assert person_line([sample(NONE, class_id=None, photographs=None)]) == "her_photo.jpg: not accepted"
    several = [sample(NONE, photographs=1), *[sample(LOOSE)] * 2, sample(STRICT)]
    assert person_line(several) == (
        "Serena Williams, seen in 1 photograph: of 4 reconstructions 1 accepted at 1 in 1,000, "
        "2 accepted at 1 in 100, 1 not accepted"
    )
    assert person_line([sample(None)] * 2).endswith("of 2 reconstructions 2 not judged")


def test_how_often_a_person_was_seen() -> None:
    assert (seen_in(None), seen_in(1), seen_in(1529)) == (
        "",
        "seen in 1 photograph",
        "seen in 1,529 photographs",
    )
