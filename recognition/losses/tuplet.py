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
        drawn = (angles_of(cosines) - self.margin).cos()
        # The sum over an anchor's negatives is one for all its positives. Where it has none, the logarithm is
        # far below all others, and finite for the gradient.
        lowest = torch.finfo(cosines.dtype).min / 4
        negatives = (self.scale * cosines).masked_fill(same, lowest).logsumexp(1, keepdim=True)
        # The 1 inside the logarithm makes it a softplus. Masks have one shape whatever the labels, so that
        # the loss compiles as one graph.
        pairs = same & ~itself
        losses = F.softplus(negatives - self.scale * drawn) * pairs
        return losses.sum() / pairs.sum().clamp_min(1)
