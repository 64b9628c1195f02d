"""Results that are kept for a page that is loaded again."""

import time

from app.kept import KeptResults


def test_a_result_is_found_by_its_key_alone() -> None:
    results = KeptResults()
    key = results.keep("identity", "one")
    other = results.keep("photograph", "two")
    kept = results.get(key)
    assert kept is not None
    assert (kept.tab, kept.shown) == ("identity", "one")
    assert len({key, other}) == 2
    assert len(key) >= 22
    assert results.get("") is None


def test_the_oldest_goes_first() -> None:
    results = KeptResults(most=2)
    keys = [results.keep("identity", number) for number in range(3)]
    assert [results.get(key) is not None for key in keys] == [False, True, True]


def test_a_result_is_deleted_in_time_though_nobody_comes() -> None:
    results = KeptResults(seconds=0.05)
    key = results.keep("identity", "one")
    end = time.monotonic() + 20
    while results.get(key) is not None and time.monotonic() < end:
        time.sleep(0.01)
    assert results.get(key) is None
