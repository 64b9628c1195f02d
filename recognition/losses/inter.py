"""Inter-Loss: the angles between the centres of different classes, which it widens."""

import math

import torch
from torch import Tensor

from recognition.heads.margins import angles_of
from recognition.losses.base import AuxiliaryLoss


class InterLoss(AuxiliaryLoss):
    """The negative mean angle between the class's own centre and all other centres, divided by pi.

    Source: Deng et al., arXiv:1801.07698, section 3.2 (Inter-Loss).
    """

    def forward(self, embeddings: Tensor, labels: Tensor, centres: Tensor) -> Tensor:
        angles = angles_of(centres[labels.long()] @ centres.T)
        others = labels[:, None] != torch.arange(len(centres), device=labels.device)
        # A sum with a mask has one shape whatever the labels, so that the loss compiles as one graph.
        return -(angles * others).sum() / (max(len(labels) * (len(centres) - 1), 1) * math.pi)
