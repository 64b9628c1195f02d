"""Each figure against a naive loop, another library or a hand computation."""

import numpy as np
import pytest
from numpy.typing import NDArray

from arcinvert.audit.metrics import (
    calibrate,
    compare_all,
    ranks,
    stranger_rates,
    supported,
    system_linkability,
    tar_at_rates,
)


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(7)


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_a_rate_is_refused_where_the_people_do_not_support_it(generator: np.random.Generator) -> None:
    labels = np.arange(100)
    embeddings = unit(generator.normal(size=(100, 16)))
    nonmated = compare_all(embeddings, embeddings, labels, "cosine").nonmated
    wide, narrow = calibrate(nonmated, [1e-2, 1e-3])
    assert wide.threshold is not None
    assert (nonmated.similarities > wide.threshold.value).mean() <= 1e-2
    assert wide.threshold.low < wide.threshold.value < wide.threshold.high
    assert narrow.threshold is None
    assert narrow.refused is not None
    assert "at least 142 people, of whose pairs 10 match falsely, got 100" in narrow.refused
    assert supported(nonmated, [1e-2, 1e-3]) == [1e-2]


def test_stranger_rates(generator: np.random.Generator) -> None:
    nonmated = generator.random(100)
    wanted = [(1 + sum(other >= one for other in nonmated)) / 101 for one in (-1.0, 0.5, 2.0, nonmated[3])]
    assert stranger_rates(np.array([-1.0, 0.5, 2.0, nonmated[3]]), nonmated) == pytest.approx(wanted)


def test_pairs_are_all_pairs_once(generator: np.random.Generator) -> None:
    embeddings, labels = unit(generator.normal(size=(9, 4))), np.array([0, 0, 1, 2, 2, 2, 3, 0, 1])
    found = compare_all(embeddings, embeddings, labels, "cosine")
    wanted: dict[bool, list[float]] = {True: [], False: []}
    for i in range(9):
        for j in range(i + 1, 9):
            wanted[bool(labels[i] == labels[j])].append(float(embeddings[i] @ embeddings[j]))
    assert sorted(found.mated) == pytest.approx(sorted(wanted[True]))
    assert sorted(found.nonmated.similarities) == pytest.approx(sorted(wanted[False]))
    assert sorted(found.owners) == [0, 0, 0, 1, 2, 2, 2]
    assert found.nonmated.images.tolist() == [3, 2, 3, 1]
    for first, second, value in zip(
        found.nonmated.first, found.nonmated.second, found.nonmated.similarities, strict=True
    ):
        products = embeddings[labels == first] @ embeddings[labels == second].T
        assert np.isclose(products, value).any()
    assert len(compare_all(embeddings, embeddings, labels, "cosine", per_identity=1).mated) == 3


def test_ranks_against_sorting(generator: np.random.Generator) -> None:
    probes, gallery = unit(generator.normal(size=(300, 6))), unit(generator.normal(size=(40, 6)))
    own = generator.integers(0, 40, 300)
    naive = [
        1 + sorted(range(40), key=lambda j: -float(probe @ gallery[j])).index(int(mine))
        for probe, mine in zip(probes, own, strict=True)
    ]
    assert ranks(probes, gallery, own, "cosine").tolist() == naive


def test_a_tie_counts_against_the_probe() -> None:
    gallery = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert ranks(gallery[:1], gallery, np.array([0]), "cosine").tolist() == [2]


def test_linkability_of_the_extremes(generator: np.random.Generator) -> None:
    low, high = generator.random(2000), 2 + generator.random(2000)
    assert system_linkability(high, low) == pytest.approx(1.0)
    assert system_linkability(low, low.copy()) == 0.0
    assert system_linkability(np.ones(5), np.ones(7)) == 0.0


def test_linkability_by_hand() -> None:
    # Two bins: shares 3/4 and 1/4 of the mated, 1/4 and 3/4 of the others; LR = 3 in the upper bin.
    mated, nonmated = np.array([0.0, 1, 1, 1]), np.array([0.0, 0, 0, 1])
    assert system_linkability(mated, nonmated, bins=2) == pytest.approx((2 * 3 / 4 - 1) * 3 / 4)


def test_tar_at_rates(generator: np.random.Generator) -> None:
    mated, nonmated = generator.normal(2, 1, 200), generator.normal(0, 1, 1000)
    for rate, tar in zip([0.01, 0.1, 1.0], tar_at_rates(mated, nonmated, [0.01, 0.1, 1.0]), strict=True):
        thresholds = [t for t in nonmated if (nonmated > t).mean() <= rate]
        assert tar == pytest.approx((mated > min(thresholds)).mean())
