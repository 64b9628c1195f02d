"""A check on labelled faces: does a network tell people apart, and would another preprocessing do better?

A wrong channel order or scale does not stop a network from working: it only makes it worse. On labelled faces
it shows. Where a file leaves several readings open, synthetic people are enough to compare these.
"""

import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arcinvert.knowledge.synthetic_faces import draw_people
from recognition.data.faces import read_face
from recognition.data.folders import read_folders
from recognition.data.pairs import Pair, read_pairs
from recognition.errors import InputError
from recognition.images import to_tensor
from recognition.loading import PRESETS, parse_preset
from recognition.recogniser import EMBEDDING_BATCH, Preprocessing, Recogniser

#: The number of people, with two photographs each, and the seed of their draw.
_PEOPLE = 20
_SEED = 0
#: The number of synthetic people, with two photographs each.
_SYNTHETIC = 24
#: The largest number of listed pairs of each kind.
_PAIRS = 200
#: Another preprocessing is suggested if its separation is higher by this factor. On two strong networks the
#: wrong channel order lowers the separation by a tenth, a slightly different scale by less than a thousandth.
_BETTER = 1.03
#: And if the difference is this many times its standard error over people: for the best of all presets, where
#: chance reached 2, and for the readings of a file, or on people who did not choose the best.
_ERRORS_OF_BEST, _ERRORS = 2.5, 2.0
#: The number of further people on whom two preprocessings are compared where the first ones do not decide.
_MORE_PEOPLE = 40
#: The separation, in standard deviations, below which a network does not tell people apart.
_SEPARATES = 1.5


@dataclass(frozen=True)
class SelfCheck:
    """Similarities on labelled faces.

    Args:
        mated: The mean cosine similarity of pairs of one person.
        nonmated: The mean cosine similarity of pairs of two people.
        separation: The difference of the two means in standard deviations: d', with the root of the mean of
            both variances.
        pairs: The numbers of mated and of nonmated pairs.
        suggestion: A value of `--preset` with a clearly higher separation; None if there is none.
        suggested_separation: The highest separation of any preset.
        readings: The separation under each value of `--preset` between which the file does not decide, the
            assumed one first; empty if the file decides.
        synthetic: Whether the faces are synthetic. Then only the readings are compared.
        beyond_chance: Whether the assumed reading differs from each other one by more than chance.
    """

    mated: float
    nonmated: float
    separation: float
    pairs: tuple[int, int]
    suggestion: str | None
    suggested_separation: float
    readings: dict[str, float] = field(default_factory=dict)
    synthetic: bool = False
    beyond_chance: bool = True

    @property
    def understood(self) -> bool:
        """Whether the network tells people apart, and no other preprocessing does so clearly better."""
        return self.suggestion is None and self.separation >= _SEPARATES

    @property
    def decided(self) -> bool:
        """Whether the assumed reading separates these people clearly better than each other one."""
        others = list(self.readings.values())[1:]
        return self.beyond_chance and all(self.separation > _BETTER * one for one in others)


@dataclass(frozen=True)
class _Comparisons:
    """Faces, (n, 3, size, size), pairs of their indices, (pairs, 2), and whose each face is, (n,)."""

    faces: Tensor
    mated: NDArray[np.int64]
    nonmated: NDArray[np.int64]
    people: NDArray[np.int64]


@dataclass(frozen=True)
class _Separation:
    """Similarities of mated and nonmated pairs."""

    same: NDArray[np.float64]
    different: NDArray[np.float64]

    @property
    def separation(self) -> float:
        """The difference of the means in standard deviations."""
        return _separation_of(self.same, self.different)


