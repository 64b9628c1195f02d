import math

import numpy as np
import pytest

from recognition.errors import InputError
from recognition.metrics.angles import angle_samples, describe_angles, measure_angles, nearest_angles


def angle(first: np.ndarray, second: np.ndarray) -> float:
    cosine = float(first @ second) / float(np.linalg.norm(first) * np.linalg.norm(second))
    return math.degrees(math.acos(max(-1, min(1, cosine))))


def test_angles_equal_loops():
    generator = np.random.default_rng(0)
    embeddings, centres = generator.normal(size=(30, 5)), generator.normal(size=(4, 5))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    labels = generator.permutation(np.arange(30) % 4)
    means = [sum(embeddings[labels == label]) for label in range(4)]
    measured = measure_angles(embeddings, labels, centres)
    assert measured.w_ec == pytest.approx(np.mean([angle(centres[y], means[y]) for y in range(4)]))
    assert measured.w_inter == pytest.approx(
        np.mean([min(angle(centres[y], centres[z]) for z in range(4) if z != y) for y in range(4)])
    )
    assert measured.intra == pytest.approx(
        np.mean([angle(x, means[y]) for x, y in zip(embeddings, labels, strict=True)])
    )
    assert measured.inter == pytest.approx(
        np.mean([min(angle(means[y], means[z]) for z in range(4) if z != y) for y in range(4)])
    )
    assert measured.images == 30
    assert set(describe_angles(measured)) == {"images", "w_ec", "w_inter", "intra", "inter"}


def test_intervals_of_angles_are_over_classes():
    generator = np.random.default_rng(2)
    embeddings, centres = generator.normal(size=(50, 5)), generator.normal(size=(10, 5))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    labels = np.arange(50) % 10
    measured = measure_angles(embeddings, labels, centres)
    estimates = angle_samples(embeddings, labels, centres).estimates()
    assert estimates.keys() == {"w_ec", "w_inter", "intra", "inter"}
    for name, figure in estimates.items():
        assert figure.value == pytest.approx(getattr(measured, name))
        assert figure.low < figure.value < figure.high
        assert figure.identities == 10
    assert estimates["intra"].comparisons == 50
    assert angle_samples(embeddings, labels).estimates().keys() == {"intra", "inter"}


def test_the_nearest_of_chosen_directions_equals_loops():
    generator = np.random.default_rng(1)
    directions = generator.normal(size=(7, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    expected = [min(angle(directions[y], directions[z]) for z in range(7) if z != y) for y in range(7)]
    assert nearest_angles(directions, rows=2) == pytest.approx(np.array(expected))
    assert nearest_angles(directions, np.array([6, 0, 3]), rows=2) == pytest.approx(
        np.array([expected[6], expected[0], expected[3]])
    )
    with pytest.raises(InputError, match="at least two directions, got 1"):
        nearest_angles(directions[:1])


def test_single_images_do_not_count_within_classes():
    embeddings = np.array([[1.0, 0], [0, 1], [-1, 0]])
    assert measure_angles(embeddings, np.array([0, 0, 1])).intra == pytest.approx(45)
    assert math.isnan(measure_angles(embeddings, np.arange(3)).intra)


def test_angles_by_hand_without_centres():
    embeddings = np.array([[1.0, 0], [1, 0], [0, 1]])
    measured = measure_angles(embeddings, np.array([0, 0, 1]))
    assert (measured.intra, measured.inter) == (pytest.approx(0), pytest.approx(90))
    assert math.isnan(measured.w_ec)
    assert set(describe_angles(measured)) == {"images", "intra", "inter"}


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 2, 2]])
def test_other_classes_than_expected_are_refused(labels):
    with pytest.raises(InputError, match="angles: expected at least two classes, each with an image"):
        measure_angles(np.eye(3), np.array(labels))


def test_other_centres_than_classes_are_refused():
    with pytest.raises(InputError, match="centres: expected one of each of the 3 classes, got 2"):
        measure_angles(np.eye(3), np.arange(3), np.eye(3)[:2])
