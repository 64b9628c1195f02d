"""A check on labelled faces: does a network tell people apart, and would another preprocessing do better?

A wrong channel order or scale does not stop a network from working: it only makes it worse. On labelled faces
it shows. Where a file leaves several readings open, synthetic people are enough to compare these.
"""

import itertools
import os
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
    """

    mated: float
    nonmated: float
    separation: float
    pairs: tuple[int, int]
    suggestion: str | None
    suggested_separation: float
    readings: dict[str, float] = field(default_factory=dict)
    synthetic: bool = False

    @property
    def understood(self) -> bool:
        """Whether the network tells people apart, and no other preprocessing does so clearly better."""
        return self.suggestion is None and self.separation >= _SEPARATES

    @property
    def decided(self) -> bool:
        """Whether the assumed reading separates these people clearly better than each other one."""
        others = list(self.readings.values())[1:]
        return all(self.separation > _BETTER * one for one in others)


@dataclass(frozen=True)
class _Comparisons:
    """Faces, (n, 3, size, size), and pairs of their indices, (pairs, 2)."""

    faces: Tensor
    mated: NDArray[np.int64]
    nonmated: NDArray[np.int64]


@dataclass(frozen=True)
class _Separation:
    """Mean similarities of mated and nonmated pairs, and their difference in standard deviations."""

    mated: float
    nonmated: float
    separation: float


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
    if images is None:
        comparisons, candidates = _synthetic(recogniser), {"assumed": assumed}
    else:
        people = read_folders(images)
        listed = None if pairs is None else read_pairs(pairs, people)[0]
        comparisons = _drawn(recogniser, people, images) if listed is None else _listed(recogniser, listed)
        candidates = _candidates(assumed)
    readings = {
        name: replace(parse_preset(name, assumed), input_size=assumed.input_size)
        for name in recogniser.source.readings
    }
    found: dict[str, _Separation] = {}
    try:
        for name, preprocessing in (candidates | readings).items():
            recogniser.preprocessing = preprocessing
            found[name] = _separation(recogniser, comparisons)
    finally:
        recogniser.preprocessing = assumed
    best = max(candidates, key=lambda name: found[name].separation)
    own, highest = found["assumed"], found[best].separation
    suggestion = _preset_text(candidates[best]) if highest > _BETTER * own.separation else None
    if suggestion is None and readings:
        # The file leaves these open, so that on photographs a small difference between them decides.
        nearest = max(readings, key=lambda name: found[name].separation)
        if found[nearest].separation > own.separation * (_BETTER if images is None else 1):
            suggestion, highest = nearest, found[nearest].separation
    return SelfCheck(
        mated=own.mated,
        nonmated=own.nonmated,
        separation=own.separation,
        pairs=(len(comparisons.mated), len(comparisons.nonmated)),
        suggestion=suggestion,
        suggested_separation=highest,
        readings={name: found[name].separation for name in readings},
        synthetic=images is None,
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
def _separation(recogniser: Recogniser, comparisons: _Comparisons) -> _Separation:
    parts = [recogniser(batch) for batch in comparisons.faces.split(EMBEDDING_BATCH)]
    embeddings = torch.cat(parts).double().numpy()
    same, different = (
        (embeddings[pairs[:, 0]] * embeddings[pairs[:, 1]]).sum(1)
        for pairs in (comparisons.mated, comparisons.nonmated)
    )
    spread = float(np.sqrt((same.var() + different.var()) / 2))
    difference = float(same.mean() - different.mean())
    return _Separation(
        float(same.mean()), float(different.mean()), difference / spread if spread > 0 else 0.0
    )


def _synthetic(recogniser: Recogniser) -> _Comparisons:
    """Draw synthetic people with two photographs: the pairs are those of `_drawn`."""
    faces = draw_people(_SYNTHETIC, 2, size=recogniser.input_size)
    return _pairs_of_two(faces)


def _pairs_of_two(faces: Tensor) -> _Comparisons:
    """Pair two faces of each person: all pairs of one person, and of two people's first and second."""
    count = len(faces) // 2
    mated = np.arange(2 * count).reshape(count, 2)
    nonmated = np.array([(2 * i, 2 * j + 1) for i in range(count) for j in range(count) if i != j])
    return _Comparisons(faces, mated, nonmated)


def _drawn(
    recogniser: Recogniser, people: dict[str, list[Path]], images: str | os.PathLike[str]
) -> _Comparisons:
    """Draw people with two faces."""
    names = [name for name, paths in people.items() if len(paths) >= 2]
    order = np.random.default_rng(_SEED).permutation(len(names))
    faces: list[Tensor] = []
    for index in order:
        if len(faces) == 2 * _PEOPLE:
            break
        found = (_face(path, recogniser) for path in people[names[index]][:4])
        two = [face for face in found if face is not None][:2]
        faces += two if len(two) == 2 else []
    count = len(faces) // 2
    if count < 2:
        raise InputError(
            f"{images}: expected at least two people with two photographs with a face each, got {count}"
        )
    return _pairs_of_two(torch.stack(faces))


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
    return _Comparisons(torch.stack(faces), np.array(kinds[True]), np.array(kinds[False]))


def _face(path: Path, recogniser: Recogniser) -> Tensor | None:
    try:
        return to_tensor(read_face(path, recogniser.input_size))
    except InputError:
        # No face in it, or damaged: the others are enough.
        return None
