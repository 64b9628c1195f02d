"""Faces from templates: against a least-squares oracle, and on a world where the truth is linear."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.eigenfaces import coordinates_of, faces_of, load_eigenfaces
from arcinvert.regression import GAIN, RIDGE, FaceRegression, RegressionFit

DIM = 8


def linear_world(count: int, noise: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Templates, (count, DIM), coordinates that follow from them, and the faces of these."""
    generator = torch.Generator().manual_seed(1)
    templates = F.normalize(torch.randn(count, DIM, generator=generator))
    weights = 0.5 * torch.randn(DIM, len(load_eigenfaces()[2]), generator=generator)
    coordinates = 0.1 + templates @ weights
    coordinates = coordinates + noise * torch.randn(coordinates.shape, generator=generator)
    return templates, coordinates, faces_of(coordinates)


def fitted(templates: Tensor, images: Tensor, parts: int) -> FaceRegression:
    fit = RegressionFit()
    for told, shown in zip(templates.chunk(parts), images.chunk(parts), strict=True):
        fit.add(told, shown)
    return fit.solve()


def test_coordinates_of_faces_of_coordinates() -> None:
    coordinates = torch.randn(3, len(load_eigenfaces()[2]), generator=torch.Generator().manual_seed(0))
    # Directions are stored in half precision, so that they are orthonormal to 1e-3 alone.
    torch.testing.assert_close(coordinates_of(faces_of(coordinates)), coordinates, rtol=0, atol=0.05)
    torch.testing.assert_close(faces_of(torch.zeros(1, 300))[0], load_eigenfaces()[0])


def test_it_is_ridge_regression() -> None:
    templates, _, images = linear_world(200, noise=1.0)
    found = fitted(templates, images, 1)
    centred = (templates - templates.mean(0)).double().numpy()
    shown = coordinates_of(images).double().numpy()
    # Ridge as least squares with DIM more rows.
    rows = np.concatenate([centred, np.sqrt(RIDGE / DIM) * np.eye(DIM)])
    values = np.concatenate([shown - shown.mean(0), np.zeros((DIM, shown.shape[1]))])
    expected = np.linalg.lstsq(rows, values, rcond=None)[0]
    np.testing.assert_allclose(found.weights.numpy(), expected, atol=1e-4)
    np.testing.assert_allclose(found.intercept.numpy(), shown.mean(0), atol=1e-5)
    np.testing.assert_allclose(found.mean.numpy(), templates.mean(0).numpy(), atol=1e-6)
    assert found.faces == 100


def test_batches_do_not_matter() -> None:
    templates, _, images = linear_world(96, noise=0.5)
    torch.testing.assert_close(fitted(templates, images, 8).weights, fitted(templates, images, 1).weights)


def test_a_guess_is_nearer_to_its_own_face_than_the_mean_is() -> None:
    templates, coordinates, images = linear_world(6000)
    found = fitted(templates[:5000], images[:5000], 10)
    guessed = coordinates_of(found.guess(templates[5000:]))
    truth = coordinates[5000:]
    own = F.cosine_similarity(guessed - found.intercept, truth - found.intercept).mean()
    other = F.cosine_similarity(guessed - found.intercept, truth.roll(1, 0) - found.intercept).mean()
    assert own > 0.6
    assert own > other + 0.5


def test_the_guess_goes_beyond_the_prediction() -> None:
    coordinates = len(load_eigenfaces()[2])
    weights = torch.zeros(DIM, coordinates)
    weights[0, 0] = 0.1
    regression = FaceRegression(torch.zeros(DIM), weights, torch.zeros(coordinates), 10)
    template = torch.eye(DIM)[:1]
    expected = faces_of(GAIN * 0.1 * torch.eye(coordinates)[:1]).clamp(0, 1)
    torch.testing.assert_close(regression.guess(template), expected)


@pytest.mark.parametrize("part", ["mean", "weights", "intercept"])
def test_soundness(part: str) -> None:
    coordinates = len(load_eigenfaces()[2])
    parts = {
        "mean": torch.zeros(DIM),
        "weights": torch.zeros(DIM, coordinates),
        "intercept": torch.zeros(coordinates),
    }
    assert FaceRegression(**parts, faces=1).is_sound()
    assert not FaceRegression(**{**parts, part: parts[part][:-1]}, faces=1).is_sound()
    assert not FaceRegression(**{**parts, part: parts[part] / 0}, faces=1).is_sound()
