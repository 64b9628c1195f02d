"""Inter-Loss: the angles between the centres of different classes, which it widens."""

import math

import torch.nn.functional as F
from torch import Tensor

from recognition.heads.margins import angles_of
from recognition.losses.base import AuxiliaryLoss


class InterLoss(AuxiliaryLoss):
    """The negative mean angle between the class's own centre and all other centres, divided by pi.

    Source: Deng et al., arXiv:1801.07698, section 3.2 (Inter-Loss).
    """

    def forward(self, embeddings: Tensor, labels: Tensor, centres: Tensor) -> Tensor:
        angles = angles_of(centres[labels] @ centres.T)
        others = F.one_hot(labels, len(centres)) == 0
        return -angles[others].mean() / math.pi if len(centres) > 1 else angles.sum() * 0
