"""What the judge says of reconstructions, and the figures made of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.evaluation.judge import Judge, Threshold, face_detected, similarity
from recognition.metrics.intervals import estimate


@dataclass(frozen=True)
class Reference:
    """What a person's reconstructions are judged against; each part may be missing.

    Args:
        source: (128,), judge embedding of the very photograph that the template came from (Type I).
        second: (128,), of another photograph of the person (Type II).
        ceiling: judge similarity of two real photographs of the person, one of them `second`.
    """

    source: NDArray[np.float64] | None = None
    second: NDArray[np.float64] | None = None
    ceiling: float | None = None


@dataclass(frozen=True)
class Verdict:
    """The judge on one reconstruction; similarities are 1 - Euclidean distance.

    Args:
        type_1, type_2: to the template's own photograph; to another of the person.
        accepted: for each false match rate, whether Type II (else Type I) passes its threshold.
        floor_type_1, floor_type_2: of the start image, in which there is nothing of the person.
        ceiling: of two real photographs.
        face_detected: whether the detector finds a face in the reconstruction.
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
    """Verdicts on uint8 112x112 images, one reference an image.

    Args:
        floor: the start image, uint8 112x112: what an attack that found nothing would give.
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
    """Whether a judge similarity passes, by false match rate."""
    return {f"{threshold.fmr:g}": value > threshold.similarity for threshold in thresholds}


def _similarity(embedding: NDArray[np.float64], other: NDArray[np.float64] | None) -> float | None:
    return None if other is None else float(similarity(embedding, other))


def summarise(
    verdicts: Sequence[Verdict],
    identities: Sequence[str],
    attacked_similarities: Sequence[float],
    thresholds: Sequence[Threshold],
) -> dict[str, Any]:
    """The figures of a run: each an `Estimate` as a dict, None where no photograph allows it.

    SAR, similarity, floor and ceiling are of Type II where there is a second photograph, else of
    Type I; `kind` says which. The ceiling's share accepted is of the same people.
    """
    kinds = {"type_2": [v.type_2 for v in verdicts], "type_1": [v.type_1 for v in verdicts]}
    kind = next((name for name, values in kinds.items() if None not in values), None)
    summary: dict[str, Any] = {
        "samples": len(verdicts),
        "identities": len(set(identities)),
        "kind": kind,
        "attacked_similarity": vars(estimate(attacked_similarities, identities)),
        "face_detected": vars(estimate([v.face_detected for v in verdicts], identities)),
    }
    if kind is None:
        return summary
    values = [value for value in kinds[kind] if value is not None]
    floors = [getattr(verdict, f"floor_{kind}") for verdict in verdicts]
    ceilings = [verdict.ceiling for verdict in verdicts]
    with_ceiling = None not in ceilings and kind == "type_2"
    summary |= {
        "similarity": vars(estimate(values, identities)),
        "floor": vars(estimate(floors, identities)),
        "ceiling": vars(estimate([c for c in ceilings if c is not None], identities))
        if with_ceiling
        else None,
        "sar": {},
    }
    for threshold in thresholds:
        name = f"{threshold.fmr:g}"
        summary["sar"][name] = {
            "attack": vars(estimate([v > threshold.similarity for v in values], identities)),
            "floor": vars(estimate([v > threshold.similarity for v in floors], identities)),
            "ceiling": vars(
                estimate([c > threshold.similarity for c in ceilings if c is not None], identities)
            )
            if with_ceiling
            else None,
        }
    if with_ceiling:
        gap = summary["ceiling"]["value"] - summary["floor"]["value"]
        closed = summary["similarity"]["value"] - summary["floor"]["value"]
        # Where a second photograph is no nearer than the mean face, there is no gap to close.
        summary["gap_closed"] = closed / gap if gap > 0 else None
    return summary
