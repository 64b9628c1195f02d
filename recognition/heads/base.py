"""What all heads have in common: class weights, checked labels, the loss."""

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition.errors import InputError


class Head(nn.Module, ABC):
    """Embeddings and labels to logits over the training identities, and to a loss.

    Args:
        embedding_size: dimensions of an embedding.
        classes: number of identities.
    """

    #: The additive angular margin, radians, of heads that have one; an attack on the network asks for it.
    angular_margin = 0.0
    #: The share of a label's weight that is spread over all classes. Negative values push away from them,
    #: which makes a network harder to invert. Source: Struppek et al., arXiv:2310.06549.
    label_smoothing = 0.0

    def __init__(self, embedding_size: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.weight = nn.Parameter(torch.empty(classes, embedding_size))
        nn.init.normal_(self.weight, std=0.01)

    @property
    def centres(self) -> Tensor:
        """Unit-norm class weights, (classes, embedding_size)."""
        return F.normalize(self.weight)

    def forward(self, embeddings: Tensor, labels: Tensor, share: float = 1.0) -> Tensor:
        """Logits, (batch, classes).

        Args:
            embeddings: (batch, embedding_size), any positive norm.
            labels: (batch,), class indices in [0, classes).
            share: of the margin that is in force, 0 to 1, while a training warms up.

        Raises:
            InputError: a label is out of range.
        """
        if labels.numel() and not 0 <= int(labels.min()) <= int(labels.max()) < self.classes:
            raise InputError(
                f"labels: expected class indices in 0..{self.classes - 1}, "
                f"got {int(labels.min())}..{int(labels.max())}"
            )
        return self.logits(embeddings, labels, share)

    @abstractmethod
    def logits(self, embeddings: Tensor, labels: Tensor, share: float) -> Tensor:
        """As `forward`, of labels that are in range."""

    def loss(self, embeddings: Tensor, labels: Tensor, share: float = 1.0) -> Tensor:
        """Cross-entropy of the logits, mean over the batch, a scalar."""
        return self.cross_entropy(self(embeddings, labels, share), labels)

    def cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy to labels that are smoothed by `label_smoothing`, a scalar."""
        loss = F.cross_entropy(logits, labels)
        if not self.label_smoothing:
            return loss
        # Written out, for torch's own option refuses the negative values.
        uniform = -F.log_softmax(logits, dim=1).mean()
        return (1 - self.label_smoothing) * loss + self.label_smoothing * uniform


class CosineHead(Head):
    """A head on the sphere: scaled cosines, the target's through one hook, `with_margin`.

    Args:
        scale: the papers' s, the radius of the sphere that embeddings are put on.

    Raises:
        InputError: the scale is out of range.
    """

    def __init__(self, embedding_size: int, classes: int, *, scale: float = 64.0) -> None:
        super().__init__(embedding_size, classes)
        check_range("scale", scale, 0, math.inf)
        self.scale = scale

    def cosines(self, embeddings: Tensor) -> Tensor:
        """cos(theta) to every class, (batch, classes)."""
        return F.linear(F.normalize(embeddings), self.centres)

    @abstractmethod
    def with_margin(self, targets: Tensor, norms: Tensor, share: float) -> Tensor:
        """The target cosines, (batch, 1), with the margin.

        Args:
            norms: of the embeddings, (batch, 1), for margins that depend on them.
        """

    def logits(self, embeddings: Tensor, labels: Tensor, share: float) -> Tensor:
        cosines = self.cosines(embeddings)
        norms = embeddings.norm(dim=1, keepdim=True)
        targets = self.with_margin(cosines.gather(1, labels[:, None]), norms, share)
        return self.scale * cosines.scatter(1, labels[:, None], targets)


def check_range(name: str, value: float, low: float, high: float, *, includes_low: bool = False) -> None:
    """Refuse an option of a head or a term outside low < value < high (or low <= value).

    Raises:
        InputError: it is outside, or no number.
    """
    if (low < value or (includes_low and value == low)) and value < high:
        return
    if high == math.inf:
        expected = "0 or more" if includes_low else "a positive number"
    else:
        expected = f"{'from' if includes_low else 'above'} {low:g} to below {high:g}"
    raise InputError(f"{name}: expected {expected}, got {value}")
