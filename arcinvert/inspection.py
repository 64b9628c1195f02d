"""What a model file is, and whether it was understood: a check on real faces."""

import itertools
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arcinvert.knowledge.activation_statistics import statistics_layers
from arcinvert.knowledge.statistics_file import find_statistics
from recognition.data.faces import read_face
from recognition.data.folders import read_folders
from recognition.data.pairs import Pair, read_pairs
from recognition.errors import InputError, NoFaceError
from recognition.images import to_tensor
from recognition.loading import PRESETS, ModelChoice, load
from recognition.recogniser import EMBEDDING_BATCH, Preprocessing, Recogniser

#: People of the self-check, two photographs each, and the seed of their draw.
_PEOPLE = 20
_SEED = 0
#: Pairs of a given list, at most, of each kind.
_PAIRS = 200
#: Another preprocessing is suggested where it parts people better by this factor: on two strong networks the
#: wrong channel order cost a tenth of the separation, a scale that hardly differs less than a thousandth.
_BETTER = 1.03
#: Below this separation, in standard deviations, a network does not tell people apart.
_SEPARATES = 1.5


@dataclass(frozen=True)
class SelfCheck:
    """Similarities on real faces.

    Args:
        mated, nonmated: mean similarity of pairs of one person and of two.
        separation: their distance in standard deviations (d', the root of the mean of both variances).
        pairs: how many of each kind.
        suggestion: a `--preset` that parts people clearly better, or None.
        suggested_separation: of it.
    """

    mated: float
    nonmated: float
    separation: float
    pairs: tuple[int, int]
    suggestion: str | None
    suggested_separation: float

    @property
    def understood(self) -> bool:
        """Whether the network tells people apart, and nothing else lets it do so better."""
        return self.suggestion is None and self.separation >= _SEPARATES


@dataclass(frozen=True)
class Inspection:
    """A model in words and numbers, in the order that they are told."""

    facts: dict[str, str]
    check: SelfCheck | None


def inspect(
    model: str | os.PathLike[str] | ModelChoice,
    *,
    images: str | os.PathLike[str] | None = None,
    pairs: str | os.PathLike[str] | None = None,
) -> Inspection:
    """Load a model and say what it is.

    Args:
        images: a folder per identity, photographs or aligned crops, for the self-check.
        pairs: a list in LFW's format of pairs of these images; None draws people with two images.

    Raises:
        InputError: the model cannot be loaded, or the images cannot be used.
    """
    recogniser = load(model)
    check = None if images is None else self_check(recogniser, images, pairs=pairs)
    if images is None and pairs is not None:
        raise InputError("inspect: expected --images with --pairs, the folder that the pairs are in")
    return Inspection(_facts(recogniser), check)


def _facts(recogniser: Recogniser) -> dict[str, str]:
    source, preprocessing = recogniser.source, recogniser.preprocessing
    architecture = ", ".join(f"{key} {value}" for key, value in source.architecture.items())
    parameters = sum(parameter.numel() for parameter in recogniser.backbone.parameters())
    size = preprocessing.input_size
    layers = len(statistics_layers(recogniser))
    centres = recogniser.centres
    return {
        "file": f"{source.path or recogniser.name} ({source.format})",
        "sha256": source.sha256 or "none: code, not one file",
        "network": f"{architecture}; {parameters / 1e6:.2f} million parameters",
        "input": f"{size}x{size} {preprocessing.channels}, (0..1 - {_numbers(preprocessing.mean)}) / "
        f"{_numbers(preprocessing.std)}",
        "because": source.reason,
        "embedding": f"{recogniser.embedding_size} dimensions",
        "statistics": f"{layers} BatchNorm layers" if layers else _measured(recogniser),
        "centres": "none: from-image and from-embedding only; --centres gives or makes them"
        if centres is None
        else f"{len(centres)} classes, {'with' if recogniser.class_names else 'without'} names",
    }


def _numbers(value: float | tuple[float, ...]) -> str:
    return "/".join(f"{one:.4g}" for one in (value if isinstance(value, tuple) else (value,)))


def _measured(recogniser: Recogniser) -> str:
    found = find_statistics(recogniser, None)
    if found is None:
        return "none: run 'arcinvert calibrate' on public faces, or attack with --penalty bn=0"
    return f"no BatchNorm; {len(found.layers)} layers measured on {found.images} faces"


def self_check(
    recogniser: Recogniser, images: str | os.PathLike[str], *, pairs: str | os.PathLike[str] | None = None
) -> SelfCheck:
    """Mated against non-mated similarity, as the network is fed and as it might have to be.

    Raises:
        InputError: there are no two people with two faces each, or unusable pairs.
    """
    faces, mated, nonmated = _comparisons(recogniser, images, pairs)
    assumed = recogniser.preprocessing
    candidates = {"assumed": assumed} | {
        f"{name},channels={channels}": replace(
            PRESETS[name], channels="RGB" if channels == "RGB" else "BGR", input_size=assumed.input_size
        )
        for name, channels in itertools.product(PRESETS, ("RGB", "BGR"))
    }
    found: dict[str, tuple[float, float, float]] = {}
    try:
        for name, preprocessing in candidates.items():
            recogniser.preprocessing = preprocessing
            found[name] = _separation(_embed(recogniser, faces), mated, nonmated)
    finally:
        recogniser.preprocessing = assumed
    best = max(found, key=lambda name: found[name][2])
    better = found[best][2] > _BETTER * found["assumed"][2]
    return SelfCheck(
        *found["assumed"],
        (len(mated), len(nonmated)),
        _shortest(candidates[best]) if better else None,
        found[best][2],
    )


