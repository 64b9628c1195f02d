"""Margin functions: the cosine of the angle to the true class, made harder, each with its exact gradient."""

import math

import torch
from torch import Tensor

#: Keeps the gradient of sin(theta) finite where an embedding lies on its centre.
SMALLEST_SINE = 1e-4
#: Angles are taken of cosines this far inside [-1, 1]: the smallest distance that float32 knows there.
COSINE_EDGE = 1e-7


def additive_angular_margin(cosines: Tensor, margin: float | Tensor) -> Tensor:
    """cos(theta + margin) of each target cosine, any shape, with its exact gradient.

    Beyond theta + margin > pi the cosine would rise again, and reward a worse angle; there the
    line cos(theta) - margin * sin(margin) goes on falling, as in the authors' code.

    Args:
        cosines: cos(theta) in [-1, 1].
        margin: radians, in [0, pi/2], one for all or one each; from about 2.3 on the line would
            begin above the curve's end.

    Source: Deng et al., arXiv:1801.07698, eq. 3.
    """
    cosine_of_margin: float | Tensor
    sine_of_margin: float | Tensor
    if isinstance(margin, Tensor):
        cosine_of_margin, sine_of_margin = margin.cos(), margin.sin()
    else:
        cosine_of_margin, sine_of_margin = math.cos(margin), math.sin(margin)
    sines = (1 - cosines.square()).clamp_min(SMALLEST_SINE**2).sqrt()
    inside = cosines * cosine_of_margin - sines * sine_of_margin
    beyond = cosines - margin * sine_of_margin
    return torch.where(cosines > -cosine_of_margin, inside, beyond)


def angles_of(cosines: Tensor) -> Tensor:
    """Angles, radians, whose gradient stays finite at 0 and pi."""
    return cosines.clamp(-1 + COSINE_EDGE, 1 - COSINE_EDGE).acos()


def falling_cosine(angles: Tensor) -> Tensor:
    """cos(angle) up to pi, and then the same fall again from -1 to -3, and so on: it never rises.

    Source: Liu et al., arXiv:1704.08063, section 3.2 (psi), for any non-negative angle.
    """
    turns = (angles / math.pi).floor().detach()
    return torch.where(turns % 2 == 0, 1, -1) * angles.cos() - 2 * turns


def combined_margin(cosines: Tensor, m1: float, m2: float, m3: float) -> Tensor:
    """cos(m1 * theta + m2) - m3 of each target cosine, falling on beyond pi.

    Source: Deng et al., arXiv:1801.07698, eq. 4; `falling_cosine` beyond pi.
    """
    return falling_cosine(m1 * angles_of(cosines) + m2) - m3
