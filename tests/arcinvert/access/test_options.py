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


def test_large_budgets_keep_queries_for_candidates() -> None:
    given = [(30, 1), (199, 1), (200, 2), (300, 3), (1000, 5), (9000, 5)]
    for queries, count in given:
        assert AccessOptions(access="scores", queries=queries).candidates == count
        assert AccessOptions(access="decisions", queries=queries).candidates == 1
    # One for the template that leaked; the answer on the result is one of those on the candidates.
    assert AccessOptions(access="embeddings", queries=1000).for_estimate(1) == 994
    # What is refined is asked about once more.
    assert AccessOptions(access="scores", queries=300, refine=20).for_estimate(2) == 300 - 2 * (3 + 20 + 1)


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
