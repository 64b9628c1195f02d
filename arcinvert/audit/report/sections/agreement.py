"""How far the judges agree on the reconstructions."""

from typing import Any

from arcinvert.audit.report.document import Block, Paragraph, Table
from arcinvert.audit.report.text import figure_text, type_text
from arcinvert.output.verdicts import fmr_text


def blocks(result: dict[str, Any]) -> list[Block]:
    """Return the section; empty with fewer than two judges, or without a rate that all support."""
    if not result["agreement"]:
        return []
    fmr = result["answer"]["headline_fmr"]
    return [
        Paragraph(
            "Equal verdicts are the share of reconstructions that both judges accept or both reject, each at "
            "its own threshold. Cohen's kappa is agreement beyond chance: 1 where they always agree, 0 where "
            "they agree as often as two judges who accept as many at random. It is left out where both "
            "accept all or none."
        ),
        Table(
            f"Agreement of judges on the attack, {type_text(result)} at {fmr_text(fmr)}",
            ("judges", "equal verdicts", "Cohen's kappa"),
            tuple(
                (" and ".join(entry["judges"]), figure_text(entry["equal"]), figure_text(entry["kappa"]))
                for entry in result["agreement"]
            ),
        ),
    ]
