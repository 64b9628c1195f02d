"""Each figure against a naive loop, another library or a hand computation."""

import math

import numpy as np
import pytest
import scipy.linalg
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from arcinvert.audit import metrics as figures
from arcinvert.audit.metrics import (
    accidental_rate,
    calibrate,
    diversity,
    frechet_distance,
    gap_closed,
    kernel_distance,
    paired_similarity,
    pairs_between,
    ranks,
    receiver_curve,
    similarity_matrix,
    ssim,
    system_linkability,
)


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(7)


def unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_similarities_are_those_of_single_pairs(
    metric: figures.Metric, generator: np.random.Generator
) -> None:
    first, second = unit(generator.normal(size=(5, 8))), unit(generator.normal(size=(3, 8)))
    matrix = similarity_matrix(first, second, metric)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            naive = (
                1 - math.dist(a, b)
                if metric == "euclidean"
                else sum(x * y for x, y in zip(a, b, strict=True))
            )
            assert matrix[i, j] == pytest.approx(naive)
            assert paired_similarity(a, b, metric) == pytest.approx(naive)


def test_equal_embeddings_are_as_similar_as_can_be(generator: np.random.Generator) -> None:
    one = generator.normal(size=(4, 128))
    assert np.diag(similarity_matrix(one, one, "euclidean")) == pytest.approx(np.ones(4), abs=1e-6)


def test_a_rate_is_refused_where_the_pairs_do_not_support_it(generator: np.random.Generator) -> None:
    mated, nonmated = generator.normal(3, 1, 50), generator.normal(0, 1, 2999)
    wide, narrow = calibrate(mated, nonmated, [1e-2, 1e-3])
    assert wide.point is not None
    assert wide.point.realised_fmr == pytest.approx((nonmated > wide.point.threshold).mean())
    assert wide.point.realised_fmr <= 1e-2
    assert narrow.point is None
    assert narrow.refused is not None
    assert "3,000 nonmated comparisons (rule of three), got 2,999" in narrow.refused


def test_accidental_rate(generator: np.random.Generator) -> None:
    nonmated = generator.random(100)
    wanted = [(1 + sum(other >= one for other in nonmated)) / 101 for one in (-1.0, 0.5, 2.0, nonmated[3])]
    assert accidental_rate(np.array([-1.0, 0.5, 2.0, nonmated[3]]), nonmated) == pytest.approx(wanted)


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


def test_gap_closed() -> None:
    assert gap_closed(0.5, 0.2, 0.8) == pytest.approx(0.5)
    assert gap_closed(0.5, 0.8, 0.2) is None


def test_linkability_of_the_extremes(generator: np.random.Generator) -> None:
    low, high = generator.random(2000), 2 + generator.random(2000)
    assert system_linkability(high, low) == pytest.approx(1.0)
    assert system_linkability(low, low.copy()) == 0.0
    assert system_linkability(np.ones(5), np.ones(7)) == 0.0


def test_linkability_by_hand() -> None:
    # Two bins: shares 3/4 and 1/4 of the mated, 1/4 and 3/4 of the others; LR = 3 in the upper bin.
    mated, nonmated = np.array([0.0, 1, 1, 1]), np.array([0.0, 0, 0, 1])
    assert system_linkability(mated, nonmated, bins=2) == pytest.approx((2 * 3 / 4 - 1) * 3 / 4)


def test_frechet_distance_with_a_matrix_root(generator: np.random.Generator) -> None:
    first, second = generator.normal(size=(50, 5)), generator.normal(1, 2, size=(60, 5))
    covariances = np.cov(first, rowvar=False), np.cov(second, rowvar=False)
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1]).real
    means = ((first.mean(0) - second.mean(0)) ** 2).sum()
    wanted = means + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(first, second) == pytest.approx(wanted)
    assert frechet_distance(first, first) == pytest.approx(0, abs=1e-6)


def test_kernel_distance_by_loops(generator: np.random.Generator) -> None:
    first, second = generator.normal(size=(6, 3)), generator.normal(1, 1, size=(5, 3))

    def kernel(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
        return float((a @ b / 3 + 1) ** 3)

    def within(rows: NDArray[np.float64]) -> float:
        values = [kernel(a, b) for i, a in enumerate(rows) for j, b in enumerate(rows) if i != j]
        return float(np.mean(values))

    between = np.mean([kernel(a, b) for a in first for b in second])
    assert kernel_distance(first, second) == pytest.approx(within(first) + within(second) - 2 * between)


def test_kernel_distance_is_unbiased(generator: np.random.Generator) -> None:
    draws = [
        kernel_distance(generator.normal(size=(10, 4)), generator.normal(size=(12, 4))) for _ in range(300)
    ]
    assert abs(np.mean(draws)) < 3 * np.std(draws) / math.sqrt(len(draws))


def test_diversity() -> None:
    assert diversity(np.eye(3), "cosine") == pytest.approx(1.0)
    assert diversity(np.tile([[1.0, 0.0]], (4, 1)), "cosine") == pytest.approx(0.0)


def test_ssim_is_that_of_scikit_image(generator: np.random.Generator) -> None:
    first = generator.integers(0, 256, (40, 30, 3), dtype=np.uint8)
    second = np.clip(first + generator.normal(0, 40, first.shape), 0, 255).astype(np.uint8)
    full = structural_similarity(
        first,
        second,
        channel_axis=2,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        full=True,
    )[1]
    # The library pads; away from the border its map is the same.
    assert ssim(first, second) == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-6)
    assert ssim(first, first) == pytest.approx(1.0)


def test_receiver_curve(generator: np.random.Generator) -> None:
    mated, nonmated = generator.normal(2, 1, 200), generator.normal(0, 1, 1000)
    for rate, tar in zip([0.01, 0.1, 1.0], receiver_curve(mated, nonmated, [0.01, 0.1, 1.0]), strict=True):
        thresholds = [t for t in nonmated if (nonmated > t).mean() <= rate]
        assert tar == pytest.approx((mated > min(thresholds)).mean())
