"""The interface of a parametrisation."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor


class Views(NamedTuple):
    """Of the network on an image: shift in pixels, change of size, and the share of features hidden."""

    shift: int = 2
    scale: float = 0.0
    feature_dropout: float = 0.0


class Parametrisation(ABC):
    """Leaf tensors that stand for a batch of images.

    Args:
        start: images to begin with, (batch, 3, h, w) in [0, 1].
    """

    #: Adam's learning rate that suits these leaves.
    learning_rate: float
    #: Share of the BatchNorm prior's weight that suits these images.
    statistics_share = 1.0
    #: Weight of the variation of colours alone, tuned on people that the bundled network was trained on:
    #: coloured fringes are a mark of inversion.
    colour_weight = 4.0
    #: That suit these images.
    views = Views()
    #: The same where the start is a likeness of the person already; None where it makes no difference.
    views_from_likeness: Views | None = None
    #: Steps, and how often an image is begun where all begin at the same face: now and then one ends at
    #: some other face, so that three of 100 steps do better than one of 300.
    steps = 100
    restarts = 3

    @abstractmethod
    def __init__(self, start: Tensor) -> None: ...

    @property
    @abstractmethod
    def parameters(self) -> list[Tensor]:
        """The leaves to optimise."""

    @abstractmethod
    def images(self) -> Tensor:
        """The images, (batch, 3, h, w), with gradients to the leaves; may leave [0, 1] slightly."""

    def penalty(self) -> Tensor | None:
        """A prior on the leaves themselves, (batch,), where the parametrisation has one."""
        return None

    def project(self) -> None:  # noqa: B027  (most parametrisations have nothing to project)
        """Move the leaves back to where they stand for possible images, after a step."""
