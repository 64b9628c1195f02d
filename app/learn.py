"""What the Learn tab computes: curves of margins and decision boundaries."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recognition.errors import InputError
from recognition.heads.margins import additive_angular_margin


@dataclass(frozen=True)
class Margin:
    """The combined margin: the target's cosine becomes cos(m1 theta + m2) - m3.

    Args:
        m1: Multiplies the angle, 0.5 to 4 (SphereFace).
        m2: Added to the angle, radians, 0 to pi/2 (ArcFace).
        m3: Subtracted from the cosine, 0 to 1 (CosFace).

    Raises:
        InputError: If a value is out of its range.

    Source: Deng et al., arXiv:1801.07698, eq. 4.
    """

    m1: float = 1.0
    m2: float = 0.0
    m3: float = 0.0

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("m₁", self.m1, 0.5, 4.0),
            ("m₂", self.m2, 0.0, math.pi / 2),
            ("m₃", self.m3, 0.0, 1.0),
        ):
            if not least <= value <= most:
                raise InputError(f"{name}: expected {least:g} to {most:.4g}, got {value}")

    def __call__(self, cosines: Tensor) -> Tensor:
        """Return what replaces the cosines of targets, of the same shape; it falls as the angle grows.

        With m1 = 1 it is the margin of the ArcFace head, with its straight line beyond pi. Otherwise the
        angle continues as in SphereFace: (-1)^k cos(angle) - 2k in the k-th half turn.
        """
        if self.m1 == 1:
            return additive_angular_margin(cosines, self.m2) - self.m3
        # The gradient of the angle is infinite at 0, so the cosine stays below 1 by what float32 resolves.
        angles = self.m1 * torch.acos(cosines.clamp(-1 + 1e-6, 1 - 1e-6)) + self.m2
        turns = torch.floor(angles.detach() / math.pi)
        sign = 1 - 2 * (turns % 2)
        return sign * torch.cos(angles) - 2 * turns - self.m3


#: The margins of the papers, by name.
MARGINS: dict[str, Margin] = {
    "softmax, no margin": Margin(),
    "SphereFace, m₁ = 1.35": Margin(m1=1.35),
    "CosFace, m₃ = 0.35": Margin(m3=0.35),
    "ArcFace, m₂ = 0.5": Margin(m2=0.5),
    "CM1, combined 1, 0.3, 0.2": Margin(1.0, 0.3, 0.2),
    "CM2, combined 0.9, 0.4, 0.15": Margin(0.9, 0.4, 0.15),
}


def target_logits(margin: Margin, degrees: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Return the target's logits, shape (n,), at angles to its centre, degrees in [0, 180]."""
    cosines = torch.from_numpy(np.cos(np.radians(degrees)))
    return scale * margin(cosines).numpy()


def boundary(margin: Margin, between: float) -> float:
    """Return the decision boundary of a class in training, degrees from its centre towards another centre.

    It is the largest angle at which the logit with the margin still reaches the other class's logit. Without
    a margin it is half of `between`.

    Args:
        margin: The margin of the class.
        between: The angle between the two centres, degrees.
    """
    angles = np.linspace(0, between, 10_001)
    own = target_logits(margin, angles, 1.0)
    other = np.cos(np.radians(between - angles))
    # The own logit falls and the other's rises, so they cross once.
    lower = np.flatnonzero(own < other)
    return float(angles[lower[0]]) if len(lower) else float(between)


def probabilities(
    margin: Margin, degrees: NDArray[np.float64], between: float, scale: float
) -> NDArray[np.float64]:
    """Return probabilities of the own class in training, shape (n,), between its centre and another."""
    own = target_logits(margin, degrees, scale)
    other = scale * np.cos(np.radians(between - degrees))
    # The logistic function by tanh, which does not overflow.
    return 0.5 * (1 + np.tanh((own - other) / 2))
