"""Heads without a margin and with one that is the same for every image."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition.errors import InputError
from recognition.heads.base import CosineHead, Head, check_range
from recognition.heads.margins import additive_angular_margin, combined_margin


class SoftmaxHead(Head):
    """The plain softmax: inner products with weights of any norm, and a bias for each class."""

    def __init__(self, embedding_size: int, classes: int) -> None:
        super().__init__(embedding_size, classes)
        self.bias = nn.Parameter(torch.zeros(classes))

    def logits(self, embeddings: Tensor, labels: Tensor, share: float) -> Tensor:
        return F.linear(embeddings, self.weight, self.bias)


class NormSoftmaxHead(CosineHead):
    """Scaled cosines without a margin.

    Source: Wang et al., NormFace, arXiv:1704.06369.
    """

    def with_margin(self, targets: Tensor, norms: Tensor, share: float) -> Tensor:
        return targets


class CombinedMarginHead(CosineHead):
    """cos(m1 * theta + m2) - m3.

    Args:
        m1: factor of the angle, 1 or a little about it; m2: added to the angle, radians; m3: taken
            from the cosine.

    Raises:
        InputError: an option is out of range.

    Source: Deng et al., arXiv:1801.07698, eq. 4.
    """

    def __init__(
        self,
        embedding_size: int,
        classes: int,
        *,
        scale: float = 64.0,
        m1: float = 1.0,
        m2: float = 0.3,
        m3: float = 0.2,
    ) -> None:
        super().__init__(embedding_size, classes, scale=scale)
        check_range("m1", m1, 0, 10)
        check_range("m2", m2, 0, math.pi, includes_low=True)
        check_range("m3", m3, 0, 2, includes_low=True)
        self.m1, self.m2, self.m3 = m1, m2, m3

    def with_margin(self, targets: Tensor, norms: Tensor, share: float) -> Tensor:
        return combined_margin(targets, 1 + share * (self.m1 - 1), share * self.m2, share * self.m3)


class CM1Head(CombinedMarginHead):
    """The ArcFace paper's first combined margin: (1, 0.3, 0.2), the defaults of `CombinedMarginHead`."""


class CM2Head(CombinedMarginHead):
    """The ArcFace paper's second combined margin: (0.9, 0.4, 0.15)."""

    def __init__(
        self,
        embedding_size: int,
        classes: int,
        *,
        scale: float = 64.0,
        m1: float = 0.9,
        m2: float = 0.4,
        m3: float = 0.15,
    ) -> None:
        super().__init__(embedding_size, classes, scale=scale, m1=m1, m2=m2, m3=m3)


class SphereFaceHead(CosineHead):
    """cos(factor * theta), falling on beyond pi, on a sphere of fixed radius as the ArcFace paper has it.

    Args:
        factor: the paper's m, at least 1; SphereFace's own 4 wants a long warm-up.

    Raises:
        InputError: an option is out of range.

    Source: Liu et al., arXiv:1704.08063, eq. 7; factor 1.35 from arXiv:1801.07698, table 2.
    """

    def __init__(
        self, embedding_size: int, classes: int, *, scale: float = 64.0, factor: float = 1.35
    ) -> None:
        super().__init__(embedding_size, classes, scale=scale)
        check_range("factor", factor, 1, 10, includes_low=True)
        self.factor = factor

    def with_margin(self, targets: Tensor, norms: Tensor, share: float) -> Tensor:
        return combined_margin(targets, 1 + share * (self.factor - 1), 0.0, 0.0)


class CosFaceHead(CosineHead):
    """cos(theta) - distance.

    Args:
        distance: the paper's m, of cosines.

    Raises:
        InputError: an option is out of range.

    Source: Wang et al., arXiv:1801.09414, eq. 4.
    """

    def __init__(
        self, embedding_size: int, classes: int, *, scale: float = 64.0, distance: float = 0.35
    ) -> None:
        super().__init__(embedding_size, classes, scale=scale)
        check_range("distance", distance, 0, 2, includes_low=True)
        self.distance = distance

    def with_margin(self, targets: Tensor, norms: Tensor, share: float) -> Tensor:
        return targets - share * self.distance


class ArcFaceHead(CosineHead):
    """cos(theta + margin).

    Args:
        margin: the paper's m, radians.

    Raises:
        InputError: scale or margin out of range.

    Source: Deng et al., arXiv:1801.07698, eq. 3.
    """

    def __init__(
        self, embedding_size: int, classes: int, *, scale: float = 64.0, margin: float = 0.5
    ) -> None:
        super().__init__(embedding_size, classes, scale=scale)
        if not 0 <= margin <= math.pi / 2:
            raise InputError(f"margin: expected radians in [0, pi/2], got {margin}")
        self.angular_margin = margin

    def with_margin(self, targets: Tensor, norms: Tensor, share: float) -> Tensor:
        return additive_angular_margin(targets, share * self.angular_margin)
