"""Options of attacks on black boxes: budgets, and what does not go together."""

from typing import Any

import pytest

from arcinvert.access.options import AccessOptions
from recognition.errors import InputError


def test_budgets() -> None:
    assert [AccessOptions(access=one).query_budget for one in ("embeddings", "scores", "decisions")] == [
        1000,
        100,
        5000,
    ]
    # One for the template that leaked, and one for the answer on each image.
    assert AccessOptions(access="embeddings", queries=100).for_estimate(1) == 98
    assert AccessOptions(access="scores", queries=100).for_estimate(1) == 99
    assert AccessOptions(access="scores", queries=100, refine=20).for_estimate(2) == 58


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"queries": 100}, "queries: expected it with --access"),
        ({"surrogate": "other.onnx"}, "surrogate: expected it with --access"),
        ({"refine": 5}, "refine: expected it with --access"),
        ({"access": "decisions", "refine": 5}, "refine: expected embeddings or scores, got decisions"),
        ({"access": "scores", "queries": 3}, "queries"),
        ({"access": "guesses"}, "access"),
        ({"access": "scores", "decimals": 0}, "decimals"),
    ],
)
def test_refusals(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        AccessOptions(**given)


def test_a_budget_without_room_for_an_estimate_is_refused() -> None:
    with pytest.raises(InputError, match="queries: expected more than 42 for 2 images"):
        AccessOptions(access="scores", queries=40, refine=20).for_estimate(2)
