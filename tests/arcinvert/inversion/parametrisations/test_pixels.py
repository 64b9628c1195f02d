"""Pixels: the initial images themselves, kept in range."""

import torch

from arcinvert.inversion.parametrisations.pixels import Pixels
from tests.arcinvert.inversion.networks import start


def test_the_start_is_reproduced_exactly() -> None:
    assert torch.equal(Pixels(start()).images(), start())


def test_projection_clips_to_the_range() -> None:
    parametrisation = Pixels(start())
    with torch.no_grad():
        parametrisation.parameters[0].add_(torch.linspace(-2, 2, 8))
    moved = parametrisation.images().detach().clone()
    parametrisation.project()
    assert torch.equal(parametrisation.images(), moved.clamp(0, 1))
    assert float(parametrisation.images().detach().min()) == 0
    assert float(parametrisation.images().detach().max()) == 1
