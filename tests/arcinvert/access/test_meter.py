"""The query meter: what counts, for whom, and that no budget is exceeded."""

import pytest

from arcinvert.access.meter import BudgetSpentError, QueryMeter
from recognition.errors import InputError


def test_shared_images_count_for_each_person() -> None:
    meter = QueryMeter(10)
    meter.charge(4, "public faces")
    meter.charge(5, "scores", person="ann")
    meter.charge(2, "scores", person="bob")
    assert (meter.count, meter.spent("ann"), meter.spent("bob"), meter.spent()) == (11, 9, 6, 9)
    assert (meter.left("ann"), meter.left("bob"), meter.left()) == (1, 4, 1)


def test_nothing_is_counted_beyond_the_budget() -> None:
    meter = QueryMeter(10)
    meter.charge(8, "scores", person="ann")
    with pytest.raises(BudgetSpentError, match="queries: expected room for 3 more images, got 2"):
        meter.charge(3, "scores", person="ann")
    with pytest.raises(BudgetSpentError):
        # It would count for Ann, too.
        meter.charge(3, "public faces")
    meter.charge(2, "results", person="ann")
    assert meter.spent("ann") == meter.count == 10


def test_who_listens_reads_what_is_counted_and_nothing_else() -> None:
    meter, read = QueryMeter(10), list[int]()
    meter.on_charge = lambda: read.append(meter.count)
    meter.charge(4, "public faces")
    with pytest.raises(BudgetSpentError):
        meter.charge(7, "scores", person="ann")
    meter.charge(6, "scores", person="ann")
    assert read == [4, 10]


def test_what_is_reserved_cannot_be_spent() -> None:
    meter = QueryMeter(10)
    meter.reserved = 3
    meter.charge(5, "public faces")
    assert meter.left("ann") == 2
    with pytest.raises(BudgetSpentError):
        meter.charge(3, "scores", person="ann")
    meter.charge(2, "scores", person="ann")
    meter.reserved = 0
    meter.charge(3, "results", person="ann")
    assert meter.left("ann") == 0


def test_retries_are_images_shown() -> None:
    meter = QueryMeter()
    meter.charge(1, "scores", person="ann")
    meter.charge(1, "scores", person="ann", again=True)
    assert meter.left("ann") is None
    assert meter.describe() == {
        "budget_for_each_person": None,
        "most_for_one_person": 2,
        "count": 2,
        "by_purpose": {"scores": 2},
        "retries": 1,
    }


def test_a_budget_is_positive() -> None:
    with pytest.raises(InputError, match="queries: expected 1 or more, got 0"):
        QueryMeter(0)
