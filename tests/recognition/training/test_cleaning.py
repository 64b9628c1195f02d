import math

import numpy as np
import pytest
import torch

from recognition.checkpoint import load_recogniser
from recognition.data.lists import write_list
from recognition.data.sources import open_source
from recognition.errors import InputError
from recognition.training.cleaning import clean, describe_rows, find_noise
from recognition.training.options import TrainingOptions
from recognition.training.train import train

#: Two centres of each of two classes, in the plane.
SUBCENTRES = np.array([[[1.0, 0], [0, 1]], [[-1, 0], [0, -1]]])


def at(*degrees: float) -> np.ndarray:
    return np.array([(math.cos(math.radians(d)), math.sin(math.radians(d))) for d in degrees])


def test_angles_and_dominant_centres_by_hand():
    embeddings, labels = at(10, -20, 95, 80, 170, 200, 260), np.array([0, 0, 0, 0, 1, 1, 1])
    cleaning = find_noise(embeddings, labels, SUBCENTRES, max_angle=75)
    # A tie of class 0 goes to the first centre.
    assert cleaning.nearest.tolist() == [0, 0, 1, 1, 0, 0, 1]
    assert cleaning.dominant.tolist() == [0, 0]
    np.testing.assert_allclose(cleaning.angles, [10, 20, 95, 80, 10, 20, 80], atol=1e-9)
    assert cleaning.kept.tolist() == [True, True, False, False, True, True, False]
    assert find_noise(embeddings, labels, SUBCENTRES, max_angle=90).kept.tolist() == [
        *(True, True, False, True),
        *(True, True, True),
    ]


def test_the_nearest_image_of_a_class_always_stays():
    cleaning = find_noise(at(100, 110), np.array([0, 0]), SUBCENTRES[:, :1], max_angle=75)
    assert cleaning.kept.tolist() == [True, False]


def test_the_outliers_are_the_librarys():
    torch = pytest.importorskip("torch")
    losses = pytest.importorskip("pytorch_metric_learning.losses")
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(4, 3, 6))
    centres /= np.linalg.norm(centres, axis=2, keepdims=True)
    labels = generator.integers(0, 4, 60)
    embeddings = centres[labels, generator.integers(0, 3, 60)] + generator.normal(0, 0.4, (60, 6))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    library = losses.SubCenterArcFaceLoss(num_classes=4, embedding_size=6, sub_centers=3).double()
    library.W.data = torch.from_numpy(centres.reshape(-1, 6).T.copy())
    outliers, _ = library.get_outliers(torch.from_numpy(embeddings), torch.from_numpy(labels), threshold=75)
    cleaning = find_noise(embeddings, labels, centres, max_angle=75)
    assert 10 < len(outliers) < 50
    assert sorted(np.flatnonzero(~cleaning.kept)) == sorted(outliers.tolist())


@pytest.mark.parametrize("angle", [0.0, -1.0, 181.0, math.nan])
def test_angles_out_of_range_are_refused(angle):
    with pytest.raises(InputError, match=r"angle: expected degrees above 0 to 180"):
        find_noise(at(0), np.array([0]), SUBCENTRES, max_angle=angle)


def test_labels_out_of_range_are_refused():
    with pytest.raises(InputError, match=r"labels: expected class indices in 0\.\.1, got 2\.\.2"):
        find_noise(at(0), np.array([2]), SUBCENTRES)


@pytest.fixture(scope="module")
def trained(people, tmp_path_factory):
    out = tmp_path_factory.mktemp("subcentre")
    options = TrainingOptions(
        width=1 / 8, embedding_size=8, epochs=1, batch_size=8, held_out=2, image_size=32, head="subcentre"
    )
    return train(people, out, options, device="cpu", precision="float32")


def test_a_training_leaves_its_subcentres_and_is_cleaned(trained, people, tmp_path):
    recogniser = load_recogniser(trained)
    assert recogniser.centres.shape == (12, 8)
    directions, dominant = recogniser.subcentres.directions, recogniser.subcentres.dominant
    assert directions.shape == (12, 3, 8)
    torch.testing.assert_close(directions[torch.arange(12), dominant], recogniser.centres)
    source = open_source(people)
    cleaning, keys, labels, left_out = clean(recogniser, source, max_angle=1e-3)
    assert left_out == []
    assert len(keys) == 24
    # All but one image of each identity are beyond so small an angle.
    assert cleaning.kept.sum() == 12
    rows = describe_rows(cleaning, keys, labels, recogniser, source)
    assert len(rows) == 28
    assert sum(row["angle"] == "" for row in rows) == 4, "held-out people are not judged"
    write_list(tmp_path / "cleaned.csv", rows)
    cleaned = open_source(tmp_path / "cleaned.csv").identities
    assert sorted(map(len, cleaned.values())) == [1] * 12 + [2] * 2
    assert list(cleaned) == sorted(source.identities), "the split of a retraining is the same"


def test_a_network_without_several_centres_is_refused(tiny_model, people, tmp_path):
    with pytest.raises(InputError, match="expected a tensor 'subcentres' in it"):
        clean(load_recogniser(tiny_model), open_source(people))


def test_other_data_than_the_trainings_is_refused(trained, tmp_path, people):
    (tmp_path / "data").mkdir()
    (tmp_path / "data/Somebody").symlink_to(people / "Person_00")
    with pytest.raises(InputError, match="expected the identities that it was trained on, 12 of them"):
        clean(load_recogniser(trained), open_source(tmp_path / "data"))
