"""Heads without a margin, and heads whose margin is the same for every image."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition.errors import InputError
from recognition.heads.base import CosineHead, Head
from recognition.heads.margins import (
    additive_angular_margin,
    angles_of,
    combined_margin,
    falling_cosine,
)
from recognition.ranges import check_range


class SoftmaxHead(Head):
    """The plain softmax: inner products with weights of any norm, and one bias per class."""

    def __init__(self, embedding_size: int, classes: int) -> None:
        super().__init__(embedding_size, classes)
        self.bias = nn.Parameter(torch.zeros(classes))

    def logits(self, embeddings: Tensor, labels: Tensor, margin_fraction: float) -> Tensor:
        return F.linear(embeddings, self.weight, self.bias)


class NormSoftmaxHead(CosineHead):
    """Scaled cosines without a margin.

    Source: Wang et al., NormFace, arXiv:1704.06369.
    """

    def with_margin(self, target_cosines: Tensor, norms: Tensor, margin_fraction: float) -> Tensor:
        return target_cosines


class CombinedMarginHead(CosineHead):
    """The combined margin cos(m1 * theta + m2) - m3.

    Args:
        embedding_size: Dimensions of an embedding.
        classes: Number of identities.
        scale: Radius of the hypersphere.
        m1: Multiplicative angular margin, at or near 1.
        m2: Additive angular margin, radians.
        m3: Additive cosine margin.

    Raises:
        InputError: If an option is out of range.

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

    def with_margin(self, target_cosines: Tensor, norms: Tensor, margin_fraction: float) -> Tensor:
        m1 = 1 + margin_fraction * (self.m1 - 1)
        return combined_margin(target_cosines, m1, margin_fraction * self.m2, margin_fraction * self.m3)


class CM1Head(CombinedMarginHead):
    """The ArcFace paper's first combined margin, (1, 0.3, 0.2), the defaults of `CombinedMarginHead`."""


class CM2Head(CombinedMarginHead):
    """The ArcFace paper's second combined margin, (0.9, 0.4, 0.15)."""

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
    """The multiplicative angular margin cos(margin * theta), continued beyond pi so that it keeps falling.

    The scale is fixed, as in the ArcFace paper's comparison; SphereFace itself keeps the embedding's norm.

    Args:
        embedding_size: Dimensions of an embedding.
        classes: Number of identities.
        scale: Radius of the hypersphere.
        margin: The paper's m, at least 1. SphereFace's own value of 4 needs a long warm-up.

    Raises:
        InputError: If an option is out of range.

    Source: Liu et al., arXiv:1704.08063, eq. 7; the default margin of 1.35 is from arXiv:1801.07698, table 2.
    """

    def __init__(
        self, embedding_size: int, classes: int, *, scale: float = 64.0, margin: float = 1.35
    ) -> None:
        super().__init__(embedding_size, classes, scale=scale)
        check_range("margin", margin, 1, 10, includes_low=True)
        self.margin = margin

    def with_margin(self, target_cosines: Tensor, norms: Tensor, margin_fraction: float) -> Tensor:
        return combined_margin(target_cosines, 1 + margin_fraction * (self.margin - 1), 0.0, 0.0)


class ASoftmaxHead(CosineHead):
    """A-Softmax, the head of the original SphereFace: the norm of the embedding is the scale.

    The target logit is norm * (annealing * cos(theta) + psi(theta)) / (annealing + 1), where psi is
    cos(margin * theta) continued so that it never rises. The margin's fraction f anneals it: the factor is
    `annealing` / f, as the paper's falls with the steps from about 1,000 to 5 in proportion to 1 / steps.

    Args:
        embedding_size: Dimensions of an embedding.
        classes: Number of identities.
        margin: The paper's m, at least 1.
        annealing: Weight of cos(theta) when the whole margin applies, the paper's smallest lambda.

    Raises:
        InputError: If an option is out of range.

    Source: Liu et al., SphereFace, arXiv:1704.08063, eq. 7, with the annealing of the authors' code
        (lambda_min 5, base 1000, gamma 0.12, power 1).
    """

    has_fixed_scale = False

    def __init__(
        self, embedding_size: int, classes: int, *, margin: float = 4.0, annealing: float = 5.0
    ) -> None:
        # Its logits are in units of the embedding's norm, which takes the place of a fixed scale.
        super().__init__(embedding_size, classes, scale=1.0)
        check_range("margin", margin, 1, 10, includes_low=True)
        check_range("annealing", annealing, 0, math.inf)
        self.margin, self.annealing = margin, annealing

    def with_margin(self, target_cosines: Tensor, norms: Tensor, margin_fraction: float) -> Tensor:
        falling = falling_cosine(self.margin * angles_of(target_cosines))
        return (self.annealing * target_cosines + margin_fraction * falling) / (
            self.annealing + margin_fraction
        )

    def logits(self, embeddings: Tensor, labels: Tensor, margin_fraction: float) -> Tensor:
        return embeddings.norm(dim=1, keepdim=True) * super().logits(embeddings, labels, margin_fraction)


class CosFaceHead(CosineHead):
    """The additive cosine margin cos(theta) - margin.

    Args:
        embedding_size: Dimensions of an embedding.
        classes: Number of identities.
        scale: Radius of the hypersphere.
        margin: The paper's m, subtracted from the cosine.

    Raises:
        InputError: If an option is out of range.

    Source: Wang et al., arXiv:1801.09414, eq. 4.
    """

    def __init__(
        self, embedding_size: int, classes: int, *, scale: float = 64.0, margin: float = 0.35
    ) -> None:
        super().__init__(embedding_size, classes, scale=scale)
        check_range("margin", margin, 0, 2, includes_low=True)
        self.margin = margin

    def with_margin(self, target_cosines: Tensor, norms: Tensor, margin_fraction: float) -> Tensor:
        return target_cosines - margin_fraction * self.margin


class ArcFaceHead(CosineHead):
    """The additive angular margin cos(theta + margin).

    Args:
        embedding_size: Dimensions of an embedding.
        classes: Number of identities.
        scale: Radius of the hypersphere.
        margin: The paper's m, radians, in [0, pi/2].

    Raises:
        InputError: If the scale or the margin is out of range.

    Source: Deng et al., arXiv:1801.07698, eq. 3.
    """

    def __init__(
        self, embedding_size: int, classes: int, *, scale: float = 64.0, margin: float = 0.5
    ) -> None:
        super().__init__(embedding_size, classes, scale=scale)
        if not 0 <= margin <= math.pi / 2:
            raise InputError(f"margin: expected radians in [0, pi/2], got {margin}")
        self.angular_margin = margin

    def with_margin(self, target_cosines: Tensor, norms: Tensor, margin_fraction: float) -> Tensor:
        return additive_angular_margin(target_cosines, margin_fraction * self.angular_margin)
