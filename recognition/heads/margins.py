"""Margin functions: each lowers the cosine to the true class, with its exact gradient."""

import math

import torch
from torch import Tensor

#: Keeps the gradient of sin(theta) finite where an embedding coincides with its centre.
SMALLEST_SINE = 1e-4
#: Cosines are clipped this far inside [-1, 1] before their angle is taken: about float32's resolution at 1.
COSINE_EDGE = 1e-7


def additive_angular_margin(cosines: Tensor, margin: float | Tensor) -> Tensor:
    """Return cos(theta + margin) of each cosine, of any shape, with its exact gradient.

    Where theta + margin > pi the cosine would rise again and reward a larger angle. There the line
    cos(theta) - margin * sin(margin) is used instead, as in the authors' code, which keeps falling.

    Args:
        cosines: Values of cos(theta) in [-1, 1].
        margin: Margin in radians, in [0, pi/2]: one number, or a tensor that broadcasts. From about 2.3
            radians on, the line would begin above the end of the curve.

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


def arcface_logits(cosines: Tensor, labels: Tensor, *, scale: float, margin: float) -> Tensor:
    """Return ArcFace's logits, shape (batch, classes): scaled cosines, with the margin at the true class.

    Args:
        cosines: Shape (batch, classes), between unit-norm embeddings and unit-norm centres.
        labels: Shape (batch,), class indices.
        scale: Radius of the hypersphere that embeddings are projected to.
        margin: Additive angular margin, radians.

    Source: Deng et al., arXiv:1801.07698, eq. 3.
    """
    targets = cosines.gather(1, labels[:, None])
    with_margin = additive_angular_margin(targets, margin)
    return scale * cosines.scatter(1, labels[:, None], with_margin)


def angles_of(cosines: Tensor) -> Tensor:
    """Return the angles of cosines, radians, with a gradient that stays finite at 0 and pi."""
    return cosines.clamp(-1 + COSINE_EDGE, 1 - COSINE_EDGE).acos()


def falling_cosine(angles: Tensor) -> Tensor:
    """Return cos(angle) continued beyond pi so that it never rises: from -1 to -3 up to 2 pi, and so on.

    Args:
        angles: Radians, 0 or more, of any shape.

    Source: Liu et al., arXiv:1704.08063, section 3.2 (psi).
    """
    turns = (angles / math.pi).floor().detach()
    return torch.where(turns % 2 == 0, 1, -1) * angles.cos() - 2 * turns


def combined_margin(cosines: Tensor, m1: float, m2: float, m3: float) -> Tensor:
    """Return cos(m1 * theta + m2) - m3 of each cosine, continued beyond pi by `falling_cosine`.

    Source: Deng et al., arXiv:1801.07698, eq. 4.
    """
    return falling_cosine(m1 * angles_of(cosines) + m2) - m3
