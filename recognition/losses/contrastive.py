"""Contrastive loss over all pairs of a batch."""

import torch
import torch.nn.functional as F
from torch import Tensor

from recognition.losses.base import AuxiliaryLoss
from recognition.ranges import check_range


class ContrastiveLoss(AuxiliaryLoss):
    """Squared distances of mated pairs, and squared shortfalls from a margin of nonmated pairs.

    Distances are Euclidean, between unit-norm embeddings. The loss is half the sum of the mean over all
    mated pairs of the batch and the mean over all nonmated pairs.

    Args:
        embedding_size: Dimensions of an embedding.
        classes: Number of identities.
        weight: Weight of this loss in the sum.
        margin: Distance that nonmated pairs should keep, above 0 and below 2.

    Raises:
        InputError: If an option is out of range.

    Source: Hadsell et al., CVPR 2006, eq. 4.
    """

    needs_pairs = True

    def __init__(
        self, embedding_size: int, classes: int, *, weight: float = 1.0, margin: float = 1.0
    ) -> None:
        super().__init__(embedding_size, classes, weight=weight)
        check_range("margin", margin, 0, 2)
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor, centres: Tensor) -> Tensor:
        unit = F.normalize(embeddings)
        first, second = torch.triu_indices(len(labels), len(labels), 1, device=labels.device)
        mated = labels[first] == labels[second]
        # Mated pairs use the square itself: the square root has no gradient at distance zero.
        squares = (unit[first] - unit[second]).square().sum(1)
        distances = squares.clamp_min(1e-12).sqrt()
        shortfalls = (self.margin - distances).clamp_min(0).square()
        # Masks have one shape whatever the labels, so that the loss compiles as one graph.
        drawn = (squares * mated).sum() / mated.sum().clamp_min(1)
        kept_apart = (shortfalls * ~mated).sum() / (~mated).sum().clamp_min(1)
        return (drawn + kept_apart) / 2
