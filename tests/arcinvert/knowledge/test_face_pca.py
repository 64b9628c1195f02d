"""The shipped face PCA: orthonormal, sorted, and its own inverse."""

import torch

from arcinvert.knowledge.face_pca import faces_of, load_face_pca, pca_coefficients_of


def test_components_are_orthonormal_sorted_and_symmetric() -> None:
    mean, components, deviations = load_face_pca()
    rows = components.flatten(1)
    torch.testing.assert_close(rows @ rows.T, torch.eye(len(rows)), rtol=0, atol=2e-3)
    assert mean.shape == components.shape[1:]
    # Faces and their mirror images were counted alike.
    mirrored = (rows * components.flip(-1).flatten(1)).sum(1)
    torch.testing.assert_close(mirrored.abs(), torch.ones(len(rows)), rtol=0, atol=2e-3)
    assert (deviations.diff() <= 0).all()
    assert 0 < float(mean.min()) < float(mean.max()) < 1


def test_coefficients_of_faces_of_coefficients() -> None:
    count = len(load_face_pca()[2])
    coefficients = torch.randn(3, count, generator=torch.Generator().manual_seed(0))
    # Components are stored in half precision, so that they are orthonormal to 1e-3 only.
    torch.testing.assert_close(pca_coefficients_of(faces_of(coefficients)), coefficients, rtol=0, atol=0.05)
    torch.testing.assert_close(faces_of(torch.zeros(1, count))[0], load_face_pca()[0])


def test_the_first_coefficients_alone() -> None:
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    first = pca_coefficients_of(images, 7)
    torch.testing.assert_close(first, pca_coefficients_of(images)[:, :7], rtol=1e-4, atol=1e-4)
    rest = torch.zeros(2, len(load_face_pca()[2]) - 7)
    torch.testing.assert_close(faces_of(first), faces_of(torch.cat([first, rest], 1)), rtol=0, atol=1e-4)
