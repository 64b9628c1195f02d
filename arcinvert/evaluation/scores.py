"""Verdicts of the judge on reconstructions, and the summary of a run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.evaluation.calibration import Threshold
from arcinvert.evaluation.crops import face_detected
from arcinvert.evaluation.judges import Judge
from arcinvert.evaluation.similarity import similarity
from recognition.metrics.intervals import estimate


@dataclass(frozen=True)
class Reference:
    """What a person's reconstructions are compared with; each part may be missing.

    Args:
        source: Shape (128,), judge embedding of the very photograph that the template came from, or of one of
            those that trained the class (Type I).
        second: Shape (128,), judge embedding of another photograph of the person (Type II).
        ceiling: Judge similarity of two real photographs of the person, one of them `second`, or `source`
            where there is no `second`.
    """

    source: NDArray[np.float64] | None = None
    second: NDArray[np.float64] | None = None
    ceiling: float | None = None


@dataclass(frozen=True)
class Verdict:
    """The judge's verdict on one reconstruction; similarities are 1 - Euclidean distance.

    Args:
        type_1: Similarity to the template's own photograph.
        type_2: Similarity to another photograph of the person.
        accepted: For each false match rate, whether Type II (or Type I, if there is no Type II) exceeds its
            threshold.
        floor_type_1: Type I of the mean face, which shows nothing of the person.
        floor_type_2: Type II of the mean face.
        ceiling: Similarity of two real photographs.
        face_detected: Whether the detector finds a face in the reconstruction.
    """

    type_1: float | None
    type_2: float | None
    accepted: dict[str, bool] | None
    floor_type_1: float | None
    floor_type_2: float | None
    ceiling: float | None
    face_detected: bool


def judge_images(
    judge: Judge,
    images: Sequence[NDArray[np.uint8]],
    floor: NDArray[np.uint8],
    references: Sequence[Reference],
    thresholds: Sequence[Threshold],
) -> list[Verdict]:
    """Return a verdict for each image.

    Args:
        judge: The judge.
        images: uint8 112x112 images.
        floor: The mean face, uint8 112x112: what an attack that found nothing would give.
        references: One for each image.
        thresholds: The judge's.
    """
    *embeddings, floor_embedding = judge.embed([*images, floor])
    verdicts = []
    for image, embedding, reference in zip(images, embeddings, references, strict=True):
        type_1, type_2 = (_similarity(embedding, other) for other in (reference.source, reference.second))
        decisive = type_1 if type_2 is None else type_2
        accepted = None if decisive is None else accept(decisive, thresholds)
        verdicts.append(
            Verdict(
                type_1=type_1,
                type_2=type_2,
                accepted=accepted,
                floor_type_1=_similarity(floor_embedding, reference.source),
                floor_type_2=_similarity(floor_embedding, reference.second),
                ceiling=reference.ceiling,
                face_detected=face_detected(image),
            )
        )
    return verdicts


def accept(value: float, thresholds: Sequence[Threshold]) -> dict[str, bool]:
    """Return whether a judge similarity is accepted, by false match rate."""
    return {f"{threshold.fmr:g}": value > threshold.similarity for threshold in thresholds}


def gap_closed(value: float, floor: float, ceiling: float) -> float | None:
    """Return how much of the way from floor to ceiling a similarity goes.

    That is (value - floor) / (ceiling - floor).

    None if the ceiling does not lie above the floor: a second photograph that is no more similar than the
    mean face leaves no gap to close.
    """
    return (value - floor) / (ceiling - floor) if ceiling > floor else None


def summarise(
    verdicts: Sequence[Verdict],
    identities: Sequence[str],
    attacked_similarities: Sequence[float],
    thresholds: Sequence[Threshold],
) -> dict[str, Any]:
    """Return the figures of a run, each an `Estimate` as a dictionary, or None if no photograph allows it.

    The share of accepted reconstructions (SAR), similarity, floor and ceiling are of Type II if everybody has
    a second photograph, else of Type I; `kind` says which. The ceiling's share is of the same people.

    Args:
        verdicts: One for each sample.
        identities: Whose each sample is.
        attacked_similarities: Cosine to the target in the attacked network, one for each sample.
        thresholds: The judge's.
    """

    def figure(values: Sequence[Any]) -> dict[str, Any]:
        return asdict(estimate(values, identities))

    kinds = {"type_2": [v.type_2 for v in verdicts], "type_1": [v.type_1 for v in verdicts]}
    kind = next((name for name, values in kinds.items() if None not in values), None)
    summary: dict[str, Any] = {
        "samples": len(verdicts),
        "identities": len(set(identities)),
        "kind": kind,
        "attacked_similarity": figure(attacked_similarities),
        "face_detected": figure([v.face_detected for v in verdicts]),
    }
    if kind is None:
        return summary
    values = [value for value in kinds[kind] if value is not None]
    floors = [getattr(verdict, f"floor_{kind}") for verdict in verdicts]
    ceilings = [verdict.ceiling for verdict in verdicts if verdict.ceiling is not None]
    with_ceiling = len(ceilings) == len(verdicts) and kind == "type_2"
    summary |= {
        "similarity": figure(values),
        "floor": figure(floors),
        "ceiling": figure(ceilings) if with_ceiling else None,
        "sar": {},
    }
    for threshold in thresholds:
        summary["sar"][f"{threshold.fmr:g}"] = {
            "attack": figure([value > threshold.similarity for value in values]),
            "floor": figure([value > threshold.similarity for value in floors]),
            "ceiling": figure([value > threshold.similarity for value in ceilings]) if with_ceiling else None,
        }
    if with_ceiling:
        means = (summary[name]["value"] for name in ("similarity", "floor", "ceiling"))
        summary["gap_closed"] = gap_closed(*means)
    return summary


def _similarity(embedding: NDArray[np.float64], other: NDArray[np.float64] | None) -> float | None:
    return None if other is None else float(similarity(embedding, other))
