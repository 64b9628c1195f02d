"""Heads whose margin depends on the norm of the embedding, which stands for an image's quality."""

import math

import torch
from torch import Tensor

from recognition.errors import InputError
from recognition.heads.base import CosineHead, check_range
from recognition.heads.margins import additive_angular_margin, angles_of

#: AdaFace clips norms to this range before it measures their spread.
NORM_RANGE = (1e-3, 100.0)
#: Keeps AdaFace's spread of norms from zero, and its angles from the ends of [0, pi].
SMALL = 1e-3


class AdaFaceHead(CosineHead):
    """Margins by image quality: angular for low norms, of the cosine for high ones.

    Args:
        margin: the paper's m; h: how much of the spread of norms fills the range -1 to 1.
        memory: of the running mean and deviation of the norms: the weight of the newest batch.

    Raises:
        InputError: an option is out of range.

    Source: Kim et al., AdaFace, arXiv:2204.00964, section 3.2; constants of the authors' code.
    """

    norm_mean: Tensor
    norm_std: Tensor

    def __init__(
        self,
        embedding_size: int,
        classes: int,
        *,
        scale: float = 64.0,
        margin: float = 0.4,
        h: float = 0.333,
        memory: float = 0.01,
    ) -> None:
        super().__init__(embedding_size, classes, scale=scale)
        check_range("margin", margin, 0, math.pi / 2, includes_low=True)
        check_range("h", h, 0, math.inf)
        check_range("memory", memory, 0, 1)
        self.margin, self.h, self.memory = margin, h, memory
        self.register_buffer("norm_mean", torch.tensor(20.0))
        self.register_buffer("norm_std", torch.tensor(100.0))

    @torch.no_grad()
    def _quality(self, norms: Tensor) -> Tensor:
        """The norms' distance from their running mean, -1 (poor) to 1 (good), (batch, 1)."""
        norms = norms.clamp(*NORM_RANGE)
        # One image has no spread.
        if self.training and len(norms) > 1:
            self.norm_mean.lerp_(norms.mean().to(self.norm_mean.dtype), self.memory)
            self.norm_std.lerp_(norms.std().to(self.norm_std.dtype), self.memory)
        return ((norms - self.norm_mean) / (self.norm_std + SMALL) * self.h).clamp(-1, 1)

    def with_margin(self, targets: Tensor, norms: Tensor, share: float) -> Tensor:
        quality, margin = self._quality(norms), share * self.margin
        angles = (angles_of(targets) - margin * quality).clamp(SMALL, math.pi - SMALL)
        return angles.cos() - margin * (1 + quality)


class MagFaceHead(CosineHead):
    """cos(theta + m(a)): the margin m grows with the norm a of the embedding, and norms are drawn up.

    Args:
        low_norm, high_norm: the paper's l_a and u_a, between which norms are clipped.
        low_margin, high_margin: radians, the margins at these norms.
        pull: the paper's lambda_g, weight of the regulariser g(a) = a / high_norm^2 + 1 / a.

    Raises:
        InputError: an option is out of range.

    Source: Meng et al., MagFace, arXiv:2103.06627, eqs. 3 and 5; constants of the authors' code.
    """

    def __init__(
        self,
        embedding_size: int,
        classes: int,
        *,
        scale: float = 64.0,
        low_norm: float = 10.0,
        high_norm: float = 110.0,
        low_margin: float = 0.45,
        high_margin: float = 0.8,
        pull: float = 35.0,
    ) -> None:
        super().__init__(embedding_size, classes, scale=scale)
        if not 0 < low_norm < high_norm < math.inf:
            raise InputError(f"norms: expected 0 < low_norm < high_norm, got {low_norm:g} and {high_norm:g}")
        if not 0 <= low_margin <= high_margin <= math.pi / 2:
            raise InputError(
                "margins: expected radians, 0 <= low_margin <= high_margin <= pi/2, got "
                f"{low_margin:g} and {high_margin:g}"
            )
        check_range("pull", pull, 0, math.inf, includes_low=True)
        self.low_norm, self.high_norm = low_norm, high_norm
        self.low_margin, self.high_margin = low_margin, high_margin
        self.pull = pull

    def with_margin(self, targets: Tensor, norms: Tensor, share: float) -> Tensor:
        slope = (self.high_margin - self.low_margin) / (self.high_norm - self.low_norm)
        margins = self.low_margin + slope * (norms.clamp(self.low_norm, self.high_norm) - self.low_norm)
        return additive_angular_margin(targets, share * margins)

    def loss(self, embeddings: Tensor, labels: Tensor, share: float = 1.0) -> Tensor:
        """Cross-entropy of the logits plus the regulariser of the norms, mean over the batch."""
        norms = embeddings.norm(dim=1).clamp(self.low_norm, self.high_norm)
        regulariser = (norms / self.high_norm**2 + 1 / norms).mean()
        return self.cross_entropy(self(embeddings, labels, share), labels) + self.pull * regulariser
