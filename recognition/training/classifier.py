"""What turns embeddings into the loss of labels, on one rank or many."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from recognition.heads.base import Head
from recognition.training.group import Group


class Classifier(ABC):
    """A head with its auxiliary losses, as the ranks of a training compute it together.

    A subclass implements `loss`, and says which parameters every rank has.

    Args:
        head: The head.
        group: The ranks.
        head_weight: Weight of the head's loss; auxiliary losses have weights of their own.
    """

    def __init__(self, head: Head, group: Group, *, head_weight: float = 1.0) -> None:
        self.head, self.group, self.head_weight = head, group, head_weight
        #: Which classes this rank has.
        self.own = slice(0, head.classes)
        #: The centres of these classes, if the other ranks have others, or a step uses some of them only.
        self.sharded: nn.Parameter | None = None
        #: Rows of `sharded` that the step uses, rising; None for all of them.
        self.rows: Tensor | None = None
        #: Copies of these rows, which get the gradient in their place.
        self.values: Tensor | None = None

    @abstractmethod
    def replicated(self) -> list[nn.Parameter]:
        """Return the parameters that every rank has, whose gradients are still to be summed."""

    def parameters(self) -> list[nn.Parameter]:
        """Return all parameters that this rank has."""
        return self.replicated() + ([] if self.sharded is None else [self.sharded])

    def start(self, labels: Tensor, step: int) -> None:  # noqa: B027  (most have nothing to do)
        """Prepare a step.

        Args:
            labels: Class indices of all images that this rank has in the step; negative ones have no class.
            step: Number of the step, counted over the whole training.
        """

    @abstractmethod
    def loss(
        self, images: Tensor, embeddings: Tensor, labels: Tensor, margin_fraction: float
    ) -> tuple[Tensor, Tensor]:
        """Return this rank's share of the loss, and cosines of images to the centres of their classes.

        The share is a scalar; the ranks' shares add up to the loss. Each image of the ranks has its cosine on
        one of them.

        Args:
            images: Shape (batch, 3, side, side), in [0, 1], of this rank.
            embeddings: Shape (batch, dim), of any positive norm.
            labels: Shape (batch,), class indices; images with negative ones do not count.
            margin_fraction: Fraction of the margin that is applied, from 0 to 1.
        """

    def set_centres(self, centres: Tensor, known: Tensor) -> None:
        """Set the centres of some classes.

        Args:
            centres: Shape (classes, dim), of all classes.
            known: Shape (classes,), of which of them.
        """
        with torch.no_grad():
            own = known[self.own].to(self.head.weight.device)
            self.head.weight[own] = centres[self.own].to(self.head.weight.device)[own]

    def collect(self, rows: Tensor) -> Tensor | None:
        """Return values of all classes, of which each rank gives those of its own.

        Every rank must call it; the main rank gets the values, the others None.
        """
        return rows if self.sharded is None else self.group.collect(rows)
