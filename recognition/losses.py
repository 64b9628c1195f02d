"""Losses added to any head's, one class each: what embeddings and centres should look like besides."""

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition import registry
from recognition.heads.base import check_range
from recognition.heads.margins import angles_of


class AuxiliaryLoss(nn.Module, ABC):
    """A scalar of one batch, added to the head's loss with a weight.

    Args:
        embedding_size: dimensions of an embedding.
        classes: number of identities.
        weight: of the term in the sum.

    Raises:
        InputError: an option is out of range.
    """

    #: Whether it compares images of one identity, so that a batch must hold two of some.
    needs_pairs = False

    def __init__(self, embedding_size: int, classes: int, *, weight: float = 1.0) -> None:
        super().__init__()
        check_range("weight", weight, 0, math.inf, includes_low=True)
        self.weight = weight

    @abstractmethod
    def forward(self, embeddings: Tensor, labels: Tensor, centres: Tensor) -> Tensor:
        """The unweighted loss, a scalar.

        Args:
            embeddings: (batch, embedding_size), any positive norm.
            labels: (batch,), class indices.
            centres: the head's, unit norm, (classes, embedding_size).
        """


class CentreLoss(AuxiliaryLoss):
    """Half the squared distance to the running centre of the class, mean over the batch.

    The centres are its own, in the space of raw embeddings, and move with each training batch.

    Args:
        rate: the paper's alpha, how far a centre moves towards a batch.

    Source: Wen et al., ECCV 2016, eqs. 2 and 4.
    """

    own_centres: Tensor

    def __init__(
        self, embedding_size: int, classes: int, *, weight: float = 0.003, rate: float = 0.5
    ) -> None:
        super().__init__(embedding_size, classes, weight=weight)
        check_range("rate", rate, 0, 1)
        self.rate = rate
        self.register_buffer("own_centres", torch.zeros(classes, embedding_size))

    def forward(self, embeddings: Tensor, labels: Tensor, centres: Tensor) -> Tensor:
        # A copy: the centres move before the backward pass reads them.
        own = self.own_centres[labels]
        loss = (embeddings - own).square().sum(1).mean() / 2
        if self.training:
            self._move(embeddings.detach() - own, labels)
        return loss

    @torch.no_grad()
    def _move(self, differences: Tensor, labels: Tensor) -> None:
        count = torch.bincount(labels, minlength=len(self.own_centres))[:, None]
        total = torch.zeros_like(self.own_centres).index_add_(0, labels, differences.to(self.own_centres))
        self.own_centres += self.rate * total / (1 + count)


class IntraLoss(AuxiliaryLoss):
    """The mean angle to the own centre, as a share of pi.

    Source: Deng et al., arXiv:1801.07698, section 3.2 (Intra-Loss).
    """

    def forward(self, embeddings: Tensor, labels: Tensor, centres: Tensor) -> Tensor:
        cosines = (F.normalize(embeddings) * centres[labels]).sum(1)
        return angles_of(cosines).mean() / math.pi


class InterLoss(AuxiliaryLoss):
    """Less the mean angle between the own and every other centre, as a share of pi.

    Source: Deng et al., arXiv:1801.07698, section 3.2 (Inter-Loss).
    """

    def forward(self, embeddings: Tensor, labels: Tensor, centres: Tensor) -> Tensor:
        angles = angles_of(centres[labels] @ centres.T)
        others = F.one_hot(labels, len(centres)) == 0
        return -angles[others].mean() / math.pi if len(centres) > 1 else angles.sum() * 0


class TripletLoss(AuxiliaryLoss):
    """How far semi-hard negatives, of angles, come nearer than the positive angle plus a margin.

    Semi-hard, of all triplets in the batch: the negative is farther than the positive, by less than
    the margin. Mean over these triplets; 0 without one.

    Args:
        margin: radians.

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
        # (pairs, batch): how much nearer each negative should be pushed away.
        lacking = angles[anchors, positives][:, None] - angles[anchors] + self.margin
        semi_hard = ~same[anchors] & (lacking > 0) & (lacking < self.margin)
        return lacking[semi_hard].mean() if semi_hard.any() else angles.sum() * 0


class ContrastiveLoss(AuxiliaryLoss):
    """Squared distances of mated pairs, and of non-mated ones what lacks to a margin, squared.

    Over all pairs of the batch: the mean over the mated plus the mean over the non-mated, halved;
    Euclidean distances of unit embeddings.

    Args:
        margin: distance, 0 to 2.

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
        # The square root of zero has no gradient: of twins only the square is used.
        squares = (unit[first] - unit[second]).square().sum(1)
        loss = embeddings.sum() * 0
        if mated.any():
            loss = loss + squares[mated].mean() / 2
        if not mated.all():
            distances = squares[~mated].clamp_min(1e-12).sqrt()
            loss = loss + (self.margin - distances).clamp_min(0).square().mean() / 2
        return loss


#: Terms by the names that `train --term` takes.
AUXILIARY_LOSSES: dict[str, type[AuxiliaryLoss]] = {
    "centre": CentreLoss,
    "intra": IntraLoss,
    "inter": InterLoss,
    "triplet": TripletLoss,
    "contrastive": ContrastiveLoss,
}


def build_auxiliary_loss(spec: str, embedding_size: int, classes: int) -> AuxiliaryLoss:
    """A term by name, with options behind it: `triplet:weight=0.5,margin=0.3`.

    Raises:
        InputError: no term has this name, or an option is unknown or out of its range.
    """
    return registry.build("term", spec, AUXILIARY_LOSSES, embedding_size, classes)
