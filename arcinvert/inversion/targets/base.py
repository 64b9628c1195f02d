"""The interface of a target."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from arcinvert.knowledge.whitening import Whitening
from recognition.recogniser import Recogniser


@dataclass(frozen=True)
class TargetRequest:
    """Everything that a target may be made of.

    Args:
        recogniser: The attacked network.
        templates: Unit norm, shape (batch, dim), on the network's device.
        labels: Shape (batch,), class indices; None where templates are attacked, not classes.
        scale: The scale of the loss.
        margin: The margin of the loss, radians.
        own_templates: Whether the templates stand for their classes in place of the class centres.
        whitening: Applied to embeddings and class centres before they are compared; None compares them as
            they are.
    """

    recogniser: Recogniser
    templates: Tensor
    labels: Tensor | None
    scale: float
    margin: float
    own_templates: bool = False
    whitening: Whitening | None = None


class Target(ABC):
    """Unit-norm embeddings, shape (batch, dim), to losses, shape (batch,).

    Args:
        templates: The unit-norm embeddings to reach, shape (batch, dim).
    """

    #: Whether the loss is defined for classes only.
    needs_classes: ClassVar[bool] = False

    def __init__(self, templates: Tensor) -> None:
        self.templates = templates

    @classmethod
    def build(cls, request: TargetRequest) -> "Target":
        """Return the target of one batch."""
        return cls(request.templates)

    @abstractmethod
    def __call__(self, embeddings: Tensor) -> Tensor:
        """Return the loss of each image, shape (batch,)."""
