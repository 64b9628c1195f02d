"""What all auxiliary losses have in common."""

import math
from abc import ABC, abstractmethod

from torch import Tensor, nn

from recognition.ranges import check_range


class AuxiliaryLoss(nn.Module, ABC):
    """A scalar loss of one batch, which is added to the head's loss with a weight.

    A subclass implements `forward`.

    Args:
        embedding_size: Dimensions of an embedding.
        classes: Number of identities.
        weight: Weight of this loss in the sum.

    Raises:
        InputError: If an option is out of range.
    """

    #: Whether the loss compares images of one identity, so that a batch must hold several images of some.
    needs_pairs = False
    #: Whether `forward` takes the batch's images as a fourth argument.
    needs_images = False

    def __init__(self, embedding_size: int, classes: int, *, weight: float = 1.0) -> None:
        super().__init__()
        check_range("weight", weight, 0, math.inf, includes_low=True)
        self.weight = weight

    @abstractmethod
    def forward(self, embeddings: Tensor, labels: Tensor, centres: Tensor) -> Tensor:
        """Return the unweighted loss, a scalar.

        Args:
            embeddings: Shape (batch, embedding_size), of any positive norm.
            labels: Shape (batch,), class indices in [0, classes), of any integer type.
            centres: The head's class centres at unit norm, shape (classes, embedding_size).
        """
