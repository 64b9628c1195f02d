"""The interface of a parametrisation."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from torch import Tensor

from arcinvert.knowledge.knowledge import Knowledge


class AugmentationStrength(NamedTuple):
    """Strength of the augmentation: shift in pixels, change of size, dropped fraction of features."""

    shift: int = 2
    scale: float = 0.0
    feature_dropout: float = 0.0


class Parametrisation(ABC):
    """Leaf tensors that represent a batch of images, and the settings that suit them.

    Args:
        start: The initial images, shape (batch, 3, h, w) in [0, 1].
    """

    #: The learning rate of Adam.
    learning_rate: ClassVar[float]
    #: A factor of the weights of penalties on activations.
    activation_penalty_factor: ClassVar[float] = 1.0
    #: Weights of penalties that a recipe leaves to the parametrisation. Coloured fringes are an artefact of
    #: inversion; the weights were tuned on people that the bundled network was trained on. A subclass names
    #: those that differ.
    penalty_weights: ClassVar[Mapping[str, float]] = {"colour-tv": 4.0, "bn": 1.0}
    #: Random augmentation in front of the loss.
    augmentation: ClassVar[AugmentationStrength] = AugmentationStrength()
    #: The same where the initial image already resembles the person; None if it makes no difference.
    augmentation_near: ClassVar[AugmentationStrength | None] = None
    #: Steps, and restarts where all start from the same face: now and then one ends at another face, so that
    #: three restarts of 100 steps do better than one of 300.
    steps: ClassVar[int] = 100
    restarts: ClassVar[int] = 3
    #: Whether it is made of public faces, which an attacker by the weights alone does not have.
    of_public_faces: ClassVar[bool] = False
    #: Whether `pca_coefficients` exist.
    has_coefficients: ClassVar[bool] = False
    #: Whether `offsets` exist.
    has_offsets: ClassVar[bool] = False

    @classmethod
    def missing(cls, knowledge: Knowledge, name: str) -> str | None:
        """Return what it lacks, as `expected ..., found ...; what to do`; None if nothing.

        Args:
            knowledge: What the attacker knows.
            name: The attacked network's name.
        """
        return None

    @abstractmethod
    def __init__(self, start: Tensor) -> None: ...

    @classmethod
    def build(cls, start: Tensor, templates: Tensor, knowledge: Knowledge) -> "Parametrisation":
        """Return the parametrisation of initial images.

        Args:
            start: The initial images, shape (batch, 3, h, w) in [0, 1].
            templates: The templates, shape (batch, dim), unit norm.
            knowledge: What the attacker knows, in which nothing is missing.
        """
        return cls(start)

    @property
    @abstractmethod
    def parameters(self) -> list[Tensor]:
        """The leaf tensors to optimise."""

    @abstractmethod
    def images(self) -> Tensor:
        """Return the images, (batch, 3, h, w), with gradients to the leaves; may leave [0, 1] slightly."""

    @property
    def offsets(self) -> Tensor | None:
        """Offsets of a decoder's codes, (batch, levels, dim), in standard deviations; None for others."""
        return None

    @property
    def pca_coefficients(self) -> Tensor | None:
        """Face PCA coefficients, (batch, n), in standard deviations; None for other parametrisations."""
        return None

    def project(self) -> None:  # noqa: B027  (most parametrisations have nothing to project)
        """Move the leaves back, after a step, to where they represent possible images."""
