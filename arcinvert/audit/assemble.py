"""From what an audit found to its one JSON description, which every form of the report shows."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.agreement import agreements
from arcinvert.audit.answer import answer_sentences, headline_fmr
from arcinvert.audit.attributes import JudgeEmbeddings, probed, skin_reading
from arcinvert.audit.defence_rows import defence_rows
from arcinvert.audit.evidence import (
    Evaluation,
    VerifierEvidence,
    accepted,
    attacked_gap,
    evaluate_verifier,
    risks,
)
from arcinvert.audit.findings import Findings
from arcinvert.audit.judge_notes import judge_notes
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.policy import Policy, decide
from arcinvert.audit.shown import cleaned, shown_options
from arcinvert.audit.subgroups import Groups
from arcinvert.evaluation.distribution import diversity, frechet_distance, kernel_distance
from arcinvert.evaluation.similarity import similarity
from recognition.metrics.intervals import estimate

#: The version of audit.json's fields; rises when a reader would have to change.
SCHEMA = "arcinvert-audit-2"
#: Smaller groups are not reported: their figures would be of persons.
SMALLEST_GROUP = 5
#: The most people on whom diversity and distances between distributions are measured.
_DISTRIBUTION_PEOPLE = 2000

Json = dict[str, Any]


def assemble(
    findings: Findings,
    options: AuditOptions,
    *,
    pseudonym: Callable[[str], str],
    key: str,
    created: str,
    groups: Groups,
    attributes: Groups,
    attributes_outside: Groups,
) -> Json:
    """Return the content of audit.json.

    Args:
        findings: What the audit found.
        options: Of the audit, with its budget.
        pseudonym: Returns what the report calls a person.
        key: A digest of the key file, by which pseudonyms agree.
        created: When the audit was begun, ISO 8601.
        groups: The groups of the attacked people.
        attributes: The attributes of the attacked people.
        attributes_outside: The attributes of the people outside the attack, in the order of `findings`.
    """
    evaluations = [evaluate_verifier(evidence, options.fmr) for evidence in findings.judges]
    judges = [
        {**described, **one.figures} for described, one in zip(findings.described, evaluations, strict=True)
    ]
    if findings.attacked is not None:
        own = evaluate_verifier(findings.attacked, options.fmr)
        for entry, evidence, one in zip(judges, findings.judges, evaluations, strict=True):
            entry["attacked_minus_judge"] = attacked_gap(findings.attacked, own, evidence, one)
    policy = None
    if options.max_sar is not None:
        policy = Policy(options.max_sar, options.policy_fmr, options.policy_bound)
    headline = headline_fmr(judges, options)
    result: Json = {
        "schema": SCHEMA,
        "created": created,
        "answer": {"sentences": [], **decide(policy, judges), "headline_fmr": headline},
        "threat_model": _threat_model(findings, options),
        "people": {
            "attacked": len(findings.names),
            "key": key,
            "avoided": findings.avoided,
            "notes": [*findings.notes, *judge_notes(judges, len(findings.names))],
            "overlap": None if findings.overlap is None else findings.overlap.describe(),
            "copies": findings.copies.describe(),
            "skipped": [{"pseudonym": pseudonym(name), "reason": why} for name, why, _ in findings.skipped],
        },
        "judges": judges,
        "agreement": _agreement(findings, evaluations, headline),
        "faces": _faces(findings),
        "attributes": _attributes(findings, attributes, attributes_outside),
        "identities": _identities(findings, evaluations, pseudonym),
        "subgroups": _subgroups(findings, evaluations, groups, headline),
        "defences": defence_rows(findings, evaluations),
        "reproducibility": {
            "options": shown_options(options),
            "plan": findings.attack["plan"],
            "attacked": findings.network,
            "environment": findings.attack["environment"],
            "libraries": findings.libraries,
        },
    }
    result["answer"]["sentences"] = answer_sentences(result)
    return cleaned(result)


def _threat_model(findings: Findings, options: AuditOptions) -> Json:
    knowledge, plan = findings.attack["knowledge"], findings.attack["plan"]
    held = "class centres" if options.target == "centres" else "templates"
    known = "nothing else" if knowledge["level"] == "weights" else knowledge["level"].replace("-", " ")
    access = findings.attack["access"]
    if access["kind"] == "weights":
        has = f"holds the {held} and the network's weights"
    else:
        most = access["queries"]["most_for_one_person"]
        asks = f"the network for {access['kind']}, of {most:,} images at most for each person"
        has = f"holds the {held}, and asks {asks}" if access["kind"] == "embeddings" else f"asks {asks}"
    return {
        "held": held,
        "network": findings.network["name"],
        "level": knowledge["level"],
        "knowledge": knowledge,
        "access": access,
        "reference": findings.reference.describe(),
        "budget": options.budget,
        "samples": plan["samples"],
        "steps": plan["steps"],
        "claim": f"An attacker {has}, and knows {known}. A stronger "
        "attack may find more: these figures bound the risk from below.",
    }


def _faces(findings: Findings) -> Json:
    rows = np.repeat(np.arange(len(findings.names)), findings.face_detected.shape[1])

    def figure(values: NDArray[Any] | None) -> Json | None:
        return None if values is None else asdict(estimate(values.ravel(), rows))

    return {
        "face_detected": figure(findings.face_detected),
        "attack_converged": figure(findings.attacked_similarity),
        "ssim": figure(findings.ssim),
        "lpips": figure(findings.lpips),
        "left_out": findings.lpips_reason if findings.lpips is None else None,
        "distribution": _distribution(findings.judges[0]) if findings.judges else None,
    }


def _attributes(findings: Findings, attacked: Groups, outside: Groups) -> list[Json]:
    """Return what reconstructions tell besides the identity: skin tone, and what each judge's probe reads."""
    found = [] if findings.skin is None else [skin_reading(findings.skin)]
    for evidence in findings.judges:
        seen = JudgeEmbeddings(
            evidence.name,
            evidence.calibration,
            np.asarray(evidence.labels, dtype=np.int64),
            evidence.reconstructions,
            evidence.source,
            evidence.floor,
        )
        found += probed(seen, attacked, outside)
    return found


