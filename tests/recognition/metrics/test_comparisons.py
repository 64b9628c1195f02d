"""Comparisons one by one on embeddings in two dimensions, where angles are known."""

import math
from pathlib import Path

import numpy as np
import pytest

from recognition.errors import InputError
from recognition.metrics.comparisons import Comparisons, draw_nonmated
from recognition.metrics.confusion import confuse_pairs, confuse_people, describe_confusion
from recognition.metrics.mistakes import find_mistakes
from recognition.metrics.pair_angles import describe_pair_angles, measure_pair_angles
from recognition.metrics.pair_lists import PairList
from recognition.metrics.pooling import describe_pooling, measure_pooling, pool


def at(*degrees: float) -> np.ndarray:
    """Unit vectors at angles in the plane."""
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def pairs_of(degrees: list[float], mated: list[bool], people: list[tuple[int, int]]) -> Comparisons:
    """Comparisons with given angles; each pair has two images of its own."""
    count = len(degrees)
    return Comparisons(
        "made up",
        np.cos(np.radians(np.array(degrees))).astype(np.float32),
        PairList(
            2 * np.arange(count), 2 * np.arange(count) + 1, np.array(mated), np.array(people).reshape(-1)
        ),
        [Path(f"{number}.png") for number in range(2 * count)],
        tuple(f"P{number}" for number in range(10)),
    )


@pytest.mark.parametrize("most", [1000, 20, 1])
def test_nonmated_pairs_are_drawn_without_repetition(most):
    labels = np.array([0, 1, 0, 2, 2, 2, 1, 3, 3, 3])
    everything = {
        (first, second) for second in range(10) for first in range(second) if labels[first] != labels[second]
    }
    drawn = draw_nonmated(labels, most)
    assert len({tuple(pair) for pair in drawn.tolist()}) == len(drawn) == min(most, len(everything))
    assert {tuple(pair) for pair in drawn.tolist()} <= everything
    np.testing.assert_array_equal(drawn, draw_nonmated(labels, most))
    if 1 < most < len(everything):
        assert draw_nonmated(labels, most, seed=1).tolist() != drawn.tolist()


def test_every_nonmated_pair_is_drawn_as_often():
    labels = np.arange(8)
    counts = np.zeros((8, 8))
    for seed in range(700):
        # So few of so many that they are drawn and not listed.
        for first, second in draw_nonmated(labels, 4, seed=seed).tolist():
            counts[first, second] += 1
    found = counts[np.triu_indices(8, 1)]
    assert found.sum() == 2800
    # 100 are expected of each of 28 pairs; chi-squared with 27 degrees of freedom is below 56 in 0.999.
    assert ((found - 100) ** 2 / 100).sum() < 56


def test_no_pairs_are_refused():
    with pytest.raises(InputError, match="nonmated pairs: expected 1 or more, got 0"):
        draw_nonmated(np.arange(3), 0)


def test_the_overlap_of_two_histograms_by_hand():
    compared = pairs_of(
        [31, 41, 51, 71, 71, 81, 91, 95],
        [True] * 4 + [False] * 4,
        [(0, 0), (1, 1), (2, 2), (3, 3), (4, 5), (6, 7), (8, 9), (4, 9)],
    )
    angles = measure_pair_angles(compared)
    # Of four pairs of each kind, one has 71 degrees.
    assert angles.overlap == pytest.approx(0.25)
    # Just above that pair's similarity a quarter of the mated pairs is rejected, just below it a quarter of
    # the nonmated ones is accepted: the rates meet halfway.
    assert angles.eer == pytest.approx(0.125)
    assert 71 <= angles.eer_angle <= 81
    assert (angles.frr.value, angles.fmr.value) == (0, 0.25)
    assert angles.mean_mated.value == pytest.approx(48.5, abs=1e-3)
    assert angles.mean_nonmated == pytest.approx(84.5, abs=1e-3)
    assert (angles.mated.sum(), angles.nonmated.sum()) == (4, 4)
    # Bins of two degrees.
    assert np.flatnonzero(angles.mated).tolist() == [15, 20, 25, 35]
    described = describe_pair_angles(angles)
    assert (described["mated"], described["nonmated"], described["people"]) == (4, 4, 10)
    assert described["fmr_interval"][0] < 0.25 < described["fmr_interval"][1]


