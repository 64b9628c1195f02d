"""Deformations that are made up, whose effect is known."""

from typing import get_args

import torch
from torch import Tensor

from recognition.appearance.ages import READ_SIDE, Ages
from recognition.appearance.change import SIDE, Change
from recognition.appearance.deformations import Deformations, Flows
from recognition.appearance.expressions import Expression

#: One pixel of an image of 56 pixels, in widths.
PIXEL = 1 / SIDE


def shift(right: float, down: float) -> Tensor:
    """Return a flow that samples each pixel so many pixels of 56 to the right and down."""
    return torch.tensor([right, down])[:, None, None].expand(2, SIDE, SIDE) * PIXEL


def made_up_ages() -> Ages:
    """Return a year that samples a tenth of a pixel lower and adds 0.01 of red; white looks 105 years old."""
    colours = torch.zeros(3, SIDE, SIDE)
    colours[0] = 0.01
    weights = torch.full((3, READ_SIDE, READ_SIDE), 100 / (3 * READ_SIDE**2))
    return Ages(Change(shift(0, 0.1), colours), weights, torch.tensor(5.0))


def made_up_deformations() -> Deformations:
    """Return turns of a pixel or two, a smile that moves by four, and a coloured spot for the others."""
    yaw = Flows(torch.tensor([10.0, 30.0]), torch.stack([shift(1, 0), shift(2, 0)]))
    pitch = Flows(torch.tensor([-10.0, 10.0]), torch.stack([shift(0, -1), shift(0, 1)]))
    colours = torch.zeros(3, SIDE, SIDE)
    colours[0, 20, 30] = 0.25
    expressions: dict[Expression, Change] = {
        name: Change(shift(0, 0), colours) for name in get_args(Expression)
    }
    expressions["smile"] = Change(shift(4, 0), torch.zeros(3, SIDE, SIDE))
    return Deformations(yaw, pitch, expressions, made_up_ages())
