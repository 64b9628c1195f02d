"""Shares of reconstructions that judges accept, and the thresholds that they accept at."""

from typing import Any

from arcinvert.audit.report.document import Block, Paragraph, Table
from arcinvert.audit.report.text import figure_text, number_text

#: What SAR is reported of, by its name in audit.json.
_ROWS = {
    "type_2": "attack, Type II (another photograph)",
    "type_1": "attack, Type I (the template's photograph)",
    "mean_face": "floor: mean face",
    "stranger": "floor: another person's reconstruction",
    "ceiling": "ceiling: real photograph",
}


def blocks(result: dict[str, Any]) -> list[Block]:
    """Return the section; empty without judges."""
    if not result["judges"]:
        return []
    found: list[Block] = [
        Paragraph(
            "SAR is the share of reconstructions that a judge accepts. SAR at FMR t is measured at the "
            "threshold where a share t of pairs of real photographs of different people is accepted (false "
            "match rate). Type II compares with another photograph than the template's, and measures "
            "identity. Intervals are 95 %, by bootstrap over identities with 2,000 replicates."
        )
    ]
    for judge in result["judges"]:
        if judge["sar"]:
            found.append(_shares(judge))
        found.append(_thresholds(judge))
        refused = [threshold for threshold in judge["thresholds"] if threshold["refused"]]
        found += [Paragraph(f"Refused for {judge['name']}: {entry['refused']}.") for entry in refused]
    return found


def _shares(judge: dict[str, Any]) -> Table:
    first = next(iter(judge["sar"].values()))
    rows = [
        (
            name,
            *(figure_text(shares[kind]) for shares in judge["sar"].values()),
            str(first[kind]["comparisons"]),
        )
        for kind, name in _ROWS.items()
        if first[kind] is not None
    ]
    return Table(
        f"SAR judged by {judge['name']}, {first['type_2']['identities']} identities",
        ("picture", *(f"FMR {fmr}" for fmr in judge["sar"]), "comparisons"),
        tuple(rows),
    )


def _thresholds(judge: dict[str, Any]) -> Table:
    counts = judge["calibration"]
    rows = [
        (
            f"{entry['fmr']:g}",
            "refused" if entry["refused"] else number_text(entry["realised_fmr"], 6),
            number_text(entry["threshold"], 4),
            number_text(entry["tar"], 4),
        )
        for entry in judge["thresholds"]
    ]
    caption = (
        f"Thresholds of {judge['name']}: {counts['nonmated']:,} nonmated and {counts['mated']:,} mated pairs "
        f"of {counts['photographs']:,} photographs of {counts['identities']:,} people outside the attack"
    )
    header = ("FMR", "realised FMR", "accepts above", "true accept rate (TAR) of real pairs")
    return Table(caption, header, tuple(rows))