def self_check(
    recogniser: Recogniser,
    images: str | os.PathLike[str] | None = None,
    *,
    pairs: str | os.PathLike[str] | None = None,
) -> SelfCheck:
    """Compare mated with nonmated similarities under the assumed preprocessing and under others.

    The others are those that the network's file leaves open and, with images, every preset.

    Args:
        recogniser: The network, on the CPU.
        images: A folder of one folder for each identity, with photographs or aligned crops; None draws
            synthetic people.
        pairs: A list in LFW's format of pairs of these images; None draws people with two images.

    Raises:
        InputError: If there are no two people with two faces each, or too few usable pairs.
    """
    assumed = recogniser.preprocessing
    further: Iterator[Tensor] = iter(())
    if images is None:
        comparisons, candidates = _synthetic(recogniser), {"assumed": assumed}
    else:
        people = read_folders(images)
        listed = None if pairs is None else read_pairs(pairs, people)[0]
        if listed is None:
            further = _people_with_two(recogniser, people)
            comparisons = _drawn(further, images)
        else:
            comparisons = _listed(recogniser, listed)
        candidates = _candidates(assumed)
    readings = {
        name: replace(parse_preset(name, assumed, recogniser.name), input_size=assumed.input_size)
        for name in recogniser.source.readings
    }
    prepared = candidates | readings
    found = {name: _separation(recogniser, comparisons, prepared[name]) for name in prepared}
    own = found["assumed"]

    def is_better(name: str, factor: float, errors: float) -> bool:
        if found[name].separation <= max(factor * own.separation, _SEPARATES):
            # Neither tells people apart, or the other one is no better.
            return False
        if _beyond_chance(own, found[name], comparisons, errors):
            return True
        others = list(itertools.islice(further, _MORE_PEOPLE))
        if len(others) < _MORE_PEOPLE // 2:
            return False
        # These people did not choose between the preprocessings.
        more = _pairs_of_two(torch.cat(others))
        first, second = (_separation(recogniser, more, one) for one in (assumed, prepared[name]))
        return second.separation > factor * first.separation and _beyond_chance(first, second, more, _ERRORS)

    best = max(candidates, key=lambda name: found[name].separation)
    highest = found[best].separation
    suggestion = _preset_text(candidates[best]) if is_better(best, _BETTER, _ERRORS_OF_BEST) else None
    if suggestion is None and readings:
        # The file leaves these open, so that on photographs a small difference between them decides.
        nearest = max(readings, key=lambda name: found[name].separation)
        if is_better(nearest, _BETTER if images is None else 1, _ERRORS):
            suggestion, highest = nearest, found[nearest].separation
    return SelfCheck(
        mated=float(own.same.mean()),
        nonmated=float(own.different.mean()),
        separation=own.separation,
        pairs=(len(comparisons.mated), len(comparisons.nonmated)),
        suggestion=suggestion,
        suggested_separation=highest,
        readings={name: found[name].separation for name in readings},
        synthetic=images is None,
        beyond_chance=all(
            _beyond_chance(found[name], own, comparisons, _ERRORS) for name in list(readings)[1:]
        ),
    )


def _candidates(assumed: Preprocessing) -> dict[str, Preprocessing]:
    """Return the assumed preprocessing and every other preset's, in both channel orders, each one once."""
    candidates = {"assumed": assumed}
    for name, channels in itertools.product(PRESETS, ("RGB", "BGR")):
        preset = replace(
            PRESETS[name], channels="RGB" if channels == "RGB" else "BGR", input_size=assumed.input_size
        )
        if preset not in candidates.values():
            candidates[f"{name},channels={channels}"] = preset
    return candidates


def _preset_text(preprocessing: Preprocessing) -> str:
    """Return what `--preset` takes for a preprocessing: a name, with channels where they differ from it."""
    same = [
        name
        for name, preset in PRESETS.items()
        if (preset.mean, preset.std) == (preprocessing.mean, preprocessing.std)
    ]
    for name in same:
        if PRESETS[name].channels == preprocessing.channels:
            return name
    return f"{same[0]},channels={preprocessing.channels}"


@torch.no_grad()
def _separation(
    recogniser: Recogniser, comparisons: _Comparisons, preprocessing: Preprocessing
) -> _Separation:
    """Return the similarities of pairs under a preprocessing; the recogniser keeps its own."""
    assumed, recogniser.preprocessing = recogniser.preprocessing, preprocessing
    try:
        parts = [recogniser(batch) for batch in comparisons.faces.split(EMBEDDING_BATCH)]
    finally:
        recogniser.preprocessing = assumed
    embeddings = torch.cat(parts).double().numpy()
    same, different = (
        (embeddings[pairs[:, 0]] * embeddings[pairs[:, 1]]).sum(1)
        for pairs in (comparisons.mated, comparisons.nonmated)
    )
    return _Separation(same, different)


