"""Triplet loss on angles, over the semi-hard triplets of a batch."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from recognition.heads.margins import angles_of
from recognition.losses.base import AuxiliaryLoss
from recognition.ranges import check_range


class TripletLoss(AuxiliaryLoss):
    """The mean of positive angle - negative angle + margin over the semi-hard triplets of the batch.

    In a semi-hard triplet the negative is farther from the anchor than the positive, by less than the
    margin. The loss is 0 where a batch has no such triplet. The number of triplets depends on the batch, so
    that `torch.compile` splits this loss: it refuses `fullgraph=True`.

    Args:
        embedding_size: Dimensions of an embedding.
        classes: Number of identities.
        weight: Weight of this loss in the sum.
        margin: Margin in radians, above 0 and below pi.

    Raises:
        InputError: If an option is out of range.

    Source: Schroff et al., arXiv:1503.03832, section 3.2; on angles as in arXiv:1801.07698, section 3.2.
    """

    needs_pairs = True

    def __init__(
        self, embedding_size: int, classes: int, *, weight: float = 1.0, margin: float = 0.35
    ) -> None:
        super().__init__(embedding_size, classes, weight=weight)
        check_range("margin", margin, 0, math.pi)
        self.margin = margin

    def forward(self, embeddings: Tensor, labels: Tensor, centres: Tensor) -> Tensor:
        unit = F.normalize(embeddings)
        angles = angles_of(unit @ unit.T)
        same = labels[:, None] == labels
        anchors, positives = (same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)).nonzero(
            as_tuple=True
        )
        # Shape (pairs, batch): by how much each image violates the margin as the pair's negative.
        violations = angles[anchors, positives][:, None] - angles[anchors] + self.margin
        semi_hard = ~same[anchors] & (violations > 0) & (violations < self.margin)
        return violations[semi_hard].mean() if semi_hard.any() else angles.sum() * 0
