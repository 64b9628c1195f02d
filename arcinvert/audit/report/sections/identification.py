"""Ranks in a gallery, mean similarities, robustness, and what the attacked network itself accepts."""

from typing import Any

from arcinvert.audit.report.document import Block, Paragraph, Table
from arcinvert.audit.report.text import figure_text, type_text
from arcinvert.output.verdicts import fmr_text


def blocks(result: dict[str, Any]) -> list[Block]:
    """Return the section; empty without judges."""
    judges = result["judges"]
    if not judges:
        return []
    found: list[Block] = [_ranks(judges), _similarities(judges, type_text(result))]
    robustness = _robustness(judges, type_text(result))
    if robustness.rows:
        found.append(robustness)
    gaps = [
        (f"{judge['name']}, {fmr_text(fmr)}", figure_text(figure))
        for judge in judges
        for fmr, figure in judge["attacked_minus_judge"].items()
    ]
    if gaps:
        found += [
            Table(
                "SAR judged by the attacked network itself, minus the judge's",
                ("judge", "difference"),
                tuple(gaps),
            ),
            Paragraph("An audit that trusted the attacked network would overstate the attack by this much."),
        ]
    return found


def _ranks(judges: list[dict[str, Any]]) -> Table:
    rows = []
    for judge in judges:
        rank = judge["rank"]
        for k in ("1", "5"):
            rows.append(
                (
                    f"{judge['name']}, rank-{k} of {rank['gallery']}",
                    figure_text(rank["attack"][k]),
                    f"{rank['chance'][k]:.4f}",
                    figure_text(rank["mean_face"][k]),
                    figure_text(rank["ceiling"][k]),
                )
            )
    header = ("judge", "attack", "chance", "mean face", "real photograph")
    return Table("Found in a gallery with one photograph of each person", header, tuple(rows))


def _similarities(judges: list[dict[str, Any]], of_type: str) -> Table:
    rows = [
        (
            judge["name"],
            *(figure_text(judge["similarities"][kind]) for kind in ("type_1", "type_2", "floor", "ceiling")),
            figure_text(judge["gap_closed"]),
        )
        for judge in judges
    ]
    return Table(
        "Mean similarity, and the share of the gap between floor and ceiling that is closed",
        ("judge", "Type I, the template's photograph", of_type, "floor", "ceiling", "gap closed"),
        tuple(rows),
    )


def _robustness(judges: list[dict[str, Any]], of_type: str) -> Table:
    transforms = list(judges[0]["robustness"])
    rows = [
        (
            f"{judge['name']}, {fmr_text(fmr)}",
            *(figure_text(judge["robustness"].get(name, {}).get(fmr)) for name in transforms),
        )
        for judge in judges
        for fmr in judge["sar"]
    ]
    return Table("Robustness to image processing", (f"SAR, {of_type}, after", *transforms), tuple(rows))
