"""From everything gathered to the one JSON description that every form of the report shows."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.defences import COST_FMR, Cost
from arcinvert.audit.evidence import Judged, JudgeEvidence, attacked_gap, chances, judge
from arcinvert.audit.metrics import (
    Array,
    diversity,
    frechet_distance,
    gap_closed,
    kernel_distance,
    paired_similarity,
)
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.policy import Policy, decide
from recognition.metrics.intervals import estimate

#: The version of audit.json's fields; rises when a reader would have to change.
SCHEMA = "arcinvert-audit-1"
#: Groups smaller than this are not told: their figures would speak of persons.
SMALLEST_GROUP = 5
#: People on whom distances between distributions and diversity are measured, at most.
_DISTRIBUTION = 2000


@dataclass(frozen=True)
class Row:
    """One defence: its name, what the attacker holds, its cost, and what was made of it.

    Args:
        recovered: (n,), cosine of what the attacker inverts to the template itself.
        embeddings: of each judge, (n, samples, dim), of the reconstructions.
        attacked_similarity: (n, samples), to what was attacked, in the attacked network's eyes.
    """

    name: str
    holds: str
    cost: Cost
    recovered: Array
    embeddings: list[Array]
    attacked_similarity: Array


@dataclass(frozen=True)
class Gathered:
    """What the units hold, without pictures.

    Args:
        names: the attacked people, in the order of all arrays.
        skipped: identity, reason and file of what could not be used.
        judges, attacked: the evidence of those not attacked, and of the attacked network.
        described: what is known of each judge.
        attacked_similarity, face_detected: (n, samples); ssim, lpips likewise, where there is a
            photograph of the template's.
        attack: what the attack says of itself.
    """

    names: list[str]
    skipped: list[tuple[str, str, str]]
    judges: list[JudgeEvidence]
    described: list[dict[str, Any]]
    attacked: JudgeEvidence | None
    attacked_similarity: NDArray[np.float64]
    face_detected: NDArray[np.bool_]
    ssim: NDArray[np.float64] | None
    lpips: NDArray[np.float64] | None
    lpips_reason: str | None
    avoided: int
    network: dict[str, Any]
    attack: dict[str, Any]
    defences: list[Row]
    libraries: dict[str, str]


def assemble(
    gathered: Gathered,
    options: AuditOptions,
    *,
    policy: Policy | None,
    pseudonym: Callable[[str], str],
    created: str,
    groups: dict[str, list[str | None]],
) -> dict[str, Any]:
    """The content of audit.json."""
    judged = [judge(evidence, options.fmr) for evidence in gathered.judges]
    judges = [{**described, **one.figures} for described, one in zip(gathered.described, judged, strict=True)]
    if gathered.attacked is not None:
        own = judge(gathered.attacked, options.fmr)
        for entry, evidence, one in zip(judges, gathered.judges, judged, strict=True):
            entry["attacked_minus_judge"] = attacked_gap(gathered.attacked, own, evidence, one)
    decision = decide(policy, judges)
    headline = headline_fmr(judges, options)
    identities = _identities(gathered, judged, pseudonym)
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "created": created,
        "answer": {"sentences": [], **decision, "headline_fmr": headline},
        "threat_model": _threat_model(gathered, options),
        "people": {
            "attacked": len(gathered.names),
            "avoided": gathered.avoided,
            "skipped": [{"pseudonym": pseudonym(name), "reason": why} for name, why, _ in gathered.skipped],
        },
        "judges": judges,
        "faces": _faces(gathered),
        "identities": identities,
        "subgroups": _subgroups(gathered, judged, groups, headline),
        "defences": [_defence(row, gathered, judged, options) for row in gathered.defences],
        "reproducibility": {
            "options": options.described(),
            "attack_options": gathered.attack["options"],
            "loss": gathered.attack["loss"],
            "parametrisation": gathered.attack["parametrisation"],
            "attacked": gathered.network,
            "environment": {k: v for k, v in gathered.attack["environment"].items() if k != "libraries"},
            "libraries": gathered.libraries,
        },
    }
    result["answer"]["sentences"] = _sentences(result)
    return result


def headline_fmr(judges: list[dict[str, Any]], options: AuditOptions) -> str | None:
    """The rate that the first page speaks of: the policy's where all judges support it, else the lowest."""
    supported = [
        f"{fmr:g}" for fmr in sorted(options.fmr) if judges and all(f"{fmr:g}" in j["sar"] for j in judges)
    ]
    wanted = f"{options.policy_fmr:g}"
    return wanted if wanted in supported else next(iter(supported), None)


