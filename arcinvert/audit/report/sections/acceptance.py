"""Shares of reconstructions that judges accept, and the thresholds that they accept at."""

from typing import Any

from arcinvert.audit.report.document import Block, Paragraph, Table
from arcinvert.audit.report.text import figure_text, number_text, type_text
from arcinvert.output.verdicts import fmr_text, one_in

#: What the judges compare with, by the type of the figures.
_PHOTOGRAPHS = {
    "type_1": "a photograph that the target came from",
    "type_2": "another photograph",
    "unknown": "a photograph that the target may have come from",
}
#: What SAR is reported of, by its name in audit.json.
_ROWS = {
    "type_2": "attack, {type} ({photograph})",
    "type_1": "attack, Type I (the template's photograph)",
    "best_of_n": "attack, {type}, best of N: the sample most similar to the target",
    "any_of_n": "attack, {type}, any of N: one of N attempts is accepted",
    "mean_face": "floor: mean face",
    "stranger": "floor: another person's reconstruction",
    "stranger_any_of_n": "floor: any of another person's N reconstructions",
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
            "identity. Intervals are 95 %, over people: those attacked, and those that the threshold was "
            "calibrated on. Shares with one sample of each person have exact intervals (Clopper and Pearson)."
        )
    ]
    for judge in result["judges"]:
        if judge["sar"]:
            found.append(_shares(judge, result))
        found.append(_thresholds(judge))
        refused = [threshold for threshold in judge["thresholds"] if threshold["refused"]]
        found += [Paragraph(_refusal(judge["name"], entry)) for entry in refused]
    return found


def _refusal(name: str, entry: dict[str, Any]) -> str:
    """Return why a judge has no threshold at a rate; the reason begins with the rate as options have it."""
    reason = entry["refused"].removeprefix(f"FMR {entry['fmr']:g}: ")
    return f"Refused for {name}, {fmr_text(entry['fmr'])}: {reason}."


def _shares(judge: dict[str, Any], result: dict[str, Any]) -> Table:
    first = next(iter(judge["sar"].values()))
    words = {
        "type": type_text(result),
        "photograph": _PHOTOGRAPHS[result["threat_model"]["reference"]["type"]],
    }
    rows = [
        (
            name.format(**words),
            *(figure_text(shares[kind]) for shares in judge["sar"].values()),
            str(first[kind]["comparisons"]),
        )
        for kind, name in _ROWS.items()
        if first[kind] is not None
    ]
    return Table(
        f"SAR judged by {judge['name']}, {first['type_2']['identities']} identities",
        ("picture", *map(fmr_text, judge["sar"]), "comparisons"),
        tuple(rows),
    )


def _thresholds(judge: dict[str, Any]) -> Table:
    """Return the error rates of real photographs, as ISO/IEC 19795-1 reports them: FNMR at fixed FMR."""
    counts = judge["calibration"]
    rows = [
        (
            one_in(entry["fmr"]),
            _threshold(entry),
            "refused" if entry["refused"] else figure_text(entry["realised_fmr"], digits=5),
            figure_text(_complement(entry["tar"])),
        )
        for entry in judge["thresholds"]
    ]
    caption = (
        f"Error rates of {judge['name']} on real photographs: {counts['nonmated']:,} nonmated and "
        f"{counts['mated']:,} mated comparisons of {counts['photographs']:,} photographs of "
        f"{counts['identities']:,} people outside the attack, all of whose photographs were compared"
    )
    header = (
        "FMR claimed",
        "accepts above [95 %]",
        "false match rate (FMR) [95 %]",
        "false non-match rate (FNMR) [95 %]",
    )
    return Table(caption, header, tuple(rows))


def _threshold(entry: dict[str, Any]) -> str:
    ends = (entry[name] for name in ("threshold", "threshold_low", "threshold_high"))
    value, low, high = (number_text(end, 4) for end in ends)
    shipped = " (shipped)" if entry["source"] == "shipped" else ""
    return "-" if entry["threshold"] is None else f"{value} [{low}, {high}]{shipped}"


def _complement(figure: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return 1 minus a share, with its interval."""
    if figure is None:
        return None
    return figure | {"value": 1 - figure["value"], "low": 1 - figure["high"], "high": 1 - figure["low"]}
