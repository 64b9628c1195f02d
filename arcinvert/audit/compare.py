"""Compare two finished audits side by side, paired by person where they attacked the same people."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.report import read_audit, write_report
from arcinvert.audit.report.document import Block, Bullets, Heading, Paragraph, Table, Title
from arcinvert.audit.report.text import figure_text, time_text, type_text
from arcinvert.output.verdicts import fmr_text
from recognition.errors import InputError
from recognition.metrics.intervals import (
    Estimate,
    difference_of,
    estimate_ratio_difference,
    estimate_share_difference,
)
from recognition.metrics.thresholds import AcceptedShare, accepted_difference

#: The version of comparison.json's fields.
COMPARISON_SCHEMA = "arcinvert-audit-comparison-3"
#: What must be equal for the figures of two audits to be of one attack.
_SAME = ("samples", "steps", "level", "held")
#: What is said of the people of audits whose pseudonyms do not agree.
_CANNOT_TELL = (
    "whether both audits attacked the same ones cannot be told, as each has a key file of its own; give both "
    "audits one --key-file, by which people are paired"
)


def compare(before: Path, after: Path, out: Path) -> dict[str, Any]:
    """Compare two audits, write the comparison, and return the content of comparison.json.

    Args:
        before: The folder of a finished audit.
        after: The folder of another one.
        out: The folder to write.

    Raises:
        InputError: If an audit is missing or damaged, they have no judge in common, or `out` cannot be
            written.
    """
    audits = [read_audit(folder) for folder in (before, after)]
    judges = [{judge["name"]: judge for judge in audit["judges"]} for audit in audits]
    common = [name for name in judges[0] if name in judges[1]]
    if not common:
        raise InputError(
            "audit-compare: expected audits with a judge in common, got none; give both the same --judges"
        )
    people = _common_people(*audits)
    rows = []
    for name in common:
        first, second = judges[0][name], judges[1][name]
        for fmr in first["sar"]:
            if fmr in second["sar"]:
                old, new = (one["sar"][fmr]["type_2"] for one in (first, second))
                difference = difference_of(Estimate(**new), Estimate(**old))
                if people:
                    difference = _paired_difference(people, first, second, fmr)
                rows.append(
                    {
                        "judge": name,
                        "fmr": fmr,
                        "before": old,
                        "after": new,
                        "difference": asdict(difference),
                    }
                )
    differences = _differences(*audits)
    result = {
        "schema": COMPARISON_SCHEMA,
        "created": max(audit["created"] for audit in audits),
        "before": audits[0]["reproducibility"]["attacked"],
        "after": audits[1]["reproducibility"]["attacked"],
        "differences": differences,
        "type": " and ".join(dict.fromkeys(map(type_text, audits))),
        "sar": rows,
        "paired_people": len(people),
        "one_key_file": _one_key(*audits),
        "gap_closed": [_gap_row(people, name, judges[0][name], judges[1][name]) for name in common],
        "answer": {"sentences": _sentences(rows, differences, len(people), one_key=_one_key(*audits))},
    }
    write_report(result, _blocks(result), out, stem="comparison", json_name="comparison.json")
    return result


def _differences(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Return why the two are not of one attack on the same people, if they are not."""
    found = [
        f"{key}: {before['threat_model'][key]} before, {after['threat_model'][key]} after"
        for key in _SAME
        if before["threat_model"][key] != after["threat_model"][key]
    ]
    for what, old, new in (
        ("access", *(_kind_of_access(one) for one in (before, after))),
        ("recipe", *(one["reproducibility"]["plan"]["recipe"] for one in (before, after))),
        ("changes of the recipe", *(one["reproducibility"]["plan"]["changes"] for one in (before, after))),
    ):
        if old != new:
            found.append(f"{what}: {old or 'none'} before, {new or 'none'} after")
    judges = [{judge["name"]: judge for judge in audit["judges"]} for audit in (before, after)]
    for name in [name for name in judges[0] if name in judges[1]]:
        first, second = judges[0][name], judges[1][name]
        if first["sha256"] != second["sha256"]:
            found.append(f"judge {name}: another network of the same name")
        thresholds = [
            {one["fmr"]: one["threshold"] for one in judge["thresholds"]} for judge in (first, second)
        ]
        if any(thresholds[0][fmr] != thresholds[1][fmr] for fmr in thresholds[0] if fmr in thresholds[1]):
            found.append(f"judge {name}: thresholds by other photographs")
    people = [{entry["pseudonym"] for entry in audit["identities"]} for audit in (before, after)]
    if not _one_key(before, after):
        found.append(f"people: {_CANNOT_TELL}")
    elif people[0] != people[1]:
        found.append(f"people: {len(people[0] & people[1])} of {len(people[0] | people[1])} are in both")
    return found


def _one_key(before: dict[str, Any], after: dict[str, Any]) -> bool:
    """Return whether a person has one pseudonym in both audits."""
    return bool(before["people"]["key"] == after["people"]["key"])


def _kind_of_access(audit: dict[str, Any]) -> str:
    return str(audit["threat_model"].get("access", {}).get("kind", "weights"))