def test_distributions_apart_have_no_overlap_and_equal_ones_share_all():
    apart = measure_pair_angles(pairs_of([10, 100], [True, False], [(0, 0), (1, 2)]))
    assert (apart.overlap, apart.eer) == (0, 0)
    alike = measure_pair_angles(
        pairs_of([40, 80, 40, 80], [True, True, False, False], [(0, 0), (1, 1), (2, 3), (4, 5)])
    )
    assert (alike.overlap, alike.eer) == (1, pytest.approx(0.5))


def test_mistakes_are_the_worst_of_each_kind_and_each_pair_of_people_once():
    compared = pairs_of(
        [20, 85, 80, 30, 25, 40, 95],
        [True, True, True, False, False, False, False],
        [(0, 0), (1, 1), (1, 1), (2, 3), (3, 2), (4, 5), (6, 7)],
    )
    mistakes = find_mistakes(compared, math.cos(math.radians(60)))
    assert [pair.names for pair in mistakes.false_matches] == [("P3", "P2"), ("P4", "P5")]
    assert [pair.similarity for pair in mistakes.false_matches] == pytest.approx(
        [math.cos(math.radians(25)), math.cos(math.radians(40))]
    )
    (reject,) = mistakes.false_rejects
    assert reject.keys == (Path("2.png"), Path("3.png"))
    assert (mistakes.tar.value, mistakes.fmr.value) == (pytest.approx(1 / 3), pytest.approx(3 / 4))
    assert len(find_mistakes(compared, 0.5, most=1).false_matches) == 1
    assert find_mistakes(compared, 1.0).false_matches == ()
    with pytest.raises(InputError, match="mistaken pairs: expected 1 or more of each kind, got 0"):
        find_mistakes(compared, 0.5, most=0)


def test_the_confusion_of_pairs_by_hand():
    compared = pairs_of(
        [20, 80, 30, 95, 100], [True, True, False, False, False], [(0, 0), (1, 1), (2, 3), (4, 5), (6, 7)]
    )
    confusion = confuse_pairs(compared, 0.5)
    assert confusion.counts.tolist() == [[1, 1], [1, 2]]
    described = describe_confusion(confusion)
    assert described["nonmated"] == {"accepted": 1, "rejected": 2}
    assert described["tar"][0] == 0.5
    assert described["tar"][1] < 0.5 < described["tar"][2]


