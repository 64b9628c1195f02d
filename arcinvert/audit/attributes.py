"""What reconstructions tell of a person besides the identity: skin tone, and attributes that a file names.

Nothing that was attacked reads them. Skin tone is measured in pixels. Other attributes, such as sex or age
band, are read by a linear probe on a judge's embeddings, which is fitted to photographs of labelled people
outside the attack. Each reading stands beside those of a real photograph and of the mean face, and beside
chance: how often readings like these would be right if they were dealt out among the people at random.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.agreement import agreement_by_chance, estimate_kappa
from arcinvert.audit.subgroups import Groups
from arcinvert.evaluation.similarity import Array
from recognition.metrics.intervals import estimate
from recognition.skin import CLASSES, skin_classes

#: With fewer labelled people a figure would be of persons.
FEWEST_ATTACKED = 5
#: The fewest people of each class that a probe is fitted to, and the most classes of an attribute.
FEWEST_FITTED, MOST_CLASSES = 10, 10
#: Ridge penalties that are tried, as shares of the embeddings' variance, and the folds that choose one.
_PENALTIES, _FOLDS = (1e-3, 1e-2, 1e-1, 1.0), 5

Json = dict[str, Any]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class SkinTones:
    """Typology angles, in degrees, of an audit's pictures.

    Args:
        reconstructions: Shape (people, samples).
        source: Shape (people,), of a photograph beside `second`.
        second: Shape (people,), of the photograph that all others are compared with.
        floor: Of the mean face.
    """

    reconstructions: Array
    source: Array
    second: Array
    floor: float


@dataclass(frozen=True)
class Readings:
    """The class that each picture of each person is read as, and the person's own.

    Args:
        own: Shape (people,).
        attack: Shape (people, samples), of the reconstructions.
        ceiling: Shape (people,), of a real photograph.
        floor: Of the mean face.
    """

    own: Labels
    attack: Labels
    ceiling: Labels
    floor: int


def describe_readings(attribute: str, measure: str, classes: Sequence[str], readings: Readings) -> Json:
    """Return how often an attribute is read rightly, as JSON, beside chance, floor and ceiling.

    Args:
        attribute: Its name.
        measure: What reads it.
        classes: The names of the classes.
        readings: Of the people who have one of them.
    """
    people, samples = readings.attack.shape
    owners = np.repeat(np.arange(people), samples)
    right = readings.attack == readings.own[:, None]
    return {
        "attribute": attribute,
        "measure": measure,
        "classes": list(classes),
        "identities": people,
        "right": asdict(estimate(right.ravel(), owners)),
        "by_chance": agreement_by_chance(readings.own, readings.attack),
        "kappa": _kappa(readings.own, readings.attack),
        "floor": asdict(estimate(readings.own == readings.floor, range(people))),
        "ceiling": asdict(estimate(readings.own == readings.ceiling, range(people))),
        "ceiling_kappa": _kappa(readings.own, readings.ceiling[:, None]),
        "refused": None,
    }


def _kappa(own: Labels, read: Labels) -> Json | None:
    """Return kappa of readings, (people, samples), as JSON; None where all people are of one class."""
    found = None
    if len(np.unique(own)) > 1:
        found = estimate_kappa(np.broadcast_to(own[:, None], read.shape), read)
    return None if found is None else asdict(found)


def refused(attribute: str, measure: str, classes: Sequence[str], people: int, reason: str) -> Json:
    """Return an attribute without figures, as JSON, with the reason."""
    figures = ("right", "by_chance", "kappa", "floor", "ceiling", "ceiling_kappa")
    return {
        "attribute": attribute,
        "measure": measure,
        "classes": list(classes),
        "identities": people,
        **dict.fromkeys(figures),
        "refused": reason,
    }


def skin_reading(tones: SkinTones) -> Json:
    """Return how often the class of skin is that of another photograph of the person, as JSON."""
    measure = "typology angle of the cheeks' pixels, six classes"
    people = len(tones.second)
    if people < FEWEST_ATTACKED:
        return refused("skin tone", measure, CLASSES, people, _too_few(people))
    readings = Readings(
        skin_classes(tones.second),
        skin_classes(tones.reconstructions),
        skin_classes(tones.source),
        int(skin_classes(np.array(tones.floor))),
    )
    return describe_readings("skin tone", measure, CLASSES, readings)


def _too_few(people: int) -> str:
    return f"expected at least {FEWEST_ATTACKED} attacked people whose class is known, got {people}"


@dataclass(frozen=True)
class Probe:
    """A linear classifier of embeddings.

    Args:
        weights: Shape (dim, classes).
        offsets: Shape (classes,).
    """

    weights: Array
    offsets: Array

    def read(self, embeddings: Array) -> Labels:
        """Return the class of embeddings, shape (..., dim) to (...)."""
        return np.asarray((embeddings @ self.weights + self.offsets).argmax(-1))


def fit_probe(embeddings: Array, people: Labels, classes: Labels) -> Probe:
    """Return a ridge classifier whose penalty is chosen by cross-validation over people.

    Classes weigh alike, and within each its people. The targets are 1 for a photograph's class and 0 for the
    others (Hastie, Tibshirani and Friedman, *The Elements of Statistical Learning*, section 4.2).

    Args:
        embeddings: Shape (photographs, dim).
        people: Shape (photographs,), whose each is.
        classes: Shape (photographs,), the class of each, from 0; every class occurs.
    """
    weights = _balanced(people, classes)
    _, place = np.unique(people, return_inverse=True)
    # Every fold has people of every class, as the people of a class are dealt out in turn.
    firsts = np.unique(place, return_index=True)[1]
    fold = np.empty(len(firsts), np.int64)
    for one in np.unique(classes):
        own = np.flatnonzero(classes[firsts] == one)
        fold[own] = np.arange(len(own)) % _FOLDS
    kept_out = fold[place]

    def share_right(penalty: float) -> float:
        right = np.zeros(len(classes), bool)
        for number in range(_FOLDS):
            inside = kept_out != number
            probe = _ridge(embeddings[inside], classes[inside], weights[inside], penalty)
            right[~inside] = probe.read(embeddings[~inside]) == classes[~inside]
        return float(weights @ right)

    best = max(reversed(_PENALTIES), key=share_right)
    return _ridge(embeddings, classes, weights, best)


def _balanced(people: Labels, classes: Labels) -> Array:
    """Return weights of photographs that sum to 1, alike for every class and for every person of a class."""
    _, person, photographs = np.unique(people, return_inverse=True, return_counts=True)
    weights = 1 / photographs[person]
    totals = np.bincount(classes, weights)
    return np.asarray(weights / totals[classes] / np.count_nonzero(totals))


def _ridge(embeddings: Array, classes: Labels, weights: Array, penalty: float) -> Probe:
    share = weights / weights.sum()
    targets = np.eye(int(classes.max()) + 1)[classes]
    middle, height = share @ embeddings, share @ targets
    centred = embeddings - middle
    covariance = (centred * share[:, None]).T @ centred
    variance = max(float(np.trace(covariance)) / len(covariance), np.finfo(np.float64).tiny)
    least = penalty * variance * np.eye(len(covariance))
    slopes = np.linalg.solve(covariance + least, (centred * share[:, None]).T @ (targets - height))
    return Probe(slopes, height - middle @ slopes)


@dataclass(frozen=True)
class JudgeEmbeddings:
    """What a judge saw, for its probes.

    Args:
        name: The judge's.
        calibration: Shape (photographs, dim), of people outside the attack.
        people: Shape (photographs,), the index of each one's name.
        reconstructions: Shape (people, samples, dim).
        source: Shape (people, dim), of a real photograph of each.
        floor: Shape (dim,), of the mean face.
    """

    name: str
    calibration: Array
    people: Labels
    reconstructions: Array
    source: Array
    floor: Array


def probed(judge: JudgeEmbeddings, attacked: Groups, outside: Groups) -> list[Json]:
    """Return how a judge's probes read the attributes of a file, as JSON.

    Args:
        judge: Its embeddings.
        attacked: By attribute, the class of each attacked person.
        outside: By attribute, the class of each person that `judge.people` counts.
    """
    return [_probed(judge, name, members, outside[name]) for name, members in attacked.items()]


def _probed(
    judge: JudgeEmbeddings, name: str, members: Sequence[str | None], outside: Sequence[str | None]
) -> Json:
    measure = f"linear probe on {judge.name}"
    named = sorted({one for one in (*members, *outside) if one is not None})
    if len(named) > MOST_CLASSES:
        reason = f"expected at most {MOST_CLASSES} classes, got {len(named)}; give bands in place of numbers"
        return refused(name, measure, (), sum(one is not None for one in members), reason)
    classes = [one for one in named if sum(other == one for other in outside) >= FEWEST_FITTED]
    rows = [number for number, one in enumerate(members) if one in classes]
    if len(classes) < 2:
        reason = (
            f"expected two classes with at least {FEWEST_FITTED} people each outside the attack to fit a "
            f"probe to, got {len(classes)}"
        )
        return refused(name, measure, classes, len(rows), reason)
    if len(rows) < FEWEST_ATTACKED:
        return refused(name, measure, classes, len(rows), _too_few(len(rows)))
    numbers = {one: number for number, one in enumerate(classes)}
    labels = np.array([numbers.get(one, -1) if one is not None else -1 for one in outside])[judge.people]
    known = labels >= 0
    probe = fit_probe(judge.calibration[known], judge.people[known], labels[known])
    readings = Readings(
        np.array([numbers[one] for one in members if one in numbers]),
        probe.read(judge.reconstructions[rows]),
        probe.read(judge.source[rows]),
        int(probe.read(judge.floor)),
    )
    return describe_readings(name, measure, classes, readings)
