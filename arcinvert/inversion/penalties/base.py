"""The interface of a penalty."""

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from arcinvert.inversion.parametrisations.base import Parametrisation
from arcinvert.knowledge.activation_statistics import MeasuredStatistics
from recognition.recogniser import Recogniser


@dataclass(frozen=True)
class Setting:
    """What an attack is made of, as far as penalties depend on it.

    Args:
        recogniser: The attacked network.
        parametrisation: What represents an image.
        statistics: Statistics of activations measured on public faces; None where there are none.
    """

    recogniser: Recogniser
    parametrisation: type[Parametrisation]
    statistics: MeasuredStatistics | None = None


class Penalty(ABC):
    """A loss for each image, which may look at the network's activations while it is attached."""

    #: Whether the penalty compares statistics of activations. A parametrisation scales the weights of these.
    of_activations: ClassVar[bool] = False

    @classmethod
    def missing(cls, setting: Setting) -> str | None:
        """Return what the penalty lacks, as `expected ..., found ...; what to do`; None if nothing."""
        return None

    @classmethod
    def build(cls, setting: Setting) -> "Penalty":
        """Return the penalty for a setting in which nothing is missing."""
        return cls()

    @contextlib.contextmanager
    def attached(self, recogniser: Recogniser, parametrisation: Parametrisation) -> Iterator[None]:
        """Observe a recogniser's passes with gradients and a parametrisation; by default, neither."""
        yield

    @abstractmethod
    def __call__(self, images: Tensor) -> Tensor:
        """Return the penalty of each image, shape (batch,), or shape () where it spans the whole batch.

        Args:
            images: Shape (batch, 3, h, w), in [0, 1] or slightly beyond, before any augmentation. The
                attached network has just been applied to them.
        """
