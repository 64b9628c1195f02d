"""Deformations of aligned faces: how a face changes when it turns, looks up or down, or smiles.

A deformation moves the pixels of an image as the landmarks of photographs move on average, and adds the mean
change of colours where an expression shows what was hidden, such as teeth.

Source: shape and appearance as separate means and modes, Cootes, Edwards and Taylor (active appearance
models), IEEE Transactions on Pattern Analysis and Machine Intelligence 23(6), 2001.
"""

import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from recognition.appearance.ages import READ_SIDE, Ages
from recognition.appearance.change import SIDE, Change
from recognition.appearance.expressions import RULES, Expression
from recognition.appearance.files import read_fitted
from recognition.bundled import deformations_path
from recognition.checkpoint import write_safetensors
from recognition.errors import InputError, one_line

#: Format of the file; the number rises when older readers would misread newer files.
FORMAT = "arcinvert-deformations-1"
#: The years whose change is stored: that of one is too small for half precision.
_YEARS = 30


@dataclass(frozen=True)
class Flows:
    """Flows of a head that turns about one axis.

    Args:
        angles: Shape (n,), degrees, increasing, without zero.
        flows: Shape (n, 2, 56, 56): how far to the right and down of each pixel the image is sampled, in
            widths of the image.
    """

    angles: Tensor
    flows: Tensor

    def at(self, angle: float) -> Tensor:
        """Return the flow of an angle, shape (2, 56, 56), linear between those of the two nearest.

        Zero degrees have no flow. Beyond the last angle the last two are extrapolated.
        """
        place = int((self.angles < 0).sum())
        still = torch.zeros_like(self.flows[:1])
        angles = torch.cat([self.angles[:place], torch.zeros(1), self.angles[place:]])
        flows = torch.cat([self.flows[:place], still, self.flows[place:]])
        right = min(max(int(torch.searchsorted(angles, torch.tensor(angle))), 1), len(angles) - 1)
        below, above = float(angles[right - 1]), float(angles[right])
        return torch.lerp(flows[right - 1], flows[right], (angle - below) / (above - below))


@dataclass(frozen=True)
class Deformations:
    """All deformations that were fitted.

    Args:
        yaw: Turns to the right of the picture; those to the left are their mirror images.
        pitch: Turns down (negative) and up.
        expressions: What each expression does.
        ages: What age does; None if it was not fitted, for want of labels.
    """

    yaw: Flows
    pitch: Flows
    expressions: Mapping[Expression, Change]
    ages: Ages | None = None

    def of(
        self,
        *,
        yaw: float | None = None,
        pitch: float | None = None,
        expression: Expression | None = None,
        aged: Change | None = None,
    ) -> "Deformation":
        """Return one deformation.

        Args:
            yaw: Degrees, positive where the face turns to the right of the picture; None is zero.
            pitch: Degrees, positive where it looks up; None is zero.
            expression: The expression, as much of it as its rule gives; None changes nothing.
            aged: What `Ages.change` returns for the faces that will be deformed; None changes nothing.
        """
        turn = self.yaw.at(abs(yaw or 0.0))
        if yaw is not None and yaw < 0:
            turn = mirrored_flow(turn)
        change = aged
        if expression is not None:
            shown = self.expressions[expression].times(RULES[expression].given)
            change = shown if aged is None else shown + aged
        return Deformation(turn + self.pitch.at(pitch or 0.0), change)


class Deformation:
    """Changes images of any size.

    Args:
        turn: The flow of the pose, shape (2, 56, 56), as in `Flows`, the same for all of a batch.
        change: The change by expression and age, which comes before the pose; None for none.
    """

    def __init__(self, turn: Tensor, change: Change | None) -> None:
        self._turn, self._change = turn, change

    def __call__(self, images: Tensor) -> Tensor:
        """Return the changed images, of the same shape (batch, 3, side, side); they may leave [0, 1]."""
        side = images.shape[-1]
        positions = _centres(side) + _enlarged(self._turn, side)
        if self._change is None:
            return _sampled(images, positions)
        # Both are where the face is before it turns.
        colours = _sampled(_enlarged(self._change.colours, side), positions)
        moves = _sampled(_enlarged(self._change.flow, side), positions)
        return _sampled(images, positions.to(moves) + moves) + colours.to(images)


