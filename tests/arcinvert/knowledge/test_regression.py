"""The map from templates to faces, against ridge regression in numpy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.knowledge.face_pca import faces_of, load_face_pca, pca_coefficients_of
from arcinvert.knowledge.regression import FACES_PER_DIMENSION, SHRINKAGE, FaceRegression, RegressionSums

DIM = 6
FACES = FACES_PER_DIMENSION * DIM


def given(count: int = FACES) -> tuple[Tensor, Tensor]:
    """Return random templates and images."""
    generator = torch.Generator().manual_seed(0)
    templates = F.normalize(torch.randn(count, DIM, generator=generator))
    return templates, torch.rand(count, 3, 64, 64, generator=generator)


def fitted(templates: Tensor, images: Tensor, *sizes: int) -> FaceRegression | None:
    sums = RegressionSums()
    for some, others in zip(
        templates.split(sizes or len(templates)), images.split(sizes or len(images)), strict=True
    ):
        sums.add(some, others)
    return sums.fit()


def test_the_fit_is_ridge_regression() -> None:
    templates, images = given()
    regression = fitted(templates, images)
    assert regression is not None
    assert regression.count == FACES
    regression.validate()
    wanted = pca_coefficients_of((images + images.flip(-1)) / 2).double().numpy()
    offsets = templates.double().numpy() - templates.double().numpy().mean(0)
    # Ridge regression is least squares with further rows: the root of the penalty times the identity.
    penalty = FACES * SHRINKAGE * np.square(offsets).mean()
    rows = np.vstack([offsets, np.sqrt(penalty) * np.eye(DIM)])
    targets = np.vstack([wanted - wanted.mean(0), np.zeros((DIM, wanted.shape[1]))])
    expected = np.linalg.lstsq(rows, targets, rcond=None)[0]
    np.testing.assert_allclose(regression.matrix.double().numpy(), expected, atol=2e-3, rtol=2e-3)
    np.testing.assert_allclose(
        regression.pca_coefficients.double().numpy(), wanted.mean(0), atol=1e-3, rtol=1e-3
    )


def test_fewer_faces_may_be_asked_for_with_more_shrinkage() -> None:
    templates, images = given(5)
    sums = RegressionSums()
    sums.add(templates, images)
    assert sums.fit() is None
    assert sums.fit(0.3, 6) is None
    few = sums.fit(0.3, 5)
    assert few is not None
    offsets = (templates - templates.mean(0)).double().numpy()
    wanted = pca_coefficients_of((images + images.flip(-1)) / 2).double().numpy()
    penalty = 5 * 0.3 * np.square(offsets).mean() * np.eye(DIM)
    expected = np.linalg.solve(offsets.T @ offsets + penalty, offsets.T @ (wanted - wanted.mean(0)))
    np.testing.assert_allclose(few.matrix.double().numpy(), expected, atol=2e-3, rtol=2e-3)


def test_batches_make_no_difference() -> None:
    templates, images = given()
    whole, parts = fitted(templates, images), fitted(templates, images, 1, 7, FACES - 8)
    assert whole is not None
    assert parts is not None
    torch.testing.assert_close(whole.matrix, parts.matrix, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize(("count", "enough"), [(FACES - 1, False), (FACES, True)])
def test_too_few_faces_make_no_map(count: int, enough: bool) -> None:
    assert (fitted(*given(count)) is not None) == enough


def test_no_face_makes_no_map() -> None:
    assert RegressionSums().fit() is None


def test_a_face_follows_its_template() -> None:
    """Faces that are a linear map of their templates come back, and are symmetric."""
    count = len(load_face_pca()[2])
    templates, _ = given(400)
    matrix = torch.zeros(DIM, count)
    matrix[torch.arange(DIM), torch.arange(DIM)] = 1.0
    images = faces_of(templates @ matrix)
    regression = fitted(templates, images)
    assert regression is not None
    unseen = F.normalize(torch.randn(5, DIM, generator=torch.Generator().manual_seed(3)))
    faces = regression.faces(unseen)
    wanted = faces_of(unseen @ matrix)
    # A shrinkage of a hundredth removes about a hundredth of the differences between faces.
    torch.testing.assert_close(faces, (wanted + wanted.flip(-1)) / 2, atol=5e-3, rtol=0)
    torch.testing.assert_close(faces, faces.flip(-1), atol=1e-4, rtol=0)


def test_parts_that_do_not_fit_are_refused() -> None:
    regression = fitted(*given())
    assert regression is not None
    broken = regression.matrix.clone()
    broken[0, 0] = float("nan")
    for damaged in (
        {"matrix": broken},
        {"matrix": regression.matrix[:, :-1]},
        {"template": regression.template[None]},
        {"matrix": regression.matrix[:, :9], "pca_coefficients": regression.pca_coefficients[:9]},
    ):
        with pytest.raises(ValueError, match=r"^regression$"):
            replace(regression, **damaged).validate()
