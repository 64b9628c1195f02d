"""Compare two finished audits side by side."""

from pathlib import Path
from typing import Any

from arcinvert.audit.report import read_audit, write_report
from arcinvert.audit.report.document import Block, Bullets, Heading, Paragraph, Table, Title
from arcinvert.audit.report.text import figure_text, number_text
from recognition.errors import InputError

#: The version of comparison.json's fields.
COMPARISON_SCHEMA = "arcinvert-audit-comparison-2"
#: What must be equal for the figures of two audits to be of one attack.
_SAME = ("samples", "steps", "level", "held")


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
    rows = []
    for name in common:
        first, second = judges[0][name], judges[1][name]
        for fmr in first["sar"]:
            if fmr in second["sar"]:
                figures = [one["sar"][fmr]["type_2"] for one in (first, second)]
                rows.append({"judge": name, "fmr": fmr, "before": figures[0], "after": figures[1]})
    differences = _differences(*audits)
    result = {
        "schema": COMPARISON_SCHEMA,
        "created": max(audit["created"] for audit in audits),
        "before": audits[0]["reproducibility"]["attacked"],
        "after": audits[1]["reproducibility"]["attacked"],
        "differences": differences,
        "sar": rows,
        "gap_closed": {name: [one[name]["gap_closed"] for one in judges] for name in common},
        "answer": {"sentences": _sentences(rows, differences)},
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
    people = [{entry["pseudonym"] for entry in audit["identities"]} for audit in (before, after)]
    if people[0] != people[1]:
        found.append(
            f"people: {len(people[0] & people[1])} of {len(people[0] | people[1])} are in both (pseudonyms "
            "agree only under one key file)"
        )
    return found


def _sentences(rows: list[dict[str, Any]], differences: list[str]) -> list[str]:
    sentences = []
    for row in rows:
        before, after = row["before"], row["after"]
        if after["low"] > before["high"]:
            word = "it rises"
        elif after["high"] < before["low"]:
            word = "it falls"
        else:
            word = "no difference can be shown"
        sentences.append(
            f"{row['judge']}, SAR at FMR {row['fmr']}: {before['value']:.3f} before, {after['value']:.3f} "
            f"after: {word}."
        )
    if differences:
        sentences.append(f"Not the same audit: {'; '.join(differences)}.")
    return sentences or ["No false match rate is supported by both audits."]


def _blocks(result: dict[str, Any]) -> list[Block]:
    rows = tuple(
        (f"{row['judge']}, FMR {row['fmr']}", figure_text(row["before"]), figure_text(row["after"]))
        for row in result["sar"]
    )
    gaps = tuple(
        (name, *(number_text(value) for value in values)) for name, values in result["gap_closed"].items()
    )
    names = [result[side]["name"] for side in ("before", "after")]
    hashes = tuple(
        f"{side}: {result[side]['name']}, SHA-256 {result[side]['sha256']}" for side in ("before", "after")
    )
    return [
        Title(f"Two audits: {names[0]} and {names[1]}", f"{result['created']}, {result['schema']}"),
        Heading("Answer"),
        *(Paragraph(sentence, strong=True) for sentence in result["answer"]["sentences"]),
        Heading("Figures"),
        Table("SAR, the share of accepted reconstructions, Type II", ("judge", "before", "after"), rows),
        Table("Gap closed", ("judge", "before", "after"), gaps),
        Paragraph(
            "A rise or a fall is reported only if the 95 % intervals do not overlap, which is cautious."
        ),
        Heading("Networks"),
        Bullets(hashes),
    ]