def _shortest(preprocessing: Preprocessing) -> str:
    """The preset's name where it says it all."""
    for name, preset in PRESETS.items():
        if replace(preset, input_size=preprocessing.input_size) == preprocessing:
            return name
    same = next(
        name
        for name, preset in PRESETS.items()
        if (preset.mean, preset.std) == (preprocessing.mean, preprocessing.std)
    )
    return f"{same},channels={preprocessing.channels}"


@torch.no_grad()
def _embed(recogniser: Recogniser, faces: Tensor) -> NDArray[np.float64]:
    parts = [recogniser(batch) for batch in faces.split(EMBEDDING_BATCH)]
    return torch.cat(parts).double().numpy()


def _separation(
    embeddings: NDArray[np.float64], mated: NDArray[np.int64], nonmated: NDArray[np.int64]
) -> tuple[float, float, float]:
    same, different = (
        (embeddings[pairs[:, 0]] * embeddings[pairs[:, 1]]).sum(1) for pairs in (mated, nonmated)
    )
    spread = float(np.sqrt((same.var() + different.var()) / 2))
    distance = float(same.mean() - different.mean())
    return float(same.mean()), float(different.mean()), distance / spread if spread > 0 else 0.0


def _comparisons(
    recogniser: Recogniser, images: str | os.PathLike[str], pairs: str | os.PathLike[str] | None
) -> tuple[Tensor, NDArray[np.int64], NDArray[np.int64]]:
    """Faces, and mated and non-mated index pairs of them."""
    people = read_folders(images)
    if pairs is not None:
        return _listed(recogniser, read_pairs(pairs, people)[0])
    names = [name for name, paths in people.items() if len(paths) >= 2]
    order = np.random.default_rng(_SEED).permutation(len(names))
    faces: list[Tensor] = []
    for index in order:
        if len(faces) == 2 * _PEOPLE:
            break
        two = [face for path in people[names[index]][:4] if (face := _face(path, recogniser)) is not None][:2]
        faces += two if len(two) == 2 else []
    count = len(faces) // 2
    if count < 2:
        raise InputError(
            f"{images}: expected at least two people with two photographs with a face each, got {count}"
        )
    mated = np.arange(2 * count).reshape(count, 2)
    nonmated = np.array([(2 * i, 2 * j + 1) for i in range(count) for j in range(count) if i != j])
    return torch.stack(faces), mated, nonmated


def _listed(
    recogniser: Recogniser, listed: list[Pair]
) -> tuple[Tensor, NDArray[np.int64], NDArray[np.int64]]:
    places: dict[Path, int] = {}
    faces: list[Tensor] = []
    kinds: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
    for first, second, same, _ in listed:
        if len(kinds[same]) == _PAIRS:
            continue
        for path in (first, second):
            if path not in places and (face := _face(path, recogniser)) is not None:
                places[path] = len(faces)
                faces.append(face)
        if first in places and second in places:
            kinds[same].append((places[first], places[second]))
    if len(kinds[True]) < 2 or len(kinds[False]) < 2:
        raise InputError(
            "pairs: expected at least two pairs of each kind with faces in both images, got fewer"
        )
    return torch.stack(faces), np.array(kinds[True]), np.array(kinds[False])


def _face(path: Path, recogniser: Recogniser) -> Tensor | None:
    try:
        return to_tensor(read_face(path, recogniser.input_size))
    except NoFaceError:
        return None


def describe(inspection: Inspection) -> list[str]:
    """The inspection as lines for a terminal."""
    lines = [f"{name + ':':12}{value}" for name, value in inspection.facts.items()]
    check = inspection.check
    if check is None:
        return [*lines, "self-check: not made; give --images, a folder of photographs per identity"]
    lines.append(
        f"self-check: mated {check.mated:.3f}, non-mated {check.nonmated:.3f}, {check.separation:.2f} "
        f"standard deviations apart ({check.pairs[0]} and {check.pairs[1]} pairs)"
    )
    if check.suggestion is not None:
        lines.append(
            f"not understood: --preset {check.suggestion} parts people better "
            f"({check.suggested_separation:.2f} standard deviations); try it"
        )
    elif not check.understood:
        lines.append("not understood: no preset lets it tell these people apart; is it a face recogniser?")
    else:
        lines.append("understood: no other channel order or scale parts people better")
    return lines


def as_json(inspection: Inspection) -> dict[str, Any]:
    """The inspection for programs."""
    check = inspection.check
    return inspection.facts | {
        "self_check": None if check is None else vars(check) | {"understood": check.understood}
    }