def _threat_model(gathered: Gathered, options: AuditOptions) -> dict[str, Any]:
    knowledge = gathered.attack["knowledge"]
    held = "class centres" if options.target == "centres" else "templates"
    return {
        "held": held,
        "network": gathered.network["name"],
        "level": knowledge["level"],
        "knowledge": knowledge,
        "budget": options.budget,
        "samples": int(gathered.attack["options"]["samples"]),
        "steps": int(gathered.attack["options"]["steps"]),
        "claim": f"An attacker holds the {held} and the network's weights, and knows "
        + ("public faces." if knowledge["level"] == "public-faces" else "nothing else.")
        + " A stronger attack may find more: these figures bound the risk from below.",
    }


def _faces(gathered: Gathered) -> dict[str, Any]:
    rows = np.repeat(np.arange(len(gathered.names)), gathered.face_detected.shape[1])

    def figure(values: NDArray[Any] | None) -> dict[str, Any] | None:
        return None if values is None else vars(estimate(values.ravel(), rows))

    return {
        "face_detected": figure(gathered.face_detected),
        "attack_converged": figure(gathered.attacked_similarity),
        "ssim": figure(gathered.ssim),
        "lpips": figure(gathered.lpips),
        "left_out": gathered.lpips_reason if gathered.lpips is None else None,
        "distribution": _distribution(gathered.judges[0]) if gathered.judges else None,
    }


def _distribution(evidence: JudgeEvidence) -> dict[str, Any] | None:
    """Distances to real faces in the first judge's embeddings, with those between real faces beside."""
    made, real = evidence.reconstructions[:_DISTRIBUTION, 0], evidence.second[:_DISTRIBUTION]
    firsts = evidence.calibration[np.unique(evidence.labels, return_index=True)[1]][:_DISTRIBUTION]
    if min(len(made), len(firsts)) < 2:
        return None
    samples = [
        diversity(one, evidence.metric) for one in evidence.reconstructions[:_DISTRIBUTION] if len(one) > 1
    ]
    return {
        "feature_space": f"embeddings of {evidence.name}, {made.shape[1]} dimensions",
        "images": len(made),
        "real_images": len(firsts),
        "frechet": frechet_distance(made, firsts),
        "frechet_between_real": frechet_distance(real, firsts),
        "kernel": kernel_distance(made, firsts),
        "kernel_between_real": kernel_distance(real, firsts),
        "diversity_between_identities": diversity(made, evidence.metric),
        "diversity_between_real": diversity(real, evidence.metric),
        "diversity_among_samples": float(np.mean(samples)) if samples else None,
    }


def _identities(
    gathered: Gathered, judged: list[Judged], pseudonym: Callable[[str], str]
) -> list[dict[str, Any]]:
    """Everybody attacked, the most at risk first."""
    if not judged:
        return [{"pseudonym": pseudonym(name), "risk": None, "judges": {}} for name in gathered.names]
    rates = np.stack(
        [chances(evidence, one.nonmated) for evidence, one in zip(gathered.judges, judged, strict=True)]
    )
    risk = np.exp(np.log(rates).mean(0))
    found = []
    for index in np.argsort(risk, kind="stable"):
        found.append(
            {
                "pseudonym": pseudonym(gathered.names[index]),
                "risk": float(risk[index]),
                "judges": {
                    evidence.name: _identity(evidence, one, float(rates[number, index]), int(index))
                    for number, (evidence, one) in enumerate(zip(gathered.judges, judged, strict=True))
                },
            }
        )
    return found


def _identity(evidence: JudgeEvidence, one: Judged, rate: float, index: int) -> dict[str, Any]:
    similarities = paired_similarity(
        evidence.reconstructions[index], evidence.second[index][None], evidence.metric
    )
    floor = paired_similarity(evidence.floor, evidence.second[index], evidence.metric)
    ceiling = paired_similarity(evidence.source[index], evidence.second[index], evidence.metric)
    return {
        "stranger_rate": rate,
        "similarity": float(similarities.mean()),
        "floor": float(floor),
        "ceiling": float(ceiling),
        "accepted": {
            f"{entry.fmr:g}": float((similarities > entry.point.threshold).mean())
            for entry in one.calibrated
            if entry.point is not None
        },
    }


