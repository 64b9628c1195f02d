"""Bilateral dependence: embeddings that depend little on the pixels and much on the identity."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from recognition.losses.base import AuxiliaryLoss
from recognition.ranges import check_range

#: The squared width of the Gaussian kernel of unit-norm embeddings.
_EMBEDDING_WIDTH = 0.5
#: Keeps the ratio finite where a batch has images of one identity alone.
_SMALLEST = 1e-8


class DependenceLoss(AuxiliaryLoss):
    """The dependence of embeddings on images less their dependence on labels: a defence against inversion.

    Dependence is the Hilbert-Schmidt independence criterion (HSIC) of a batch with Gaussian kernels, in units
    of both sides' own, so that it lies between 0 and 1; of labels the kernel is 1 for one identity and else
    0. The kernel of images is as wide as the median distance of two images of the batch.

    Args:
        embedding_size: Dimensions of an embedding.
        classes: Number of identities.
        weight: Weight of this loss in the sum.
        inputs: Factor of the dependence on images.
        labels: Factor of the dependence on labels.

    Raises:
        InputError: If an option is out of range.

    Source: Peng et al., "Bilateral dependency optimization", KDD 2022, arXiv:2206.05483, on embeddings in
        place of all hidden layers; the normalisation, Kornblith et al., arXiv:1905.00414, equation 3.
    """

    needs_images = True

    def __init__(
        self,
        embedding_size: int,
        classes: int,
        *,
        weight: float = 1.0,
        inputs: float = 1.0,
        labels: float = 1.0,
    ) -> None:
        super().__init__(embedding_size, classes, weight=weight)
        check_range("inputs", inputs, 0, math.inf, includes_low=True)
        check_range("labels", labels, 0, math.inf, includes_low=True)
        self.inputs, self.labels = inputs, labels

    def forward(
        self, embeddings: Tensor, labels: Tensor, centres: Tensor, images: Tensor | None = None
    ) -> Tensor:
        """Return the unweighted loss, a scalar; without images, the labels' part alone.

        Args:
            embeddings: Shape (batch, embedding_size), of any positive norm.
            labels: Shape (batch,), class indices.
            centres: Not used.
            images: Shape (batch, channels, height, width).
        """
        if len(embeddings) < 2:
            # Nothing depends on anything; the gradient is zero.
            return embeddings.sum() * 0
        unit = F.normalize(embeddings)
        kernel = (-_squared_distances(unit) / (2 * _EMBEDDING_WIDTH)).exp()
        same = (labels[:, None] == labels).to(kernel.dtype)
        loss = -self.labels * dependence(kernel, same)
        if images is not None:
            distances = _squared_distances(images.flatten(1).to(kernel.dtype)).detach()
            width = distances[~torch.eye(len(distances), dtype=torch.bool, device=distances.device)].median()
            loss = loss + self.inputs * dependence(kernel, (-distances / (2 * width + _SMALLEST)).exp())
        return loss


def dependence(first: Tensor, second: Tensor) -> Tensor:
    """Return the normalised HSIC of two kernel matrices, each (batch, batch): a scalar from 0 to 1."""
    one, other = _centred(first), _centred(second)
    return (one * other).sum() / (one.square().sum() * other.square().sum() + _SMALLEST).sqrt()


def _centred(kernel: Tensor) -> Tensor:
    return kernel - kernel.mean(0, keepdim=True) - kernel.mean(1, keepdim=True) + kernel.mean()


def _squared_distances(rows: Tensor) -> Tensor:
    """Return squared distances of rows, (batch, dim), as (batch, batch)."""
    squares = rows.square().sum(1)
    return (squares[:, None] + squares - 2 * rows @ rows.T).clamp_min(0)
