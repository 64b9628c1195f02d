"""Margin heads: embeddings and labels to logits over the training identities."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition.errors import InputError

#: Keeps the gradient of sin(theta) finite where an embedding lies on its centre.
SMALLEST_SINE = 1e-4


def additive_angular_margin(cosines: Tensor, margin: float) -> Tensor:
    """cos(theta + margin) of each target cosine, any shape, with its exact gradient.

    Beyond theta + margin > pi the cosine would rise again, and reward a worse angle; there the
    line cos(theta) - margin * sin(margin) goes on falling, as in the authors' code.

    Args:
        cosines: cos(theta) in [-1, 1].
        margin: radians, in [0, pi/2]; from about 2.3 on the line would begin above the curve's end.

    Source: Deng et al., arXiv:1801.07698, eq. 3.
    """
    sines = (1 - cosines.square()).clamp_min(SMALLEST_SINE**2).sqrt()
    inside = cosines * math.cos(margin) - sines * math.sin(margin)
    beyond = cosines - margin * math.sin(margin)
    return torch.where(cosines > -math.cos(margin), inside, beyond)


def arcface_logits(cosines: Tensor, labels: Tensor, *, scale: float, margin: float) -> Tensor:
    """Logits, (batch, classes): every cosine times `scale`, the target's with the margin.

    Args:
        cosines: (batch, classes), of unit embeddings and unit centres.
        labels: (batch,), class indices.
        scale: the radius of the sphere that embeddings are put on.
        margin: radians.
    """
    targets = cosines.gather(1, labels[:, None])
    with_margin = additive_angular_margin(targets, margin)
    return scale * cosines.scatter(1, labels[:, None], with_margin)


class ArcFaceHead(nn.Module):
    """ArcFace over `classes` identities.

    Args:
        embedding_size: dimensions of an embedding.
        classes: number of identities.
        scale: the paper's s.
        margin: the paper's m, radians; `forward` takes another while it warms up.

    Raises:
        InputError: scale or margin out of range.
    """

    def __init__(
        self, embedding_size: int, classes: int, *, scale: float = 64.0, margin: float = 0.5
    ) -> None:
        super().__init__()
        if not 0 < scale < math.inf:
            raise InputError(f"scale: expected a positive number, got {scale}")
        if not 0 <= margin <= math.pi / 2:
            raise InputError(f"margin: expected radians in [0, pi/2], got {margin}")
        self.scale = scale
        self.margin = margin
        self.weight = nn.Parameter(torch.empty(classes, embedding_size))
        nn.init.normal_(self.weight, std=0.01)

    @property
    def centres(self) -> Tensor:
        """Unit-norm class weights, (classes, embedding_size)."""
        return F.normalize(self.weight)

    def forward(self, embeddings: Tensor, labels: Tensor, margin: float | None = None) -> Tensor:
        """ArcFace logits, (batch, classes).

        Args:
            embeddings: (batch, embedding_size), any positive norm; normalised here.
            labels: (batch,), class indices in [0, classes).
            margin: radians, in place of the head's own.

        Raises:
            InputError: a label is out of range.
        """
        classes = self.weight.shape[0]
        if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
            raise InputError(
                f"labels: expected class indices in 0..{classes - 1}, "
                f"got {int(labels.min())}..{int(labels.max())}"
            )
        cosines = F.linear(F.normalize(embeddings), self.centres)
        margin = self.margin if margin is None else margin
        return arcface_logits(cosines, labels, scale=self.scale, margin=margin)
