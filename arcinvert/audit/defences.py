"""Defences: what is kept in place of templates, or released in place of a network.

A template defence maps unit-norm templates to protected ones, both compared by cosine, and knows what an
attacker who holds the protected templates and every key makes of them: an estimate of the template, which
the same attack then inverts. Verification is measured with one key for everybody, as if it were
stolen: keys of their own would make people look more different than their faces are.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.metrics import Array, pairs_between, system_linkability
from recognition.errors import InputError
from recognition.metrics.intervals import Estimate, share_intervals
from recognition.metrics.verification import OperatingPoint, tar_at_fmr
from recognition.seeds import derive_seed

#: The false match rate at which a defence's cost is told.
COST_FMR = 1e-3
#: Pairs that unlinkability is measured on, at most.
_LINK_PAIRS = 20000


def unit_norm(vectors: Array) -> Array:
    """Rows scaled to norm 1; a row of zeros stays."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, norms, out=np.zeros_like(vectors), where=norms > 0))


class TemplateDefence(ABC):
    """Protects templates one by one.

    Args:
        strength: see the class; None takes its default.

    Raises:
        InputError: a strength out of range.
    """

    #: The command line's name, what it does, the strength's meaning and default.
    name: ClassVar[str]
    summary: ClassVar[str]
    strength_means: ClassVar[str]
    default: ClassVar[float]
    least: ClassVar[float] = 0.0
    most: ClassVar[float] = float("inf")
    #: Whether each template has a key of its own.
    keyed: ClassVar[bool] = False

    def __init__(self, strength: float | None = None) -> None:
        self.strength = self.default if strength is None else strength
        if not self.least <= self.strength <= self.most:
            raise InputError(
                f"defence {self.name}: expected {self.strength_means} from {self.least:g} to {self.most:g}, "
                f"got {self.strength:g}"
            )

    @abstractmethod
    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        """Protected templates, (n, k), of unit-norm ones, (n, dim), with a key each."""

    @abstractmethod
    def estimate(self, protected: Array, keys: Sequence[int], dim: int) -> Array:
        """Unit-norm estimates, (n, dim), of the templates by who holds the keys as well."""

    def probe(self, templates: Array, keys: Sequence[int]) -> Array:
        """What a fresh photograph's template becomes before the comparison."""
        return self.protect(templates, keys)

    def described(self) -> str:
        return f"{self.name}:{self.strength:g}"


class UnkeyedDefence(TemplateDefence):
    """Stores an altered template without a key: it is its own estimate, and fresh templates stay whole."""

    def estimate(self, protected: Array, keys: Sequence[int], dim: int) -> Array:
        return protected

    def probe(self, templates: Array, keys: Sequence[int]) -> Array:
        return templates


class Noise(UnkeyedDefence):
    """Adds Gaussian noise of `strength` times the template's length; fresh photographs stay clean."""

    name, keyed = "noise", False
    summary = "Gaussian noise on the stored template"
    strength_means, default, most = "length of the noise, of the template's", 1.0, 10.0

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        noise = np.stack([np.random.default_rng(key).normal(size=templates.shape[1]) for key in keys])
        return unit_norm(templates + self.strength * noise / np.sqrt(templates.shape[1]))


class Quantisation(UnkeyedDefence):
    """Rounds each number to `strength` bits; one bit keeps the sign alone."""

    name, keyed = "rounding", False
    summary = "numbers of the template rounded"
    strength_means, default, least, most = "bits of each number", 1.0, 1.0, 16.0
    #: Standard deviations that the levels span, of a unit vector's numbers.
    SPAN = 3.0

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        levels = 2 ** int(self.strength)
        reach = self.SPAN / np.sqrt(templates.shape[1])
        step = 2 * reach / levels
        index = np.clip(np.floor((templates + reach) / step), 0, levels - 1)
        return unit_norm((index + 0.5) * step - reach)


class Truncation(TemplateDefence):
    """Keeps the first numbers of the template."""

    name, keyed = "cut", False
    summary = "fewer dimensions kept"
    strength_means, default, least, most = "share of the dimensions kept", 0.25, 0.01, 1.0

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        return unit_norm(templates[:, : max(1, round(self.strength * templates.shape[1]))])

    def estimate(self, protected: Array, keys: Sequence[int], dim: int) -> Array:
        return np.pad(protected, ((0, 0), (0, dim - protected.shape[1])))


class Projection(TemplateDefence):
    """Projects onto random orthonormal directions that the key chooses."""

    name, keyed = "projection", True
    summary = "random projection with a key"
    strength_means, default, least, most = "share of the dimensions kept", 0.25, 0.01, 1.0

    def directions(self, key: int, dim: int) -> Array:
        """(k, dim), orthonormal rows."""
        size = max(1, round(self.strength * dim))
        return np.linalg.qr(np.random.default_rng(key).normal(size=(dim, size)))[0].T

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        dim = templates.shape[1]
        return unit_norm(_each_key(keys, lambda key, rows: templates[rows] @ self.directions(key, dim).T))

    def estimate(self, protected: Array, keys: Sequence[int], dim: int) -> Array:
        return unit_norm(_each_key(keys, lambda key, rows: protected[rows] @ self.directions(key, dim)))


