"""Euclidean distance to a template."""

import torch
from torch import Tensor

from arcinvert.inversion.targets.base import Target, TargetRequest


class EuclideanTarget(Target):
    """Euclidean distance to one template for each image, in [0, 2 * scale].

    Args:
        templates: Unit norm, shape (batch, dim).
        scale: The radius that embeddings and templates are brought to.

    Source: Deng et al., arXiv:1801.07698v4, section 3.3, open-set.
    """

    #: Added to the squared distance, so that the gradient stays finite where an embedding reaches its
    #: template.
    SMALLEST_SQUARE = 1e-8

    def __init__(self, templates: Tensor, scale: float = 1.0) -> None:
        super().__init__(templates)
        self.scale = scale

    @classmethod
    def build(cls, request: TargetRequest) -> "EuclideanTarget":
        """Return the target of one batch of templates."""
        return cls(request.templates, request.scale)

    def __call__(self, embeddings: Tensor) -> Tensor:
        squares = (embeddings - self.templates).square().sum(1)
        return self.scale * torch.sqrt(squares + self.SMALLEST_SQUARE)
