"""What every defence is: how it protects, and what an adversary recovers in spite of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np
from torch import Tensor

from arcinvert.evaluation.similarity import Array
from arcinvert.knowledge.activation_statistics import MeasuredStatistics
from arcinvert.knowledge.template_prior import TemplatePrior, fit_prior
from arcinvert.recipes import KnowledgeName
from recognition.errors import InputError
from recognition.recogniser import Recogniser


@dataclass(frozen=True)
class Adversary:
    """What an adversary knows besides the protected templates and their keys.

    Args:
        dim: Dimensions of the network's templates.
        public: Shape (faces, dim), unit-norm templates of public faces.
        centres: Shape (classes, dim), unit-norm class centres of the network, of other people than those
            attacked; None where it has none.
    """

    dim: int
    public: Array
    centres: Array | None = None

    @cached_property
    def prior(self) -> TemplatePrior:
        """What templates are like: a Gaussian of all that is known of other people."""
        return fit_prior(self.public, self.dim, self.centres)

    def queries(self, count: int) -> Array:
        """Return templates of images to show, (count, dim), unit norm: public faces, and then others.

        Whoever holds a network makes images whose templates are near any that are wanted, by its gradients,
        and computes what they are: here they are drawn from the prior.
        """
        public = self.public[:count]
        return np.concatenate([public, self.likely(count - len(public))])

    def likely(self, count: int) -> Array:
        """Return templates drawn from the prior by a fixed seed, (count, dim), unit norm."""
        noise = np.random.default_rng(0).normal(size=(count, self.dim))
        return unit_norm(self.prior.mean + noise @ np.linalg.cholesky(self.prior.covariance).T)

    def sources(self) -> list[str]:
        """Return whose templates the prior is of, for the report; empty where nothing is known."""
        found = {
            "templates of {:,} public faces": len(self.public),
            "{:,} class centres of the network": 0 if self.centres is None else len(self.centres),
        }
        return [text.format(count) for text, count in found.items() if count]


class Defence(ABC):
    """A defence with its strength.

    Args:
        strength: See `strength_means`; None takes the default.

    Raises:
        InputError: If the strength is out of range.
    """

    #: The name on the command line, and what a strength means, with its unit.
    name: ClassVar[str]
    strength_means: ClassVar[str]
    #: Whether a strength is a whole number.
    whole: ClassVar[bool] = False
    default: ClassVar[float]
    minimum: ClassVar[float] = 0.0
    maximum: ClassVar[float] = float("inf")
    #: The fields of an attack's plan that the defence itself changes. All others are those of the attack
    #: without a defence: an attack on a defence differs from it in the defence alone.
    changes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, strength: float | None = None) -> None:
        self.strength = self.default if strength is None else strength
        if self.whole and self.strength != int(self.strength):
            raise InputError(
                f"defence {self.name}: expected a whole number of {self.strength_means}, got "
                f"{self.strength:g}"
            )
        if not self.minimum <= self.strength <= self.maximum:
            raise InputError(
                f"defence {self.name}: expected {self.strength_means} from {self.minimum:g} to "
                f"{self.maximum:g}, got {self.strength:g}"
            )

    @property
    def label(self) -> str:
        """Name and strength, as the command line takes them."""
        return f"{self.name}:{self.strength:g}"


class TemplateDefence(Defence):
    """Protects templates one by one.

    A template defence maps unit-norm templates to protected ones; both are compared by cosine. `recover` is
    the first half of the attack: what comes back is then inverted like any template. It is the strongest
    attack known, which `attacker` names; without the key that is `recover_without_key` and
    `attacker_without_key`.
    """

    #: The strongest attack known, with the key if there is one: how it estimates templates.
    attacker: ClassVar[str]
    #: The strongest attack known without the key.
    attacker_without_key: ClassVar[str] = "mean of the prior, as a random rotation hides all else"
    #: Whether the attacks use a prior of templates.
    uses_prior: ClassVar[bool] = True

    #: Whether each template has a key of its own.
    keyed: ClassVar[bool] = False
    #: Whether there is a key without which every record gives the same estimate.
    same_estimate: ClassVar[bool] = False
    #: Whether protected templates can be written in place of the old ones.
    stored: ClassVar[bool] = True

    @abstractmethod
    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        """Return protected templates, (n, k), of unit-norm ones, (n, dim), with a key each."""

    @abstractmethod
    def recover(self, protected: Array, keys: Sequence[int], adversary: Adversary) -> Array:
        """Return an adversary's estimates of the templates, (n, dim), unit norm.

        Args:
            protected: Shape (n, k), as `protect` returns them.
            keys: The key of each, which the adversary holds too.
            adversary: What else is known.
        """

    def recover_without_key(self, protected: Array, adversary: Adversary) -> Array:
        """Return an adversary's estimates of the templates, (n, dim), without the keys.

        Under a random rotation that is not known, a record of a unit-norm template has the same distribution
        whatever the template is, and so do several records of one person under keys of their own: the best
        estimate is what all templates share. A defence of which more is known overrides this; without keys
        it is `recover`. A key of few bits can be tried out instead: see `key_search`.

        Args:
            protected: Shape (n, k), as `protect` returns them.
            adversary: What is known.
        """
        if not self.keyed:
            return self.recover(protected, [0] * len(protected), adversary)
        mean = adversary.prior.mean
        if not mean.any():
            # Nothing is known at all: any direction is as good.
            mean = np.ones(adversary.dim)
        return unit_norm(np.tile(mean, (len(protected), 1)))

    def probe(self, templates: Array, keys: Sequence[int]) -> Array:
        """Return what a fresh photograph's template becomes before it is compared, (n, k)."""
        return self.protect(templates, keys)

    def compared(self, similarities: Array) -> Array:
        """Return similarities of protected templates as whoever compares them learns them, same shape."""
        return similarities

    def knowledge(self, adversary: Adversary) -> KnowledgeName:
        """Return the level of knowledge that the estimates use."""
        return "public-faces" if self.uses_prior and len(adversary.public) else "weights"

    def held(self, adversary: Adversary, *, with_key: bool = True) -> str:
        """Return what the adversary holds, for the report.

        Args:
            adversary: What else is known.
            with_key: Whether the adversary of a keyed defence holds the keys.
        """
        held = [self.sees(adversary)] + ["key"] * (self.keyed and with_key)
        if self.uses_prior:
            held += adversary.sources()
        return " and ".join(filter(None, [", ".join(held[:-1]), held[-1]]))

    def sees(self, adversary: Adversary) -> str:
        """Return what the adversary sees of a template, for the report."""
        return "protected template"


