"""Each figure against a naive loop, another library or a hand computation."""

import numpy as np
import pytest
from numpy.typing import NDArray

from arcinvert.audit.metrics import (
    calibrate,
    pairs_between,
    ranks,
    stranger_rates,
    system_linkability,
    tar_at_rates,
)


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(7)


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_a_rate_is_refused_where_the_pairs_do_not_support_it(generator: np.random.Generator) -> None:
    mated, nonmated = generator.normal(3, 1, 50), generator.normal(0, 1, 2999)
    wide, narrow = calibrate(mated, nonmated, [1e-2, 1e-3])
    assert wide.point is not None
    assert wide.point.realised_fmr == pytest.approx((nonmated > wide.point.threshold).mean())
    assert wide.point.realised_fmr <= 1e-2
    assert narrow.point is None
    assert narrow.refused is not None
    assert "3,000 nonmated comparisons (rule of three), got 2,999" in narrow.refused


def test_stranger_rates(generator: np.random.Generator) -> None:
    nonmated = generator.random(100)
    wanted = [(1 + sum(other >= one for other in nonmated)) / 101 for one in (-1.0, 0.5, 2.0, nonmated[3])]
    assert stranger_rates(np.array([-1.0, 0.5, 2.0, nonmated[3]]), nonmated) == pytest.approx(wanted)


def test_pairs_are_all_pairs_once(generator: np.random.Generator) -> None:
    embeddings, labels = unit(generator.normal(size=(9, 4))), np.array([0, 0, 1, 2, 2, 2, 3, 0, 1])
    mated, nonmated = pairs_between(embeddings, embeddings, labels, "cosine")
    wanted: dict[bool, list[float]] = {True: [], False: []}
    for i in range(9):
        for j in range(i + 1, 9):
            wanted[bool(labels[i] == labels[j])].append(float(embeddings[i] @ embeddings[j]))
    assert sorted(mated) == pytest.approx(sorted(wanted[True]))
    assert sorted(nonmated) == pytest.approx(sorted(wanted[False]))
    assert len(pairs_between(embeddings, embeddings, labels, "cosine", per_identity=1)[0]) == 3


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