class BioHashing(Projection):
    """Signs along random orthonormal directions that the key chooses.

    Source: Jin, Ling and Goh, Pattern Recognition 37(11), 2004.
    """

    name, keyed = "biohashing", True
    summary = "BioHashing: signs of a keyed projection"

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        projected = super().protect(templates, keys)
        return unit_norm(np.where(projected >= 0, 1.0, -1.0))


class PolyProtect(TemplateDefence):
    """Polynomials of short runs of the template's numbers, coefficients and exponents by the key.

    Source: Hahn and Marcel, IEEE TBIOM 4(3), 2022, with runs of five numbers, exponents 1 to 5 in a random
    order and integer coefficients from -50 to 50.
    """

    name, keyed = "polyprotect", True
    summary = "PolyProtect: keyed polynomials of five numbers each"
    strength_means, default, least, most = "numbers that neighbouring runs share", 2.0, 0.0, 4.0
    RUN, LARGEST = 5, 50
    #: Gauss-Newton steps of the attacker who knows the key, and how much of each is gone.
    SOLVER_STEPS, DAMPING = 30, 0.7

    def _key(self, key: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        generator = np.random.default_rng(key)
        sizes = generator.choice(np.arange(1, self.LARGEST + 1), self.RUN, replace=False)
        return sizes * generator.choice([-1, 1], self.RUN), generator.permutation(self.RUN) + 1

    def _runs(self, dim: int) -> NDArray[np.int64]:
        """(runs, 5), indices; the last run may reach beyond `dim`, where zeros stand."""
        stride = self.RUN - int(self.strength)
        count = max(1, -(-(dim - int(self.strength)) // stride))
        return np.arange(count)[:, None] * stride + np.arange(self.RUN)

    def _polynomials(self, templates: Array, key: int) -> Array:
        coefficients, exponents = self._key(key)
        runs = self._runs(templates.shape[1])
        padded = np.pad(templates, ((0, 0), (0, max(0, int(runs.max()) + 1 - templates.shape[1]))))
        return (coefficients * padded[:, runs] ** exponents).sum(-1)

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        # The length is kept: the polynomials are not homogeneous, and comparison is by angle anyway.
        return _each_key(keys, lambda key, rows: self._polynomials(templates[rows], key))

    def estimate(self, protected: Array, keys: Sequence[int], dim: int) -> Array:
        rows = [self._solve(row, key, dim) for row, key in zip(protected, keys, strict=True)]
        return unit_norm(np.stack(rows))

    def _solve(self, protected: Array, key: int, dim: int) -> Array:
        """The smallest template that gives the protected one, by damped Gauss-Newton steps from zero."""
        coefficients, exponents = self._key(key)
        runs = self._runs(dim)
        length = int(runs.max()) + 1
        template = np.zeros(max(dim, length))
        lines = np.arange(len(runs))[:, None]
        for _ in range(self.SOLVER_STEPS):
            values = template[runs]
            missing = protected - (coefficients * values**exponents).sum(-1)
            jacobian = np.zeros((len(runs), len(template)))
            jacobian[lines, runs] = coefficients * exponents * values ** (exponents - 1)
            step = np.linalg.lstsq(jacobian[:, :dim], missing, rcond=1e-6)[0]
            template[:dim] += self.DAMPING * step
        return template[:dim]


class ScoreOnly(TemplateDefence):
    """The template stays in a server that answers comparisons with scores of `strength` decimals.

    The attacker shows public faces, and solves their scores for the template (Mohanty, Sarkar and Kasturi,
    IEEE TPAMI 29(12), 2007): with as many faces as dimensions the scores say everything.

    Args:
        public: unit-norm templates of public faces, (queries, dim).
    """

    name, keyed = "scores", False
    summary = "score-only access"
    strength_means, default, least, most = "decimals of a score", 2.0, 1.0, 6.0
    #: Of the squares of the least-squares solution: keeps the rounding of scores from being amplified.
    RIDGE = 1e-3

    def __init__(self, strength: float | None = None, *, public: Array) -> None:
        super().__init__(strength)
        self._public = public

    def protect(self, templates: Array, keys: Sequence[int]) -> Array:
        return templates

    def estimate(self, protected: Array, keys: Sequence[int], dim: int) -> Array:
        scores = np.round(protected @ self._public.T, int(self.strength))
        squares = self._public @ self._public.T + self.RIDGE * np.eye(len(self._public))
        return unit_norm(np.linalg.solve(squares, scores.T).T @ self._public)

    def described(self) -> str:
        return f"{self.name}:{self.strength:g} ({len(self._public)} queries)"


def _each_key(keys: Sequence[int], transform: Any) -> Array:
    """Rows transformed key by key: one key for all costs one transform."""
    numbers = np.asarray(keys)
    found: Array | None = None
    for key in np.unique(numbers):
        rows = np.flatnonzero(numbers == key)
        part = transform(int(key), rows)
        if found is None:
            found = np.zeros((len(keys), part.shape[1]))
        found[rows] = part
    return np.zeros((0, 0)) if found is None else found


#: Defences that need no training, by name; `harden` applies those that change what is stored.
TEMPLATE_DEFENCES: dict[str, type[TemplateDefence]] = {
    defence.name: defence
    for defence in (Noise, Quantisation, Truncation, Projection, BioHashing, PolyProtect)
}
#: The name of the defence that changes a network in place of templates.
WITHHELD = "withheld-statistics"
DEFENCE_NAMES = (WITHHELD, *TEMPLATE_DEFENCES, ScoreOnly.name)


def make_defence(text: str, *, public: Array | None = None) -> TemplateDefence:
    """A template defence from NAME or NAME:STRENGTH.

    Args:
        public: templates of public faces, which score-only access needs.

    Raises:
        InputError: an unknown name or a strength out of range.
    """
    name, _, number = text.partition(":")
    try:
        strength = float(number) if number else None
    except ValueError:
        raise InputError(f"defence {name}: expected a number after the colon, got {number!r}") from None
    if name == ScoreOnly.name and public is not None:
        return ScoreOnly(strength, public=public)
    if name not in TEMPLATE_DEFENCES:
        raise InputError(f"defence: expected one of {', '.join(DEFENCE_NAMES)}, got {name!r}")
    return TEMPLATE_DEFENCES[name](strength)


def check_names(names: Sequence[str]) -> tuple[str, ...]:
    """The defences meant, `all` spelt out.

    Raises:
        InputError: an unknown name.
    """
    if "all" in names:
        return DEFENCE_NAMES
    for name in names:
        if name not in (WITHHELD, ScoreOnly.name):
            make_defence(name, public=np.eye(2)) if name.startswith(ScoreOnly.name) else make_defence(name)
    return tuple(names)


@dataclass(frozen=True)
class Cost:
    """What a defence costs in verification, and whether its templates can be linked.

    Args:
        tar: at `COST_FMR`, with one key for everybody; refused says why there is none.
        linkability: D_sys of two records of one person under keys of their own.
        linkability_floor: the same with mated and non-mated dealt at random: what so few pairs give.
    """

    tar: Estimate | None
    point: OperatingPoint | None
    refused: str | None
    linkability: float | None
    linkability_floor: float | None


def cost(
    defence: TemplateDefence | None, embeddings: Array, labels: NDArray[np.integer], *, seed: int
) -> Cost:
    """The cost of a defence on labelled unit-norm embeddings, (images, dim); None is no defence."""
    embeddings = embeddings.astype(np.float64)
    count = len(embeddings)
    same = [derive_seed(seed, "one key")] * count
    own = [derive_seed(seed, "own key", index) for index in range(count)]
    if defence is None:
        stored = probes = separate = embeddings
    else:
        # A stored template of its own noise, whoever else's key is stolen.
        stored = unit_norm(defence.protect(embeddings, same if defence.keyed else own))
        probes = unit_norm(defence.probe(embeddings, same))
        separate = unit_norm(defence.protect(embeddings, own))
    mated, nonmated = pairs_between(stored, probes, labels, "cosine")
    tar, point, refused = None, None, None
    try:
        point = tar_at_fmr(mated, nonmated, COST_FMR)
        tar = _tar_estimate(stored, probes, labels, point.threshold)
    except InputError as error:
        refused = str(error)
    same_person, others = pairs_between(separate, separate, labels, "cosine")
    if len(same_person) < 2 or len(others) < 2:
        return Cost(tar, point, refused, None, None)
    generator = np.random.default_rng(seed)
    others = generator.permutation(others)[:_LINK_PAIRS]
    mixed = generator.permutation(np.concatenate([same_person, others]))
    return Cost(
        tar,
        point,
        refused,
        system_linkability(same_person, others),
        system_linkability(mixed[: len(same_person)], mixed[len(same_person) :]),
    )


def _tar_estimate(stored: Array, probes: Array, labels: NDArray[np.integer], threshold: float) -> Estimate:
    """TAR, the mean over identities, with its interval."""
    means, pairs = [], 0
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        mated, _ = pairs_between(stored[rows], probes[rows], labels[rows], "cosine")
        if len(mated):
            means.append(float((mated > threshold).mean()))
            pairs += len(mated)
    shares = np.array(means)
    low, high = share_intervals(shares[:, None])
    return Estimate(float(shares.mean()), float(low[0]), float(high[0]), len(shares), pairs)
