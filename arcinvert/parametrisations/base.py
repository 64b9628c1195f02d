"""The interface of a parametrisation."""

from abc import ABC, abstractmethod

from torch import Tensor


class Parametrisation(ABC):
    """Leaf tensors that stand for a batch of images.

    Args:
        start: images to begin with, (batch, 3, h, w) in [0, 1].
    """

    #: Adam's learning rate that suits these leaves.
    learning_rate: float
    #: Share of the BatchNorm prior's weight that suits these images.
    statistics_share = 1.0
    #: Random views that suit them: shift in pixels, relative change of size; and the share of features
    #: hidden at each step.
    shift = 2
    scale = 0.0
    feature_dropout = 0.0
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