def _common_people(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[Any, Any]]:
    """Return what both audits say of each person, if both attacked the same people; else nothing.

    Figures of different people are compared without pairing: a few in common would stand for all.
    """
    if not _one_key(before, after):
        return []
    known = {entry["pseudonym"]: entry["judges"] for entry in after["identities"]}
    names = [entry["pseudonym"] for entry in before["identities"]]
    if set(names) != set(known) or len(names) != len(known):
        return []
    return [(entry["judges"], known[entry["pseudonym"]]) for entry in before["identities"]]


def _paired_difference(
    people: list[tuple[Any, Any]], before: dict[str, Any], after: dict[str, Any], fmr: str
) -> Estimate:
    """Return by how much the share that a judge accepts rises, paired by person.

    Args:
        people: What both audits say of each person.
        before: The judge, as in the first audit.json.
        after: The same judge, as in the second one.
        fmr: The false match rate.
    """
    name = before["name"]
    shares = np.array([[side[name]["accepted"][fmr] for side in pair] for pair in people], dtype=np.float64)
    own = estimate_share_difference(shares[:, 1], shares[:, 0])
    thresholds = [_threshold(judge, fmr) for judge in (before, after)]
    one_threshold = thresholds[0] == thresholds[1] and before["sha256"] == after["sha256"]
    return accepted_difference(own, _share(after, fmr), _share(before, fmr), one_threshold=one_threshold)


def _threshold(judge: dict[str, Any], fmr: str) -> tuple[float, ...]:
    """Return a judge's threshold at a false match rate, with the ends of its interval."""
    entry = next(one for one in judge["thresholds"] if f"{one['fmr']:g}" == fmr)
    return tuple(entry[part] for part in ("threshold", "threshold_low", "threshold_high"))


def _share(judge: dict[str, Any], fmr: str) -> AcceptedShare:
    sar = judge["sar"][fmr]
    return AcceptedShare(sar["type_2"]["value"], **sar["type_2_at_ends"])


def _gap_row(
    people: list[tuple[Any, Any]], judge: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a judge's gap closed before and after, and the difference; None where there is no gap."""
    figures = [one["gap_closed"] for one in (before, after)]
    difference = None
    if None not in figures:
        if people:
            difference = estimate_ratio_difference(
                *(part for side in (1, 0) for part in _gaps([pair[side][judge] for pair in people]))
            )
        else:
            difference = difference_of(Estimate(**figures[1]), Estimate(**figures[0]))
    return {
        "judge": judge,
        "before": figures[0],
        "after": figures[1],
        "difference": None if difference is None else asdict(difference),
    }


def _gaps(entries: list[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return how far above the floor each person's similarity and ceiling are, each (people,)."""
    names = ("similarity", "floor", "ceiling")
    value, floor, ceiling = (np.array([entry[name] for entry in entries], np.float64) for name in names)
    return value - floor, ceiling - floor


def _sentences(
    rows: list[dict[str, Any]], differences: list[str], paired: int, *, one_key: bool
) -> list[str]:
    people = f"paired by {paired:,} people" if paired else "of different people" if one_key else "not paired"
    sentences = []
    for row in rows:
        change = row["difference"]
        if change["low"] > 0:
            word = "it rises"
        elif change["high"] < 0:
            word = "it falls"
        else:
            word = "no difference can be shown"
        sentences.append(
            f"{row['judge']}, SAR at {fmr_text(row['fmr'])}: {figure_text(row['before'])} before, "
            f"{figure_text(row['after'])} after, difference {figure_text(change)} {people}: {word}."
        )
    if differences:
        sentences.append(f"Not the same audit: {'; '.join(differences)}.")
    return sentences or ["No false match rate is supported by both audits."]


def _blocks(result: dict[str, Any]) -> list[Block]:
    rows = tuple((f"{row['judge']}, {fmr_text(row['fmr'])}", *_figures(row)) for row in result["sar"])
    gaps = tuple((row["judge"], *_figures(row)) for row in result["gap_closed"])
    header = ("judge", "before", "after", "difference")
    paired = result["paired_people"]
    names = [result[side]["name"] for side in ("before", "after")]
    hashes = tuple(
        f"{side}: {result[side]['name']}, SHA-256 {result[side]['sha256']}" for side in ("before", "after")
    )
    if paired:
        how = f"Both audits attacked the same {paired:,} people: the difference is paired by person. "
    elif result["one_key_file"]:
        how = "The audits attacked different people: the difference is not paired. "
    else:
        how = f"The difference is not paired: {_CANNOT_TELL}. "
    return [
        Title(
            f"Two audits: {names[0]} and {names[1]}", f"{time_text(result['created'])}, {result['schema']}"
        ),
        Heading("Answer"),
        *(Paragraph(sentence, strong=True) for sentence in result["answer"]["sentences"]),
        Heading("Figures"),
        Table(f"SAR, the share of accepted reconstructions, {result['type']}", header, rows),
        Table("Gap closed", header, gaps),
        Paragraph(
            f"{how}A rise or a fall is reported only if its 95 % interval leaves out 0. Intervals of "
            "differences of SAR have the uncertainty of both thresholds in them."
        ),
        Heading("Networks"),
        Bullets(hashes),
    ]


def _figures(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(figure_text(row[part]) for part in ("before", "after", "difference"))
