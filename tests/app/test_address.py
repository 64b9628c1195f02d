"""The state of the page in its address."""

import pytest

from app.address import Place, read_place, unusable

TABS, NETWORKS = ["start", "identity"], ["bundled", "other.onnx"]


def test_a_whole_address() -> None:
    query = "?tab=identity&network=other.onnx&person=9%3A+Serena+Williams&seed=7"
    assert read_place(query, TABS, NETWORKS) == Place("identity", "other.onnx", "9: Serena Williams", 7)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?",
        "?tab=nowhere",
        "?tab=start",
        "?network=../../etc/passwd",
        "?seed=-1",
        "?seed=1e3",
        "?seed=%C2%B2",
        f"?seed={2**53}",
    ],
)
def test_what_cannot_be_used_is_ignored(query: str) -> None:
    assert read_place(query, TABS, NETWORKS) == Place()


def test_a_long_person_is_cut() -> None:
    assert read_place("?person=" + "x" * 10_000, TABS, NETWORKS).person == "x" * 200


def test_what_cannot_be_used_is_said() -> None:
    assert unusable("?tab=identity&network=other.onnx&seed=7", NETWORKS) == []
    assert unusable("?network=../../etc&seed=1e9", NETWORKS) == [
        "The network ../../etc of this address is not on the server. bundled is chosen.",
        "The seed 1e9 of this address is no whole number from 0 up. It is 0 now.",
    ]