def _centres(side: int) -> Tensor:
    """Return where each pixel is, shape (2, side, side): to the right and down, in widths of the image."""
    line = (torch.arange(side) + 0.5) / side
    return torch.stack([line.expand(side, -1), line[:, None].expand(-1, side)])


def _sampled(images: Tensor, positions: Tensor) -> Tensor:
    """Return bilinear samples of images at positions, (batch or 1, 2, h, w); edges continue beyond them."""
    grid = (2 * positions - 1).permute(0, 2, 3, 1).expand(len(images), -1, -1, -1).to(images)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def mirrored_flow(flow: Tensor) -> Tensor:
    """Return the flow that does to mirror images what a flow, shape (2, h, w), does to images."""
    return flow.flip(-1) * torch.tensor([-1.0, 1.0])[:, None, None]


def _enlarged(maps: Tensor, side: int) -> Tensor:
    """Return maps, (c, h, w) or (batch, c, h, w), as ((batch or 1), c, side, side)."""
    return F.interpolate(maps.reshape(-1, *maps.shape[-3:]), (side, side), mode="bicubic")


def save_deformations(path: str | os.PathLike[str], deformations: Deformations, notes: str) -> None:
    """Write deformations in half precision, completely or not at all.

    Args:
        path: The file.
        deformations: The deformations.
        notes: What they were fitted on.

    Raises:
        InputError: If the file cannot be written.
    """
    tensors = {
        f"{axis}.{name}": value
        for axis, flows in (("yaw", deformations.yaw), ("pitch", deformations.pitch))
        for name, value in vars(flows).items()
    }
    for expression, change in deformations.expressions.items():
        tensors |= {f"{expression}.{name}": value for name, value in vars(change).items()}
    if deformations.ages is not None:
        change = deformations.ages.year.times(_YEARS)
        tensors |= {f"age.{name}": value for name, value in vars(change).items()}
        tensors |= {"age.weights": deformations.ages.weights, "age.offset": deformations.ages.offset}
    halves = {name: value.half().contiguous() for name, value in tensors.items()}
    write_safetensors(path, halves, {"format": FORMAT, "notes": notes})


def load_deformations(path: str | os.PathLike[str]) -> Deformations:
    """Return what `save_deformations` wrote, in float32.

    Raises:
        InputError: If the file does not exist, is damaged or of another kind.
    """
    tensors = read_fitted(path, "a file of deformations", command="fit-deformations", file_format=FORMAT)

    def tensor(name: str, *shape: int) -> Tensor:
        found = tensors[name].float()
        if found.shape[-len(shape) :] != shape:
            raise ValueError(f"{name} of shape {tuple(found.shape)}")
        return found

    def flows(axis: str) -> Flows:
        angles = tensors[f"{axis}.angles"].float()
        return Flows(angles, tensor(f"{axis}.flows", len(angles), 2, SIDE, SIDE))

    def ages() -> Ages | None:
        if "age.flow" not in tensors:
            return None
        years = Change(tensor("age.flow", 2, SIDE, SIDE), tensor("age.colours", 3, SIDE, SIDE))
        weights = tensor("age.weights", 3, READ_SIDE, READ_SIDE)
        return Ages(years.times(1 / _YEARS), weights, tensor("age.offset"))

    try:
        expressions: dict[Expression, Change] = {
            name: Change(tensor(f"{name}.flow", 2, SIDE, SIDE), tensor(f"{name}.colours", 3, SIDE, SIDE))
            for name in get_args(Expression)
        }
        return Deformations(flows("yaw"), flows("pitch"), expressions, ages())
    except (KeyError, ValueError) as error:
        raise InputError(f"{path}: damaged deformations ({one_line(error)}); get an intact copy") from None


@functools.cache
def bundled_deformations() -> Deformations:
    """Return the deformations that the package ships, loaded once."""
    return load_deformations(deformations_path())


def bundled_ages() -> Ages:
    """Return what the package ships about ages."""
    ages = bundled_deformations().ages
    if ages is None:
        raise ValueError("the bundled deformations have no ages")
    return ages
