"""The rows of the table of defences as JSON: what is still reconstructed, what it costs, differences."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from arcinvert.audit.comparison import Row
from arcinvert.audit.defences.cost import COST_FMR, Cost
from arcinvert.audit.evidence import Evaluation, VerifierEvidence, accepted, gap_figure, share_difference
from arcinvert.audit.findings import Findings
from arcinvert.evaluation.scores import gap_closed
from arcinvert.evaluation.similarity import Array, similarity
from recognition.metrics.intervals import estimate, estimate_ratio_difference

Json = dict[str, Any]


def defence_rows(findings: Findings, evaluations: Sequence[Evaluation]) -> list[Json]:
    """Return the table; empty if no defences were compared.

    The first row, without a defence, has the floor and the ceiling of all, and the others have their
    differences to it, person by person.
    """
    rows = findings.rows
    if not rows:
        return []
    found = [_described(row, findings, evaluations) for row in rows]
    count = len(rows[0].recovered)
    first = found[0]
    first["irreversibility_floor"] = None if rows[0].floor is None else _mean(rows[0].floor)
    own = findings.attacked
    known = own is not None and own.source_is_template
    first["irreversibility_ceiling"] = _mean(own.ceiling[:count]) if own is not None and known else None
    for evidence, one in zip(findings.judges, evaluations, strict=True):
        first["judges"][evidence.name] |= {
            "mean_face": {
                fmr: accepted(evidence.floor_similarity[:count], threshold)
                for fmr, threshold in one.thresholds.items()
            },
            "ceiling": {
                fmr: accepted(evidence.ceiling[:count], threshold)
                for fmr, threshold in one.thresholds.items()
            },
        }
    for entry, row in zip(found[1:], rows[1:], strict=True):
        for number, (evidence, one) in enumerate(zip(findings.judges, evaluations, strict=True)):
            entry["judges"][evidence.name] |= _differences(row, rows[0], number, evidence, one)
    return found


def _described(row: Row, findings: Findings, evaluations: Sequence[Evaluation]) -> Json:
    """Return one row: what the attack still reconstructs, and what the defence costs."""
    count = len(row.attacked_similarity)
    judges = {}
    for number, (evidence, one) in enumerate(zip(findings.judges, evaluations, strict=True)):
        similarities = _similarities(row, number, evidence)
        floors, ceilings = evidence.floor_similarity[:count], evidence.ceiling[:count]
        judges[evidence.name] = {
            "sar": {fmr: accepted(similarities, threshold) for fmr, threshold in one.thresholds.items()},
            "similarity": float(similarities.mean()),
            "gap_closed": gap_figure(gap_closed(similarities.mean(1), floors, ceilings)),
        }
    return {
        "defence": row.name,
        "key": row.key,
        "attacker": row.attacker,
        "knowledge": row.knowledge,
        "attacker_holds": row.held,
        "differences": dict(row.differences),
        "identities": count,
        "irreversibility": _mean(row.recovered),
        "judges": judges,
        "attacked_similarity": float(row.attacked_similarity.mean()),
        **_cost(row.cost),
    }


def _cost(cost: Cost) -> Json:
    linked = cost.linkability
    return {
        "tar_fmr": COST_FMR,
        "tar": None if cost.tar is None else asdict(cost.tar),
        "tar_refused": cost.tar_refused,
        "unlinkability": {
            "d_sys": None if linked is None else linked.figure.value,
            "d_sys_floor": None if linked is None else linked.chance.value,
            "figure": None if linked is None else asdict(linked.figure),
            "chance": None if linked is None else asdict(linked.chance),
            "refused": cost.linkability_refused,
        },
        "renewability": None if cost.renewed is None else asdict(cost.renewed),
        "renewability_refused": cost.renewed_refused,
    }


def _differences(
    row: Row, baseline: Row, number: int, evidence: VerifierEvidence, evaluation: Evaluation
) -> Json:
    """Return what a judge accepts of a row less what it accepts without a defence, and so the gap closed."""
    mine, theirs = (_similarities(one, number, evidence) for one in (row, baseline))
    floors, ceilings = evidence.floor_similarity[: len(mine)], evidence.ceiling[: len(mine)]
    gap = gap_closed(mine.mean(1), floors, ceilings)
    below = ceilings - floors
    return {
        "sar_difference": {
            fmr: asdict(share_difference(mine, theirs, threshold))
            for fmr, threshold in evaluation.thresholds.items()
        },
        "gap_difference": None
        if gap is None
        else asdict(estimate_ratio_difference(mine.mean(1) - floors, below, theirs.mean(1) - floors, below)),
    }


def _similarities(row: Row, number: int, evidence: VerifierEvidence) -> Array:
    """Return the similarities, (people, samples), of a row's reconstructions to the other photographs."""
    second = evidence.second[: len(row.embeddings[number])]
    return similarity(row.embeddings[number], second[:, None], evidence.metric)


def _mean(values: Array) -> Json:
    return asdict(estimate(values, range(len(values))))
