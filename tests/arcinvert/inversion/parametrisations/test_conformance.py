"""What every parametrisation in the registry must do; a new one is tested at once."""

import functools
from typing import Any

import pytest
import torch
from torch import Tensor

from arcinvert.inversion.parametrisations import PARAMETRISATIONS
from arcinvert.inversion.parametrisations.base import AugmentationStrength, Parametrisation
from arcinvert.inversion.parametrisations.low_resolution import LowResolution
from arcinvert.inversion.parametrisations.pixels import Pixels
from arcinvert.inversion.penalties import PENALTIES
from recognition.errors import InputError
from tests.arcinvert.inversion.initialisation.knowledge import full_knowledge, no_statistics
from tests.arcinvert.inversion.networks import templates


def start(batch: int = 2, height: int = 16, width: int = 16, dtype: torch.dtype = torch.float32) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(batch, 3, height, width, generator=generator, dtype=dtype)


def made(name: str, images: Tensor) -> Parametrisation:
    """Return a parametrisation of images, all of one template."""
    of_one = templates(1).to(images).expand(len(images), -1)
    return PARAMETRISATIONS[name].build(images, of_one, full_knowledge())


@pytest.mark.parametrize("name", PARAMETRISATIONS)
def test_shape_range_gradient_and_determinism(name: str) -> None:
    parametrisation = made(name, start())
    assert isinstance(parametrisation, Parametrisation)
    images = parametrisation.images()
    assert images.shape == (2, 3, 16, 16)
    assert images.dtype == torch.float32
    assert torch.isfinite(images).all()
    assert parametrisation.parameters
    assert all(leaf.is_leaf and leaf.requires_grad for leaf in parametrisation.parameters)
    assert torch.equal(made(name, start()).images(), images)
    (images * torch.linspace(-1, 1, images.numel()).view_as(images)).sum().backward()
    for leaf in parametrisation.parameters:
        assert leaf.grad is not None
        assert torch.isfinite(leaf.grad).all()
        assert leaf.grad.abs().sum() > 0


@pytest.mark.parametrize("name", PARAMETRISATIONS)
def test_gradcheck(name: str) -> None:
    parametrisation = made(name, start(1, 5, 6, torch.float64))

    # gradcheck changes the leaves in place.
    def images(*leaves: Tensor) -> Tensor:
        return parametrisation.images().square()

    assert torch.autograd.gradcheck(images, tuple(parametrisation.parameters), fast_mode=True)


@pytest.mark.parametrize("name", PARAMETRISATIONS)
def test_images_of_a_batch_do_not_depend_on_each_other(name: str) -> None:
    together = made(name, start()).images()
    alone = torch.cat([made(name, one[None]).images() for one in start()])
    torch.testing.assert_close(together, alone)
    parametrisation = made(name, start())
    parametrisation.images()[0].sum().backward()
    for leaf in parametrisation.parameters:
        assert leaf.grad is not None
        assert torch.equal(leaf.grad[1], torch.zeros_like(leaf.grad[1]))


@pytest.mark.parametrize("name", PARAMETRISATIONS)
def test_nothing_is_drawn_at_random(name: str) -> None:
    before = torch.random.get_rng_state()
    parametrisation = made(name, start())
    parametrisation.images()
    parametrisation.project()
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("name", PARAMETRISATIONS)
def test_it_stays_on_the_device_of_its_start(name: str) -> None:
    parametrisation = made(name, start().to("meta"))
    assert parametrisation.images().device.type == "meta"
    assert {leaf.device.type for leaf in parametrisation.parameters} == {"meta"}


@pytest.mark.parametrize("name", PARAMETRISATIONS)
def test_the_start_is_copied(name: str) -> None:
    images = start()
    parametrisation = made(name, images)
    with torch.no_grad():
        for leaf in parametrisation.parameters:
            leaf.zero_()
    assert torch.equal(images, start())
    assert not torch.allclose(parametrisation.images(), images)


@pytest.mark.parametrize("name", PARAMETRISATIONS)
def test_a_gradient_step_lowers_the_loss(name: str) -> None:
    parametrisation = made(name, start())
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
def test_its_settings_are_complete(name: str) -> None:
    kind = PARAMETRISATIONS[name]
    assert kind.learning_rate > 0
    assert kind.steps >= 1
    assert kind.restarts >= 1
    assert 0 < kind.activation_penalty_factor <= 1
    assert set(kind.penalty_weights) <= set(PENALTIES)
    for strength in (kind.augmentation, kind.augmentation_near):
        assert strength is None or isinstance(strength, AugmentationStrength)
    assert (made(name, start()).pca_coefficients is not None) == kind.has_coefficients
    assert (made(name, start()).offsets is not None) == kind.has_offsets


@pytest.mark.parametrize("name", PARAMETRISATIONS)
def test_it_works_at_low_resolution(name: str) -> None:
    half = LowResolution(torch.rand(2, 3, 32, 32), functools.partial(made, name))
    images = half.images()
    assert images.shape == (2, 3, 32, 32)
    images.sum().backward()
    assert all(leaf.grad is not None and bool(leaf.grad.isfinite().all()) for leaf in half.parameters)
    assert (half.pca_coefficients is not None) == PARAMETRISATIONS[name].has_coefficients
    assert (half.offsets is not None) == PARAMETRISATIONS[name].has_offsets
    with torch.no_grad():
        half.parameters[0].add_(5)
    half.project()
    if name == "pixels":
        assert float(half.images().detach().max()) <= 1


def test_the_base_class_is_abstract() -> None:
    abstract: Any = Parametrisation
    with pytest.raises(TypeError, match="abstract"):
        abstract(start())
    assert Pixels(start()).pca_coefficients is None


@pytest.mark.parametrize("name", PARAMETRISATIONS)
def test_what_is_missing_is_said(name: str) -> None:
    kind = PARAMETRISATIONS[name]
    assert kind.missing(full_knowledge(), "linear") is None
    lacks = kind.missing(no_statistics(), "linear")
    if name == "decoder":
        assert lacks is not None
        assert lacks.startswith("expected a decoder of templates of linear, found none")
        assert "arcinvert learn" in lacks
        with pytest.raises(InputError, match=r"^parametrisation: expected a decoder"):
            kind.build(start(), templates(2), no_statistics())
    else:
        assert lacks is None