class UnkeyedDefence(TemplateDefence):
    """Stores an altered template without a key: it is its own estimate, and fresh templates stay whole."""

    attacker = "the stored template as it is"
    uses_prior = False

    def recover(self, protected: Array, keys: Sequence[int], adversary: Adversary) -> Array:
        return protected

    def probe(self, templates: Array, keys: Sequence[int]) -> Array:
        return templates


class NetworkDefence(Defence):
    """Changes the network that is released, and leaves templates as they are."""

    @abstractmethod
    def harden(self, recogniser: Recogniser) -> Recogniser:
        """Return a hardened copy of a network, which makes the same embeddings.

        Raises:
            InputError: If the network has nothing to defend.
        """

    @abstractmethod
    def measure(self, hardened: Recogniser, public_faces: Tensor) -> MeasuredStatistics:
        """Return what an adversary measures to make up for what the defence took away.

        Args:
            hardened: The released network.
            public_faces: Shape (faces, 3, height, width), in [0, 1], of the network's input size.

        Raises:
            InputError: If there is no face.
        """

    @abstractmethod
    def held(self, measured: bool) -> str:
        """Return what the adversary holds, for the report.

        Args:
            measured: Whether the attack uses what was measured.
        """


def unit_norm(vectors: Array) -> Array:
    """Return rows scaled to norm 1; a row of zeros stays."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0))


def for_each_key(templates: Array, keys: Sequence[int], transform: Callable[[int, Array], Array]) -> Array:
    """Return rows transformed key by key: one key for all costs one transform.

    Args:
        templates: Shape (n, dim).
        keys: The key of each row.
        transform: Takes a key and its rows, (m, dim); returns (m, k).
    """
    numbers = np.asarray(keys)
    found: Array | None = None
    for key in np.unique(numbers):
        rows = np.flatnonzero(numbers == key)
        part = transform(int(key), templates[rows])
        if found is None:
            found = np.zeros((len(keys), part.shape[1]))
        found[rows] = part
    return np.zeros((0, 0)) if found is None else found
