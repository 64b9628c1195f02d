"""Heads whose margin depends on the norm of the embedding, which indicates the quality of the image."""

import math

import torch
from torch import Tensor

from recognition.errors import InputError
from recognition.heads.base import CosineHead, single_precision
from recognition.heads.margins import additive_angular_margin, angles_of
from recognition.ranges import check_range

#: AdaFace clips norms to this range before it computes their statistics, as the authors' code does.
NORM_RANGE = (1e-3, 100.0)
#: Keeps AdaFace's deviation of norms above zero, and its angles inside (0, pi), as the authors' code does.
EPSILON = 1e-3


class AdaFaceHead(CosineHead):
    """AdaFace: the margin is angular for low image quality and on the cosine for high quality.

    Args:
        embedding_size: Dimensions of an embedding.
        classes: Number of identities.
        scale: Radius of the hypersphere.
        margin: The paper's m.
        h: The share of the norms' spread that is mapped to the range -1 to 1.
        t_alpha: Weight of the newest batch in the running mean and deviation of the norms. A batch with an
            embedding that is not a number does not count.

    Raises:
        InputError: If an option is out of range.

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
        t_alpha: float = 0.01,
    ) -> None:
        super().__init__(embedding_size, classes, scale=scale)
        check_range("margin", margin, 0, math.pi / 2, includes_low=True)
        check_range("h", h, 0, math.inf)
        check_range("t_alpha", t_alpha, 0, 1)
        self.margin, self.h, self.t_alpha = margin, h, t_alpha
        self.register_buffer("norm_mean", torch.tensor(20.0))
        self.register_buffer("norm_std", torch.tensor(100.0))

    @torch.no_grad()
    def _quality(self, norms: Tensor) -> Tensor:
        """Return image quality from -1 (low) to 1 (high), shape (batch, 1), from the standardised norms."""
        norms = norms.clamp(*NORM_RANGE)
        # The deviation of a single image is undefined.
        if self.training and len(norms) > 1:
            mean, std = norms.mean().to(self.norm_mean.dtype), norms.std().to(self.norm_std.dtype)
            # One embedding that is not a number would stay in the running values for ever.
            sound = mean.isfinite()
            self.norm_mean.copy_(torch.where(sound, self.norm_mean.lerp(mean, self.t_alpha), self.norm_mean))
            self.norm_std.copy_(torch.where(sound, self.norm_std.lerp(std, self.t_alpha), self.norm_std))
        return ((norms - self.norm_mean) / (self.norm_std + EPSILON) * self.h).clamp(-1, 1)

    def with_margin(self, target_cosines: Tensor, norms: Tensor, margin_fraction: float) -> Tensor:
        quality, margin = self._quality(norms), margin_fraction * self.margin
        angles = (angles_of(target_cosines) - margin * quality).clamp(EPSILON, math.pi - EPSILON)
        return angles.cos() - margin * (1 + quality)


class MagFaceHead(CosineHead):
    """MagFace: cos(theta + m(a)), whose margin m grows with the norm a, and a regulariser that raises norms.

    Args:
        embedding_size: Dimensions of an embedding.
        classes: Number of identities.
        scale: Radius of the hypersphere.
        low_norm: Lower bound that norms are clipped to, the paper's l_a.
        high_norm: Upper bound that norms are clipped to, the paper's u_a.
        low_margin: Margin at `low_norm`, radians, the paper's l_m.
        high_margin: Margin at `high_norm`, radians, the paper's u_m.
        lambda_g: Weight of the regulariser g(a) = a / high_norm^2 + 1 / a.

    Raises:
        InputError: If an option is out of range.

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
        lambda_g: float = 35.0,
    ) -> None:
        super().__init__(embedding_size, classes, scale=scale)
        if not 0 < low_norm < high_norm < math.inf:
            raise InputError(f"norms: expected 0 < low_norm < high_norm, got {low_norm:g} and {high_norm:g}")
        if not 0 <= low_margin <= high_margin <= math.pi / 2:
            raise InputError(
                "margins: expected radians, 0 <= low_margin <= high_margin <= pi/2, got "
                f"{low_margin:g} and {high_margin:g}"
            )
        check_range("lambda_g", lambda_g, 0, math.inf, includes_low=True)
        self.low_norm, self.high_norm = low_norm, high_norm
        self.low_margin, self.high_margin = low_margin, high_margin
        self.lambda_g = lambda_g

    def with_margin(self, target_cosines: Tensor, norms: Tensor, margin_fraction: float) -> Tensor:
        slope = (self.high_margin - self.low_margin) / (self.high_norm - self.low_norm)
        margins = self.low_margin + slope * (norms.clamp(self.low_norm, self.high_norm) - self.low_norm)
        return additive_angular_margin(target_cosines, margin_fraction * margins)

    def penalty(self, embeddings: Tensor) -> Tensor:
        """Return the weighted regulariser of the norms, averaged over the batch."""
        norms = single_precision(embeddings).norm(dim=1).clamp(self.low_norm, self.high_norm)
        return self.lambda_g * (norms / self.high_norm**2 + 1 / norms).mean()