def _agreement(findings: Findings, evaluations: list[Evaluation], headline: str | None) -> list[Json]:
    """Return how far the judges agree at the headline rate; empty with fewer than two of them."""
    if headline is None or any(headline not in one.thresholds for one in evaluations):
        return []
    passed = [
        evidence.type_2 > one.thresholds[headline].value
        for evidence, one in zip(findings.judges, evaluations, strict=True)
    ]
    return agreements([evidence.name for evidence in findings.judges], passed)


def _distribution(evidence: VerifierEvidence) -> Json | None:
    """Return distances to real faces in a judge's embeddings, beside those between real faces."""
    made, real = evidence.reconstructions[:_DISTRIBUTION_PEOPLE, 0], evidence.second[:_DISTRIBUTION_PEOPLE]
    firsts = evidence.calibration[np.unique(evidence.labels, return_index=True)[1]][:_DISTRIBUTION_PEOPLE]
    if min(len(made), len(firsts)) < 2:
        return None
    samples = [
        diversity(one, evidence.metric)
        for one in evidence.reconstructions[:_DISTRIBUTION_PEOPLE]
        if len(one) > 1
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
    findings: Findings, evaluations: list[Evaluation], pseudonym: Callable[[str], str]
) -> list[Json]:
    """Return everybody attacked, the most at risk first."""
    if not evaluations:
        return [{"pseudonym": pseudonym(name), "risk": None, "judges": {}} for name in findings.names]
    rates = np.stack(
        [risks(evidence, one.nonmated) for evidence, one in zip(findings.judges, evaluations, strict=True)]
    )
    risk = np.exp(np.log(rates).mean(0))
    return [
        {
            "pseudonym": pseudonym(findings.names[index]),
            "risk": float(risk[index]),
            "judges": {
                evidence.name: _identity(evidence, one, float(rates[number, index]), int(index))
                for number, (evidence, one) in enumerate(zip(findings.judges, evaluations, strict=True))
            },
        }
        for index in np.argsort(risk, kind="stable")
    ]


def _identity(evidence: VerifierEvidence, evaluation: Evaluation, rate: float, index: int) -> Json:
    second = evidence.second[index]
    similarities = similarity(evidence.reconstructions[index], second[None], evidence.metric)
    return {
        "stranger_rate": rate,
        "similarity": float(similarities.mean()),
        "floor": float(similarity(evidence.floor, second, evidence.metric)),
        "ceiling": float(similarity(evidence.source[index], second, evidence.metric)),
        "accepted": {
            fmr: float((similarities > threshold.value).mean())
            for fmr, threshold in evaluation.thresholds.items()
        },
    }


def _subgroups(
    findings: Findings, evaluations: list[Evaluation], groups: Groups, headline: str | None
) -> list[Json]:
    found = []
    for column, members in groups.items():
        few = 0
        for group in sorted({member for member in members if member is not None}):
            rows = np.array([index for index, member in enumerate(members) if member == group])
            if len(rows) < SMALLEST_GROUP:
                # Not even named: the name of a group of one may be that of a person.
                few += len(rows)
                continue
            entry: Json = {"grouping": column, "group": group, "identities": len(rows), "sar": None}
            if headline is not None:
                entry["sar"] = {
                    evidence.name: accepted(evidence.type_2[rows], one.thresholds[headline])
                    if headline in one.thresholds
                    else None
                    for evidence, one in zip(findings.judges, evaluations, strict=True)
                }
            found.append(entry)
        if few:
            other = f"groups of fewer than {SMALLEST_GROUP} people"
            found.append({"grouping": column, "group": other, "identities": few, "sar": None})
    return found
