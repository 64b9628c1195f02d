"""Cosine distance to a template."""

from torch import Tensor

from arcinvert.inversion.targets.base import Target


class CosineTarget(Target):
    """1 - cosine similarity to one template for each image, in [0, 2].

    Args:
        templates: Unit norm, shape (batch, dim).
    """

    def __call__(self, embeddings: Tensor) -> Tensor:
        return 1 - (embeddings * self.templates).sum(1)
