"""What an inversion aims at: embeddings to a loss for each image."""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.knowledge.whitening import Whitening
from recognition.heads.margins import arcface_logits


class Target(Protocol):
    """Unit-norm embeddings, (batch, dim), to losses, (batch,)."""

    @property
    def templates(self) -> Tensor:
        """The unit-norm embedding aimed at, one an image, (batch, dim)."""
        ...

    def __call__(self, embeddings: Tensor) -> Tensor: ...


class ClassTarget:
    """The ArcFace loss of one class an image, against all other centres.

    Args:
        centres: unit-norm, (classes, dim).
        labels: (batch,), the class each image shall have.
        scale, margin: of the ArcFace loss; margin in radians.
        whitening: of embeddings and centres before they are compared; None compares them as they are.

    Source: Deng et al., arXiv:1801.07698v4, section 3.3, closed-set.
    """

    def __init__(
        self,
        centres: Tensor,
        labels: Tensor,
        *,
        scale: float,
        margin: float,
        whitening: Whitening | None = None,
    ) -> None:
        self.centres = centres
        self.labels = labels
        self.scale = scale
        self.margin = margin
        self._whitening = whitening
        self._compared = centres if whitening is None else whitening(centres)

    @property
    def templates(self) -> Tensor:
        return self.centres[self.labels]

    def __call__(self, embeddings: Tensor) -> Tensor:
        if self._whitening is not None:
            embeddings = self._whitening(embeddings)
        cosines = F.linear(embeddings, self._compared)
        logits = arcface_logits(cosines, self.labels, scale=self.scale, margin=self.margin)
        return F.cross_entropy(logits, self.labels, reduction="none")


class CosineTarget:
    """1 - cosine to one template an image, in [0, 2].

    Args:
        templates: unit-norm, (batch, dim).
    """

    def __init__(self, templates: Tensor) -> None:
        self._templates = templates

    @property
    def templates(self) -> Tensor:
        return self._templates

    def __call__(self, embeddings: Tensor) -> Tensor:
        return 1 - (embeddings * self._templates).sum(1)


class EuclideanTarget:
    """Euclidean distance of embeddings to one template an image, in [0, 2 * scale].

    Args:
        templates: unit-norm, (batch, dim).
        scale: the radius that both are brought to, as ArcFace brings its features to its scale.

    Source: Deng et al., arXiv:1801.07698v4, section 3.3, open-set.
    """

    #: Keeps the gradient finite where an embedding meets its template.
    SMALLEST_SQUARE = 1e-8

    def __init__(self, templates: Tensor, scale: float = 1.0) -> None:
        self._templates = templates
        self.scale = scale

    @property
    def templates(self) -> Tensor:
        return self._templates

    def __call__(self, embeddings: Tensor) -> Tensor:
        squares = (embeddings - self._templates).square().sum(1)
        return self.scale * torch.sqrt(squares + self.SMALLEST_SQUARE)
