"""Center loss: embeddings are drawn to the running mean of their class."""

import torch
from torch import Tensor

from recognition.losses.base import AuxiliaryLoss
from recognition.ranges import check_range


class CentreLoss(AuxiliaryLoss):
    """Half the squared distance to the running centre of the class, averaged over the batch.

    These centres are separate from the head's. They are in the space of raw embeddings, begin at zero and
    move after each training batch.

    Args:
        embedding_size: Dimensions of an embedding.
        classes: Number of identities.
        weight: Weight of this loss in the sum; the default is the paper's lambda.
        rate: How far a centre moves towards a batch, the paper's alpha, between 0 and 1.

    Raises:
        InputError: If an option is out of range.

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
        # Indexing copies: the buffer changes before the backward pass reads these rows.
        labels = labels.long()
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
