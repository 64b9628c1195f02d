"""Parametrisations: the start comes back, gradients arrive, images stay possible."""

import pytest
import torch
from torch import Tensor

from arcinvert.inversion.parametrisations import PARAMETRISATIONS, FacePCA, Fourier, Pixels
from arcinvert.inversion.parametrisations.face_pca import load_face_pca


def start(batch: int = 2, height: int = 16, width: int = 16, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, 3, height, width, generator=generator, dtype=dtype)


def test_pixels_reproduce_the_start_exactly() -> None:
    assert torch.equal(Pixels(start()).images(), start())


@pytest.mark.parametrize("size", [(16, 16), (15, 15), (12, 17), (112, 112)])
def test_fourier_reproduces_the_start(size: tuple[int, int]) -> None:
    images = start(1, *size)
    torch.testing.assert_close(Fourier(images).images(), images, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", PARAMETRISATIONS)
def test_the_start_is_copied(name: str) -> None:
    images = start()
    parametrisation = PARAMETRISATIONS[name](images)
    with torch.no_grad():
        for leaf in parametrisation.parameters:
            leaf.zero_()
    assert torch.equal(images, start())
    assert not torch.allclose(parametrisation.images(), images)


@pytest.mark.parametrize("name", PARAMETRISATIONS)
def test_conformance(name: str) -> None:
    parametrisation = PARAMETRISATIONS[name](start())
    images = parametrisation.images()
    assert images.shape == (2, 3, 16, 16)
    assert images.dtype == torch.float32
    assert torch.isfinite(images).all()
    assert parametrisation.parameters
    assert all(leaf.is_leaf and leaf.requires_grad for leaf in parametrisation.parameters)
    assert torch.equal(PARAMETRISATIONS[name](start()).images(), images)
    (images * torch.linspace(-1, 1, images.numel()).view_as(images)).sum().backward()
    for leaf in parametrisation.parameters:
        assert leaf.grad is not None
        assert torch.isfinite(leaf.grad).all()
        assert leaf.grad.abs().sum() > 0


@pytest.mark.parametrize("name", PARAMETRISATIONS)
def test_a_gradient_step_does_what_it_says(name: str) -> None:
    parametrisation = PARAMETRISATIONS[name](start())
    optimiser = torch.optim.Adam(parametrisation.parameters, lr=0.01)
    brightness = [float(parametrisation.images().detach().mean())]
    for _ in range(3):
        optimiser.zero_grad()
        parametrisation.images().mean().backward()
        optimiser.step()
        parametrisation.project()
        brightness.append(float(parametrisation.images().detach().mean()))
    assert brightness == sorted(brightness, reverse=True)
    assert brightness[-1] < brightness[0]


@pytest.mark.parametrize("name", PARAMETRISATIONS)
def test_gradients(name: str) -> None:
    parametrisation = PARAMETRISATIONS[name](start(1, 5, 6, torch.float64))
    leaf = parametrisation.parameters[0]
    direction = torch.rand(leaf.shape, generator=torch.Generator().manual_seed(1), dtype=leaf.dtype)
    weights = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    def value(move: float) -> Tensor:
        with torch.no_grad():
            leaf.add_(move * direction)
        result = (parametrisation.images() * weights).square().sum()
        with torch.no_grad():
            leaf.sub_(move * direction)
        return result

    (gradient,) = torch.autograd.grad((parametrisation.images() * weights).square().sum(), leaf)
    with torch.no_grad():
        slope = (value(1e-6) - value(-1e-6)) / 2e-6
    assert float((gradient * direction).sum()) == pytest.approx(float(slope), rel=1e-6)


def test_pixels_are_projected_into_range() -> None:
    parametrisation = Pixels(start())
    with torch.no_grad():
        parametrisation.parameters[0].add_(torch.linspace(-2, 2, 16))
    moved = parametrisation.images().detach().clone()
    parametrisation.project()
    assert torch.equal(parametrisation.images(), moved.clamp(0, 1))
    assert float(parametrisation.images().detach().min()) == 0
    assert float(parametrisation.images().detach().max()) == 1


def test_a_coarse_coefficient_moves_pixels_more_than_a_fine_one() -> None:
    moves = []
    for column in (1, 7):
        parametrisation = Fourier(torch.full((1, 3, 16, 16), 0.5))
        with torch.no_grad():
            parametrisation.parameters[0][0, 0, 0, column, 0] += 1
        moves.append(float((parametrisation.images() - 0.5).detach().abs().max()))
    # Amplitudes stand as one over the frequency.
    assert moves[0] / moves[1] == pytest.approx(7, rel=1e-3)


def test_eigenfaces_are_orthonormal_and_sorted() -> None:
    mean, directions, deviations = load_face_pca()
    rows = directions.flatten(1)
    torch.testing.assert_close(rows @ rows.T, torch.eye(len(rows)), rtol=0, atol=2e-3)
    assert mean.shape == directions.shape[1:]
    # Faces and their mirror images were counted alike.
    mirrored = (rows * directions.flip(-1).flatten(1)).sum(1)
    torch.testing.assert_close(mirrored.abs(), torch.ones(len(rows)), rtol=0, atol=2e-3)
    assert (deviations.diff() <= 0).all()
    assert 0 < float(mean.min()) < float(mean.max()) < 1


def test_eigenfaces_reproduce_a_start_within_their_span() -> None:
    mean, directions, deviations = load_face_pca()
    wanted = torch.tensor([1.0, -2.0, 0.5])
    face = mean + (wanted * deviations[:3])[:, None, None, None].mul(directions[:3]).sum(0)
    parametrisation = FacePCA(face[None])
    torch.testing.assert_close(parametrisation.parameters[0][0, :3], wanted, rtol=0, atol=2e-2)
    torch.testing.assert_close(parametrisation.images()[0], face, rtol=0, atol=2e-3)
    squares = float(wanted.square().sum()) / len(directions)
    assert float(parametrisation.penalty().detach()) == pytest.approx(squares, rel=0.05)


def test_only_eigenfaces_have_a_prior_of_their_own() -> None:
    assert {name for name, kind in PARAMETRISATIONS.items() if kind(start()).penalty() is not None} == {
        "eigenfaces"
    }
