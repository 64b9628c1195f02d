"""What all heads have in common: class weights, checked labels and the cross-entropy loss."""

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition.errors import InputError
from recognition.ranges import check_range


def single_precision(values: Tensor) -> Tensor:
    """Return values of half precision in single precision, and any others as they are."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


class Head(nn.Module, ABC):
    """Logits over the training identities, and a loss, from embeddings and labels.

    A subclass implements `logits`.

    Args:
        embedding_size: Dimensions of an embedding.
        classes: Number of identities.
    """

    #: Additive angular margin in radians, of heads that have one. It is saved with the network, so that an
    #: attack can use the loss that the network was trained with.
    angular_margin = 0.0
    #: Whether it has one unit-norm centre per class, which another network can provide.
    one_centre_per_class = False
    #: Share of each label's weight that is spread over all classes. Negative values push embeddings away from
    #: the other classes, which makes a network harder to invert. Source: Struppek et al., arXiv:2310.06549.
    label_smoothing = 0.0

    def __init__(self, embedding_size: int, classes: int) -> None:
        super().__init__()
        self.classes = classes
        self.weight = nn.Parameter(torch.empty(classes, embedding_size))
        nn.init.normal_(self.weight, std=0.01)

    @property
    def centres(self) -> Tensor:
        """Class centres: the weights at unit norm, shape (classes, embedding_size)."""
        return F.normalize(self.weight)

    def forward(self, embeddings: Tensor, labels: Tensor, margin_fraction: float = 1.0) -> Tensor:
        """Return the logits, shape (batch, classes), in single precision at least, also under autocast.

        Args:
            embeddings: Shape (batch, embedding_size), of any positive norm.
            labels: Shape (batch,), class indices in [0, classes), of any type of integer.
            margin_fraction: Fraction of the margin that is applied, from 0 to 1; below 1 during warm-up.

        Raises:
            InputError: If a label is no integer or out of range. Code that torch.compile made does not check
                the range, which would need a transfer from the device.
        """
        labels = self._checked(labels)
        # Half precision has no room for a margin: near 1 its cosines are 0.004 apart.
        with torch.autocast(embeddings.device.type, enabled=False):
            return self.logits(single_precision(embeddings), labels, margin_fraction)

    def _checked(self, labels: Tensor) -> Tensor:
        if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
            raise InputError(f"labels: expected integers, got {labels.dtype}; convert them with .long()")
        if torch.compiler.is_compiling() or not labels.numel():
            return labels.long()
        lowest, highest = int(labels.min()), int(labels.max())
        if not 0 <= lowest <= highest < self.classes:
            raise InputError(
                f"labels: expected class indices in 0..{self.classes - 1}, got {lowest}..{highest}"
            )
        return labels.long()

    @abstractmethod
    def logits(self, embeddings: Tensor, labels: Tensor, margin_fraction: float) -> Tensor:
        """Return the logits as `forward` does, for labels that are known to be in range."""

    def extra_tensors(self) -> dict[str, Tensor]:
        """Return tensors, by name, that are saved with the network besides the centres."""
        return {}

    def loss(self, embeddings: Tensor, labels: Tensor, margin_fraction: float = 1.0) -> Tensor:
        """Return the cross-entropy of the logits plus the penalty, averaged over the batch, as a scalar."""
        loss = self.cross_entropy(self(embeddings, labels, margin_fraction), labels.long())
        penalty = self.penalty(embeddings)
        return loss if penalty is None else loss + penalty

    def penalty(self, embeddings: Tensor) -> Tensor | None:
        """Return a penalty of the embeddings, averaged over the batch, as a scalar; None without one.

        Args:
            embeddings: Shape (batch, embedding_size), of any positive norm.
        """
        return None

    def cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy with labels smoothed by `label_smoothing`, as a scalar."""
        loss = F.cross_entropy(logits, labels)
        if not self.label_smoothing:
            return loss
        # Written out, because torch's own option rejects negative values.
        uniform = -F.log_softmax(logits, dim=1).mean()
        return (1 - self.label_smoothing) * loss + self.label_smoothing * uniform


class CosineHead(Head):
    """A head on the hypersphere, whose logits are scaled cosines.

    A subclass overrides one hook, `with_margin`, which changes the cosine to the true class.

    Args:
        embedding_size: Dimensions of an embedding.
        classes: Number of identities.
        scale: Radius of the hypersphere that embeddings are projected to, the papers' s.

    Raises:
        InputError: If the scale is out of range.
    """

    one_centre_per_class = True
    #: Whether the logits are the cosines times `scale`, without another factor of each embedding's own.
    has_fixed_scale = True

    def __init__(self, embedding_size: int, classes: int, *, scale: float = 64.0) -> None:
        super().__init__(embedding_size, classes)
        check_range("scale", scale, 0, math.inf)
        self.scale = scale

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Return cos(theta) to every class, shape (batch, classes)."""
        return F.linear(F.normalize(embeddings), self.centres)

    @abstractmethod
    def with_margin(self, target_cosines: Tensor, norms: Tensor, margin_fraction: float) -> Tensor:
        """Return the cosines to the true classes with the margin applied, shape (batch, 1).

        Args:
            target_cosines: Cosines to the true classes, shape (batch, 1).
            norms: Norms of the embeddings, shape (batch, 1), for margins that depend on them.
            margin_fraction: Fraction of the margin to apply, from 0 to 1.
        """

    def logits(self, embeddings: Tensor, labels: Tensor, margin_fraction: float) -> Tensor:
        cosines = self.cosines(embeddings)
        norms = embeddings.norm(dim=1, keepdim=True)
        targets = self.with_margin(cosines.gather(1, labels[:, None]), norms, margin_fraction)
        return self.scale * cosines.scatter(1, labels[:, None], targets)