def test_the_confusion_of_people_by_hand():
    # Ann is enrolled at 0 degrees, Bob at 40, Cat at 200; the other images are probes.
    embeddings = at(0, 5, 10, 40, 18, 41, 200, 203, 100, 110, 120, 230)
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2, 3, 4, 5, 6])
    names = ("Ann", "Bob", "Cat", "Dan", "Eve", "Fay", "Gus")
    confusion = confuse_people(embeddings, labels, names, fpir=0.75, shown=2)
    # The strangers are at 60, 70, 80 and 30 degrees of the nearest; three of the four may pass.
    assert confusion.threshold == pytest.approx(math.cos(math.radians(80)))
    assert confusion.names == ("Ann", "Bob")
    assert confusion.gallery == 3
    assert confusion.counts.tolist() == [
        [2, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [0, 0, 1, 0, 0],
        [0, 2, 0, 1, 1],
    ]
    assert confusion.right.value == pytest.approx(4 / 5)
    assert confusion.wrong.value == pytest.approx(1 / 5)
    assert confusion.strangers.value == pytest.approx(3 / 4)
    described = describe_confusion(confuse_pairs(pairs_of([9, 99], [True, False], [(0, 0), (1, 2)]), 0.5))
    assert "gallery" not in described
    everyone = confuse_people(embeddings, labels, names, fpir=0.75)
    assert everyone.counts.shape == (5, 6)
    assert everyone.counts.sum() == confusion.counts.sum() == 9


def test_too_few_people_cannot_be_confused():
    with pytest.raises(InputError, match="identification: expected at least 2 identities with two images"):
        confuse_people(at(0, 1, 50), np.array([0, 0, 1]), ("Ann", "Bob"))
    with pytest.raises(InputError, match="people shown: expected 1 or more, got 0"):
        confuse_people(at(0, 1, 50), np.array([0, 0, 1]), ("Ann", "Bob"), shown=0)


def test_a_template_is_the_direction_of_the_mean():
    np.testing.assert_allclose(pool(at(10, 50)), at(30)[0], atol=1e-6)


def noisy_people(people: int, images: int, spread: float) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of images that differ from their person's direction by independent noise."""
    generator = np.random.default_rng(4)
    directions = generator.normal(size=(people, 12))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    labels = np.repeat(np.arange(people), images)
    rows = directions[labels] + generator.normal(0, spread, (len(labels), 12))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def test_pooling_equals_loops():
    embeddings, labels = noisy_people(40, 4, 0.35)
    (point,) = measure_pooling(embeddings, labels, fmr=0.05, sizes=[3])
    templates = {name: pool(embeddings[labels == name][:3]) for name in range(40)}

    def threshold(similarities: list[float]) -> float:
        return sorted(similarities)[-1 - math.floor(0.05 * len(similarities) + 1e-9)]

    pooled = threshold(
        [
            float(templates[name] @ x)
            for name in range(40)
            for x, y in zip(embeddings, labels, strict=True)
            if y != name
        ]
    )
    single = threshold(
        [
            float(first @ second)
            for index, first in enumerate(embeddings)
            if index % 4 < 3
            for second, label in zip(embeddings, labels, strict=True)
            if label != labels[index]
        ]
    )
    probes = {name: embeddings[labels == name][3] for name in range(40)}
    accepted = [templates[name] @ probes[name] > pooled for name in range(40)]
    alone = [
        np.mean([x @ probes[name] > single for x in embeddings[labels == name][:3]]) for name in range(40)
    ]
    assert (point.people, point.probes) == (40, 40)
    assert point.tar.value == pytest.approx(np.mean(accepted))
    assert point.single_tar.value == pytest.approx(np.mean(alone))
    assert point.gain.value == pytest.approx(np.mean(accepted) - np.mean(alone))
    first = [max(templates, key=lambda other: templates[other] @ probes[name]) == name for name in range(40)]
    assert point.rank_1.value == pytest.approx(np.mean(first))
    assert point.similarity.value == pytest.approx(
        np.mean([templates[name] @ probes[name] for name in range(40)]), abs=1e-6
    )


def test_independent_noise_is_averaged_out_and_one_photograph_gains_nothing():
    embeddings, labels = noisy_people(40, 9, 0.35)
    one, eight = measure_pooling(embeddings, labels, fmr=0.05, sizes=[8, 1])
    assert (one.photographs, eight.photographs) == (1, 8)
    assert one.gain.value == 0
    assert one.rank_1.value == one.single_rank_1.value
    assert eight.gain.low > 0
    assert eight.similarity.value > eight.single_similarity.high
    described = describe_pooling([one, eight], 0.05)
    assert described[1]["people"] == 40
    assert described[1]["gain"][0] == pytest.approx(eight.gain.value, abs=1e-4)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ([0], r"photographs of a template: expected numbers from 1, got \[0\]"),
        ([9], "pooling: expected two people with more than 9 photographs"),
    ],
)
def test_templates_that_nobody_has_are_refused(sizes, message):
    embeddings, labels = noisy_people(40, 4, 0.3)
    with pytest.raises(InputError, match=message):
        measure_pooling(embeddings, labels, fmr=0.05, sizes=sizes)
