"""Intra-Loss: the angle between an embedding and the centre of its class."""

import math

import torch.nn.functional as F
from torch import Tensor

from recognition.heads.margins import angles_of
from recognition.losses.base import AuxiliaryLoss


class IntraLoss(AuxiliaryLoss):
    """The mean angle to the class's own centre, divided by pi.

    Source: Deng et al., arXiv:1801.07698, section 3.2 (Intra-Loss).
    """

    def forward(self, embeddings: Tensor, labels: Tensor, centres: Tensor) -> Tensor:
        cosines = (F.normalize(embeddings) * centres[labels.long()]).sum(1)
        return angles_of(cosines).mean() / math.pi
