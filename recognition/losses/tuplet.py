"""Tuplet loss: a pair of one identity against all images of other identities in the batch at once."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from recognition.heads.margins import angles_of
from recognition.losses.base import AuxiliaryLoss
from recognition.ranges import check_range


class TupletLoss(AuxiliaryLoss):
    """The mean over mated pairs of log(1 + sum over negatives of exp(scale * (cos negative - cos positive))).

    With a margin, the cosine of the positive is that of its angle less the margin: pairs that are closer than
    the margin are not drawn closer still. Without one it is the loss of N-pair batches on unit-norm
    embeddings. The loss is 0 where a batch has no mated pair or no negative.

    Args:
        embedding_size: Dimensions of an embedding.
        classes: Number of identities.
        weight: Weight of this loss in the sum.
        scale: Factor of the cosines.
        margin: Slack of the positive pair's angle, radians.

    Raises:
        InputError: If an option is out of range.

    Source: Sohn, "Improved deep metric learning with multi-class N-pair loss objective", NIPS 2016, eq. 3;
        scale and margin, Yu and Tao, "Deep metric learning with tuplet margin loss", ICCV 2019, eq. 6.
    """

    needs_pairs = True

    def __init__(
        self,
        embedding_size: int,
        classes: int,
        *,
        weight: float = 1.0,
        scale: float = 32.0,
        margin: float = 0.1,
    ) -> None:
        super().__init__(embedding_size, classes, weight=weight)
        check_range("scale", scale, 0, math.inf)
        check_range("margin", margin, 0, math.pi, includes_low=True)
        self.scale, self.margin = scale, margin

    def forward(self, embeddings: Tensor, labels: Tensor, centres: Tensor) -> Tensor:
        unit = F.normalize(embeddings)
        cosines = unit @ unit.T
        same = labels[:, None] == labels
        itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
        anchors, positives = (same & ~itself).nonzero(as_tuple=True)
        if not len(anchors) or same.all():
            return embeddings.sum() * 0
        drawn = (angles_of(cosines[anchors, positives]) - self.margin).cos()
        # Shape (pairs, batch): how much more similar each negative is than the positive.
        excess = self.scale * (cosines[anchors] - drawn[:, None])
        excess = excess.masked_fill(same[anchors], -math.inf)
        # The 1 inside the logarithm is a further exponent of 0.
        return F.pad(excess, (0, 1)).logsumexp(1).mean()
