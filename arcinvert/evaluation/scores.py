"""Verdicts of the judge on reconstructions, and the summary of a run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.evaluation.calibration import Threshold
from arcinvert.evaluation.crops import face_detected
from arcinvert.evaluation.judges import Judge
from arcinvert.evaluation.similarity import similarity
from recognition.metrics.intervals import Estimate, estimate, estimate_ratio, identity_means
from recognition.metrics.thresholds import DecisionThreshold, estimate_acceptance


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


def gap_closed(
    values: NDArray[np.floating[Any]], floors: NDArray[np.floating[Any]], ceilings: NDArray[np.floating[Any]]
) -> Estimate | None:
    """Return how much of the way from floor to ceiling the mean similarity goes, with its interval.

    That is (value - floor) / (ceiling - floor) of the means over identities.

    None if the ceiling does not lie above the floor: a second photograph that is no more similar than the
    mean face leaves no gap to close.

    Args:
        values: Shape (identities,), similarities of reconstructions.
        floors: Shape (identities,), of the mean face.
        ceilings: Shape (identities,), of a real photograph.
    """
    gaps = ceilings - floors
    return estimate_ratio(values - floors, gaps) if gaps.sum() > 0 else None


def summarise(
    verdicts: Sequence[Verdict],
    identities: Sequence[str],
    attacked_similarities: Sequence[float],
    thresholds: Sequence[Threshold],
) -> dict[str, Any]:
    """Return the figures of a run, each an `Estimate` as a dictionary, or None if no photograph allows it.

    Each figure is over those who have what it needs: one person without a second photograph takes it from
    nobody else. The share of accepted reconstructions (SAR), similarity and floor are of Type II, over those
    who have a second photograph; if nobody has one, of Type I. `kind` says which, and `missing` how many
    identities lack each photograph. The ceiling, and the gap that is closed, are over those who have one.

    Of several samples of an identity, `best_of_n` counts the one most similar to the target in the attacked
    network, which an attacker would choose, and `any_of_n` whether any is accepted.

    Args:
        verdicts: One for each sample.
        identities: Whose each sample is.
        attacked_similarities: Cosine to the target in the attacked network, one for each sample.
        thresholds: The judge's.
    """
    names = np.asarray(identities)
    columns = {name: _column(verdicts, name) for name in ("type_1", "type_2", "ceiling")}
    missing = {name: len(set(names[np.isnan(values)].tolist())) for name, values in columns.items()}
    kind = next((name for name in ("type_2", "type_1") if not np.isnan(columns[name]).all()), None)
    detected = np.array([verdict.face_detected for verdict in verdicts])
    summary: dict[str, Any] = {
        "samples": len(verdicts),
        "identities": len(set(identities)),
        "kind": kind,
        "missing": {
            "second_photograph": missing["type_2"],
            "source_photograph": missing["type_1"],
            "ceiling": missing["ceiling"],
        },
        "attacked_similarity": asdict(estimate(attacked_similarities, names)),
        "face_detected": asdict(estimate(detected, names)),
    }
    if kind is None:
        return summary
    values, floors, ceilings = columns[kind], _column(verdicts, f"floor_{kind}"), columns["ceiling"]
    judged = ~np.isnan(values)
    # A ceiling is the similarity of two photographs: Type I has none.
    with_ceiling = judged & ~np.isnan(ceilings) if kind == "type_2" else np.zeros_like(judged)
    own = names[judged]
    best, samples = _best(np.asarray(attacked_similarities)[judged], own)
    summary |= {
        "similarity": asdict(estimate(values[judged], own)),
        "floor": asdict(estimate(floors[judged], own)),
        "ceiling": None,
        "sar": {},
        "gap_closed": None,
    }
    if with_ceiling.any():
        summary["ceiling"] = asdict(estimate(ceilings[with_ceiling], names[with_ceiling]))
    for threshold in thresholds:
        share = partial(_share, threshold.decision)
        summary["sar"][f"{threshold.fmr:g}"] = {
            "attack": share(values[judged], own),
            "best_of_n": share(values[judged][best], own[best]) if samples > 1 else None,
            "any_of_n": share(*_most(values[judged], own)) if samples > 1 else None,
            "floor": share(floors[judged], own),
            "ceiling": share(ceilings[with_ceiling], names[with_ceiling]) if with_ceiling.any() else None,
        }
    if with_ceiling.any():
        whose = names[with_ceiling]
        parts = (identity_means(column[with_ceiling], whose) for column in (values, floors, ceilings))
        gap = gap_closed(*parts)
        summary["gap_closed"] = None if gap is None else asdict(gap)
    return summary


def _share(
    threshold: DecisionThreshold, similarities: NDArray[Any], identities: NDArray[Any]
) -> dict[str, Any]:
    return asdict(estimate_acceptance(similarities, identities, threshold))


def _column(verdicts: Sequence[Verdict], name: str) -> NDArray[np.float64]:
    """Return a figure of each verdict, NaN where it has none."""
    return np.array([getattr(verdict, name) for verdict in verdicts], dtype=np.float64)


def _best(similarities: NDArray[Any], names: NDArray[Any]) -> tuple[NDArray[np.intp], int]:
    """Return the index of each identity's most similar sample, and the most samples that one has."""
    order = np.lexsort((-similarities, names))
    _, firsts, counts = np.unique(names[order], return_index=True, return_counts=True)
    return order[firsts], int(counts.max())


def _most(values: NDArray[Any], names: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return each identity's greatest value, and the identities."""
    best, _ = _best(values, names)
    return values[best], names[best]


def _similarity(embedding: NDArray[np.float64], other: NDArray[np.float64] | None) -> float | None:
    return None if other is None else float(similarity(embedding, other))