def _separation_of(same: NDArray[np.float64], different: NDArray[np.float64]) -> float:
    """Return the difference of two means in standard deviations."""
    spread = float(np.sqrt((same.var() + different.var()) / 2))
    return float(same.mean() - different.mean()) / spread if spread > 0 else 0.0


def _beyond_chance(own: _Separation, other: _Separation, comparisons: _Comparisons, errors: float) -> bool:
    """Return whether another separation is higher by more than so many standard errors over people.

    Both are of the same faces, so that what a face adds to both is no error of their difference.

    Source: the delete-one jackknife; Efron and Tibshirani, An Introduction to the Bootstrap, 1993, eq. 11.5.
    """
    differences = []
    for person in np.unique(comparisons.people):
        kept = [
            (comparisons.people[pairs] != person).all(1)
            for pairs in (comparisons.mated, comparisons.nonmated)
        ]
        if not (kept[0].any() and kept[1].any()):
            return False
        differences.append(
            _separation_of(other.same[kept[0]], other.different[kept[1]])
            - _separation_of(own.same[kept[0]], own.different[kept[1]])
        )
    values = np.array(differences)
    error = float(np.sqrt((len(values) - 1) * values.var()))
    return other.separation - own.separation > errors * error


def _synthetic(recogniser: Recogniser) -> _Comparisons:
    """Draw synthetic people with two photographs: the pairs are those of `_drawn`."""
    faces = draw_people(_SYNTHETIC, 2, size=recogniser.input_size)
    return _pairs_of_two(faces)


def _pairs_of_two(faces: Tensor) -> _Comparisons:
    """Pair two faces of each person: all pairs of one person, and of two people's first and second."""
    count = len(faces) // 2
    mated = np.arange(2 * count).reshape(count, 2)
    nonmated = np.array([(2 * i, 2 * j + 1) for i in range(count) for j in range(count) if i != j])
    return _Comparisons(faces, mated, nonmated, np.arange(2 * count) // 2)


def _people_with_two(recogniser: Recogniser, people: dict[str, list[Path]]) -> Iterator[Tensor]:
    """Yield two faces of each person in a random order, (2, 3, size, size); others are left out."""
    names = [name for name, paths in people.items() if len(paths) >= 2]
    for index in np.random.default_rng(_SEED).permutation(len(names)):
        found = (_face(path, recogniser) for path in people[names[index]][:4])
        two = [face for face in found if face is not None][:2]
        if len(two) == 2:
            yield torch.stack(two)


def _drawn(people: Iterator[Tensor], images: str | os.PathLike[str]) -> _Comparisons:
    """Pair the faces of the first people."""
    faces = list(itertools.islice(people, _PEOPLE))
    if len(faces) < 2:
        raise InputError(
            f"{images}: expected at least two people with two photographs with a face each, got {len(faces)}"
        )
    return _pairs_of_two(torch.cat(faces))


def _listed(recogniser: Recogniser, listed: list[Pair]) -> _Comparisons:
    """Return the listed pairs, the first of each kind, whose images both have a face."""
    indices: dict[Path, int] = {}
    faces: list[Tensor] = []
    kinds: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    for first, second, same, _ in listed:
        if len(kinds[same]) == _PAIRS:
            continue
        for path in (first, second):
            if path not in indices and (face := _face(path, recogniser)) is not None:
                indices[path] = len(faces)
                faces.append(face)
        if first in indices and second in indices:
            kinds[same].append((indices[first], indices[second]))
    if len(kinds[True]) < 2 or len(kinds[False]) < 2:
        raise InputError(
            "pairs: expected at least two pairs of each kind with faces in both images, got fewer"
        )
    # Photographs of one person are in one folder.
    _, people = np.unique([str(path.parent) for path in indices], return_inverse=True)
    return _Comparisons(torch.stack(faces), np.array(kinds[True]), np.array(kinds[False]), people)


def _face(path: Path, recogniser: Recogniser) -> Tensor | None:
    try:
        return to_tensor(read_face(path, recogniser.input_size))
    except InputError:
        # No face in it, or damaged: the others are enough.
        return None