def _subgroups(
    gathered: Gathered, judged: list[Judged], groups: dict[str, list[str | None]], headline: str | None
) -> list[dict[str, Any]]:
    found = []
    for column, members in groups.items():
        for group in sorted({member for member in members if member is not None}):
            rows = np.array([index for index, member in enumerate(members) if member == group])
            entry: dict[str, Any] = {"grouping": column, "group": group, "identities": len(rows), "sar": None}
            if len(rows) >= SMALLEST_GROUP and headline is not None:
                entry["sar"] = {
                    evidence.name: vars(_share(evidence.type_2[rows], _threshold(one, headline)))
                    for evidence, one in zip(gathered.judges, judged, strict=True)
                }
            found.append(entry)
    return found


def _threshold(one: Judged, fmr: str) -> float:
    return next(
        entry.point.threshold
        for entry in one.calibrated
        if f"{entry.fmr:g}" == fmr and entry.point is not None
    )


def _share(similarities: Array, threshold: float) -> Any:
    rows = np.repeat(np.arange(len(similarities)), similarities.shape[1])
    return estimate((similarities > threshold).ravel(), rows)


def _defence(row: Row, gathered: Gathered, judged: list[Judged], options: AuditOptions) -> dict[str, Any]:
    """One row of the table: what the attack still makes, and what the defence costs."""
    count = len(row.attacked_similarity)
    entries = {}
    for embeddings, evidence, one in zip(row.embeddings, gathered.judges, judged, strict=True):
        second = evidence.second[:count]
        similarities = paired_similarity(embeddings, second[:, None], evidence.metric)
        floor = float(evidence.floor_similarity[:count].mean())
        ceiling = float(evidence.ceiling[:count].mean())
        entries[evidence.name] = {
            "sar": {
                f"{entry.fmr:g}": vars(_share(similarities, entry.point.threshold))
                for entry in one.calibrated
                if entry.point is not None
            },
            "similarity": float(similarities.mean()),
            "gap_closed": gap_closed(float(similarities.mean()), floor, ceiling),
        }
    spent = row.cost
    return {
        "defence": row.name,
        "attacker_holds": row.holds,
        "identities": count,
        "template_recovered": vars(estimate(row.recovered, np.arange(count))),
        "judges": entries,
        "attacked_similarity": float(row.attacked_similarity.mean()),
        "tar_fmr": COST_FMR,
        "tar": None if spent.tar is None else asdict(spent.tar),
        "tar_refused": spent.refused,
        "linkability": spent.linkability,
        "linkability_floor": spent.linkability_floor,
    }


def _sentences(result: dict[str, Any]) -> list[str]:
    """The answer in three plain sentences."""
    threat, headline = result["threat_model"], result["answer"]["headline_fmr"]
    count = result["people"]["attacked"]
    if not result["judges"] or headline is None:
        reason = "no photographs of the people were given" if not result["judges"] else "too few comparisons"
        face = result["faces"]["face_detected"]["value"]
        return [
            f"Faces were made of {count} {threat['held']} of {threat['network']}, and in {face:.0%} of them "
            "a detector finds a face.",
            f"Whether they pass for the people cannot be said: {reason}.",
            result["answer"]["reason"],
        ]
    worst = max(result["judges"], key=lambda entry: entry["sar"][headline]["type_2"]["value"])
    sar = worst["sar"][headline]
    share, low, high = (sar["type_2"][key] for key in ("value", "low", "high"))
    if low > sar["mean_face"]["value"]:
        can = "can be turned into faces that pass"
    elif share > sar["mean_face"]["value"]:
        can = "may be turned into faces that pass, though so few people do not settle it"
    else:
        can = "were not shown to be turned into faces that pass"
    first = (
        f"The {threat['held']} of {threat['network']} {can}: of {count} people, {share:.0%} "
        f"[{low:.0%} to {high:.0%}] are accepted as themselves by {worst['name']}, which was not attacked, "
        f"where it accepts a stranger in {float(headline):g} of cases."
    )
    rank = worst["rank"]
    second = (
        f"Beside it, the mean face passes in {sar['mean_face']['value']:.0%} and a real second photograph in "
        f"{sar['ceiling']['value']:.0%}; in a gallery of {rank['gallery']:,} people the reconstruction finds "
        f"the right one first in {rank['attack']['1']['value']:.0%} (by chance {rank['chance']['1']:.1%})."
    )
    verdict = result["answer"]["verdict"]
    third = (
        result["answer"]["reason"]
        if verdict == "no policy"
        else f"{verdict.capitalize()}: {result['answer']['reason']}"
    )
    return [first, second, third]
