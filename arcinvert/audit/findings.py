"""What an audit found, without pictures: the arrays that its figures are computed from."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.attacked import assumption_notes
from arcinvert.audit.attributes import SkinTones
from arcinvert.audit.cohort import Cohort
from arcinvert.audit.comparison import Comparison, Row
from arcinvert.audit.copies import Copies
from arcinvert.audit.enrolled import Enrolled
from arcinvert.audit.evidence import VerifierEvidence
from arcinvert.audit.inputs import LIBRARIES, AuditInputs
from arcinvert.audit.overlap import AuditOverlap
from arcinvert.audit.pipeline import Pipeline
from arcinvert.audit.reference_type import ReferenceType, reference_type
from arcinvert.audit.shipped import shipped_thresholds
from arcinvert.audit.units import AttackUnit, CalibrationUnit, Embeddings, joined, labels_of
from arcinvert.evaluation.judges import Judge, RecogniserJudge
from arcinvert.evaluation.perceptual import find_lpips
from arcinvert.evaluation.similarity import Array
from recognition.skin import skin_tones


@dataclass(frozen=True)
class Findings:
    """What an audit found.

    Args:
        names: The attacked people, in the order of all arrays.
        skipped: Identity, reason and place of what could not be used.
        judges: The evidence of the judges.
        described: What is known of each judge, as JSON.
        attacked: The evidence of the attacked network as a verifier; None without judges.
        attacked_similarity: Shape (people, samples), to the target in the attacked network.
        face_detected: Shape (people, samples).
        ssim: Shape (people, samples); None if the templates' photographs are unknown.
        lpips: Likewise; None also if LPIPS is not installed.
        lpips_reason: Why LPIPS is left out.
        avoided: How many people were left out because they trained a network of the audit.
        network: What is known of the attacked network, as JSON.
        attack: What the attack says of itself, as JSON.
        rows: The table of defences.
        libraries: Versions of libraries.
        notes: Sentences about what the figures rest on.
        overlap: Who of those attacked is among the public faces; None if the attack uses none of them.
        copies: Who is there twice.
        reference: Of which type the figures are.
        skin: Skin tones of the pictures; None without photographs.
        outside: The people whose photographs calibrate the judges, in the order of the judges' labels.
    """

    names: list[str]
    skipped: list[tuple[str, str, str]]
    judges: list[VerifierEvidence]
    described: list[dict[str, Any]]
    attacked: VerifierEvidence | None
    attacked_similarity: NDArray[np.float64]
    face_detected: NDArray[np.bool_]
    ssim: NDArray[np.float64] | None
    lpips: NDArray[np.float64] | None
    lpips_reason: str | None
    avoided: int
    network: dict[str, Any]
    attack: dict[str, Any]
    rows: list[Row]
    libraries: dict[str, str]
    notes: tuple[str, ...]
    overlap: AuditOverlap | None
    copies: Copies
    reference: ReferenceType
    skin: SkinTones | None = None
    outside: tuple[str, ...] = ()


def gather_findings(
    pipeline: Pipeline,
    cohort: Cohort | None,
    enrolled: Enrolled,
    calibration: CalibrationUnit,
    overlap: AuditOverlap | None,
    copies: Copies,
    notes: Sequence[str] = (),
) -> Findings:
    """Attack everybody, compare the defences, and return what was found.

    Args:
        pipeline: Does the work.
        cohort: The people; None without photographs.
        enrolled: Those attacked.
        calibration: Those outside the attack.
        overlap: Who is among the attacker's public faces.
        copies: Who is there twice.
        notes: Further sentences about what the figures rest on.
    """
    inputs = pipeline.inputs
    lpips, lpips_reason = find_lpips()
    found = joined(pipeline.attack(enrolled, lpips=lpips is not None))
    rows = Comparison(pipeline, cohort, enrolled, calibration, found).rows() if cohort else []
    names = enrolled.names.tolist()
    judges = [
        _evidence(judge, partial(_of_judge, index), inputs, calibration, enrolled, found)
        for index, judge in enumerate(inputs.judges)
    ]
    attacked = None
    if inputs.judges:
        attacked = _evidence(inputs.attacked, _of_attacked, inputs, calibration, enrolled, found)
    network = inputs.recogniser
    reference = reference_type(inputs, cohort, enrolled)
    return Findings(
        names=names,
        skipped=_skipped(inputs, enrolled, calibration),
        judges=judges,
        described=[
            judge.describe() | {"overlap": {"attacked": judge.overlap(names)}} for judge in inputs.judges
        ],
        attacked=attacked,
        attacked_similarity=found.similarity,
        face_detected=found.face_detected,
        ssim=found.ssim,
        lpips=found.lpips,
        lpips_reason=lpips_reason,
        avoided=cohort.avoided if cohort else 0,
        network={
            "name": network.name,
            "sha256": network.source.sha256,
            "architecture": network.source.architecture,
            "classes": None if network.centres is None else len(network.centres),
            "dimensions": network.embedding_size,
        },
        attack=inputs.attack.describe() | {"access": inputs.attack.access()},
        rows=rows,
        libraries={name: version(name) for name in LIBRARIES},
        notes=(
            *assumptions(inputs),
            *_notes(cohort, overlap),
            *reference.notes(),
            *copies.notes(),
            *notes,
        ),
        overlap=overlap,
        copies=copies,
        reference=reference,
        skin=_skin(inputs, enrolled, found),
        outside=tuple(np.unique(calibration.names).tolist()),
    )


def _skin(inputs: AuditInputs, enrolled: Enrolled, found: AttackUnit) -> SkinTones | None:
    if not enrolled.units or found.skin is None:
        return None
    return SkinTones(
        reconstructions=found.skin,
        source=np.concatenate([unit.source_skin for unit in enrolled.units]),
        second=np.concatenate([unit.second_skin for unit in enrolled.units]),
        floor=float(skin_tones(inputs.attack.mean_face)),
    )


def assumptions(inputs: AuditInputs) -> list[str]:
    """Return what is assumed of the networks, the attacked one first."""
    judges = [judge.recogniser for judge in inputs.judges if isinstance(judge, RecogniserJudge)]
    return [note for network in (inputs.recogniser, *judges) for note in assumption_notes(network)]


def _notes(cohort: Cohort | None, overlap: AuditOverlap | None) -> tuple[str, ...]:
    notes = [*(cohort.notes if cohort else ()), *(overlap.notes() if overlap else ())]
    return tuple(notes)


def _skipped(
    inputs: AuditInputs, enrolled: Enrolled, calibration: CalibrationUnit
) -> list[tuple[str, str, str]]:
    """Return identity, reason and place of what could not be used, of the database and of the photographs."""
    table = () if inputs.table is None else inputs.table.skipped
    return [
        *((row.identity, row.reason, f"{inputs.options.templates}, {row.place}") for row in table),
        *(row for unit in enrolled.units for row in unit.skipped.rows()),
        *calibration.skipped.rows(),
    ]


def _of_judge(index: int, embeddings: Embeddings) -> Array | None:
    return embeddings.judges[index]


def _of_attacked(embeddings: Embeddings) -> Array | None:
    return embeddings.attacked


def _evidence(
    verifier: Judge,
    pick: Callable[[Embeddings], Array | None],
    inputs: AuditInputs,
    calibration: CalibrationUnit,
    enrolled: Enrolled,
    found: AttackUnit,
) -> VerifierEvidence:
    """Return the evidence of one verifier; `pick` takes its part of embeddings."""
    source, second = enrolled.embeddings(pick)
    nobody = np.zeros((0, second.shape[1]))
    transformed = {name: pick(embeddings) for name, embeddings in found.transformed.items()}
    return VerifierEvidence(
        name=verifier.name,
        metric=verifier.metric,
        calibration=nobody if calibration.embeddings is None else _some(calibration.embeddings, pick),
        labels=labels_of(calibration.names),
        second=second,
        floor=verifier.embed([inputs.attack.mean_face])[0],
        reconstructions=_some(found.embeddings, pick),
        source=source,
        source_is_template=inputs.template_known,
        transformed={name: part for name, part in transformed.items() if part is not None},
        shipped=shipped_thresholds(verifier),
        chosen=found.similarity.argmax(1),
    )


def _some(embeddings: Embeddings | None, pick: Callable[[Embeddings], Array | None]) -> Array:
    part = None if embeddings is None else pick(embeddings)
    if part is None:
        raise ValueError("expected embeddings, got none")
    return part
