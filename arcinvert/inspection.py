"""What a model file is, in words, and whether its preprocessing is right."""

import os
import warnings
from dataclasses import dataclass
from typing import Any

from arcinvert.knowledge.activation_statistics import statistics_layers
from arcinvert.knowledge.statistics_file import find_statistics
from arcinvert.self_check import SelfCheck, self_check
from recognition.errors import InputError, InputWarning
from recognition.loading import ModelChoice, load
from recognition.recogniser import Recogniser


@dataclass(frozen=True)
class Inspection:
    """A network in words and numbers.

    Args:
        facts: What it is, by short names, in the order in which they are printed.
        check: The check on faces; None if it was not made.
    """

    facts: dict[str, str]
    check: SelfCheck | None


def inspect(
    model: str | os.PathLike[str] | ModelChoice,
    *,
    images: str | os.PathLike[str] | None = None,
    pairs: str | os.PathLike[str] | None = None,
) -> Inspection:
    """Load a network and describe it.

    Args:
        model: The network.
        images: A folder of one folder for each identity, with photographs or aligned crops, for the check;
            with None, synthetic people compare the readings that the network's file leaves open, if any.
        pairs: A list in LFW's format of pairs of these images; None draws people with two images.

    Raises:
        InputError: If the network cannot be loaded, or the images cannot be used.
    """
    if images is None and pairs is not None:
        raise InputError("inspect: expected --images with --pairs, the folder that the pairs are in")
    with warnings.catch_warnings():
        # What the file leaves open is what is shown.
        warnings.simplefilter("ignore", InputWarning)
        recogniser = load(model)
    checked = images is not None or recogniser.source.readings
    return Inspection(_facts(recogniser), self_check(recogniser, images, pairs=pairs) if checked else None)


def _facts(recogniser: Recogniser) -> dict[str, str]:
    source, preprocessing = recogniser.source, recogniser.preprocessing
    architecture = ", ".join(f"{key} {value}" for key, value in source.architecture.items())
    parameters = sum(parameter.numel() for parameter in recogniser.backbone.parameters())
    size = preprocessing.input_size
    return {
        "file": f"{source.path or recogniser.name} ({source.format})",
        "sha256": source.sha256 or "none: code, not one file",
        "network": f"{architecture}; {parameters / 1e6:.2f} million parameters",
        "input": f"{size}x{size} {preprocessing.channels}, (0..1 - {_numbers(preprocessing.mean)}) / "
        f"{_numbers(preprocessing.std)}",
        "because": source.reason,
        "embedding": f"{recogniser.embedding_size} dimensions",
        "statistics": _statistics(recogniser),
        "centres": _centres(recogniser),
    }


def _numbers(value: float | tuple[float, ...]) -> str:
    return "/".join(f"{one:.4g}" for one in (value if isinstance(value, tuple) else (value,)))


def _statistics(recogniser: Recogniser) -> str:
    if layers := statistics_layers(recogniser):
        return f"{len(layers)} BatchNorm layers"
    measured = find_statistics(recogniser)
    if measured is None:
        return "none: the first attack measures synthetic faces, 'arcinvert calibrate --images' public ones"
    return f"no BatchNorm; {len(measured.layers)} layers measured on {measured.images} {measured.faces}"


def _centres(recogniser: Recogniser) -> str:
    if recogniser.centres is None:
        return "none: from-image and from-embedding only; --centres gives or makes them"
    names = "with" if recogniser.class_names else "without"
    return f"{len(recogniser.centres)} classes, {names} names"


def describe(inspection: Inspection) -> list[str]:
    """Return an inspection as lines for a terminal."""
    lines = [f"{name + ':':12}{value}" for name, value in inspection.facts.items()]
    check = inspection.check
    if check is None:
        return [*lines, "self-check: not made; give --images, a folder of one folder for each identity"]
    faces = "on synthetic faces, " if check.synthetic else ""
    lines.append(
        f"self-check: {faces}mean similarity {check.mated:.3f} mated, {check.nonmated:.3f} nonmated, "
        f"{check.separation:.2f} standard deviations apart ({check.pairs[0]} and {check.pairs[1]} pairs)"
    )
    if check.readings:
        listed = ", ".join(f"{name} {separation:.2f}" for name, separation in check.readings.items())
        lines.append(f"readings:   {listed} standard deviations apart")
    return [*lines, _conclusion(check)]


def _conclusion(check: SelfCheck) -> str:
    if check.synthetic:
        return _between_readings(check)
    if check.suggestion is not None:
        return (
            f"not understood: --preset {check.suggestion} separates people better "
            f"({check.suggested_separation:.2f} standard deviations); try it"
        )
    if not check.understood:
        return "not understood: no preset separates these people well; is the network a face recogniser?"
    if check.readings:
        return f"understood: of the readings, {next(iter(check.readings))}, the assumed one, separates best"
    return "understood: no other channel order or scale separates people better"


def _between_readings(check: SelfCheck) -> str:
    """Return what synthetic people show: which reading is better, and not whether a network is good."""
    if check.suggestion is not None:
        return (
            f"ambiguous: --preset {check.suggestion} separates synthetic people better "
            f"({check.suggested_separation:.2f} standard deviations); try it; --images checks it"
        )
    if check.decided:
        return (
            f"likely: of the readings, {next(iter(check.readings))}, the assumed one, separates synthetic "
            "people best; --images checks it"
        )
    return "undecided: the readings separate synthetic people alike; --images decides"


def as_json(inspection: Inspection) -> dict[str, Any]:
    """Return an inspection as JSON."""
    check = inspection.check
    return inspection.facts | {
        "self_check": None if check is None else vars(check) | {"understood": check.understood}
    }
