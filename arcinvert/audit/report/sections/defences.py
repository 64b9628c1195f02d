"""The tables of defences: what the attack still reconstructs, what a defence costs, and who attacks it."""

from typing import Any

from arcinvert.audit.report.document import Block, Bullets, Paragraph, Table
from arcinvert.audit.report.text import figure_text, fmr_text, number_text


def blocks(result: dict[str, Any]) -> list[Block]:
    """Return the section; empty if no defences were compared."""
    rows, headline = result["defences"], result["answer"]["headline_fmr"]
    if not rows:
        return []
    names = [judge["name"] for judge in result["judges"]]
    return [
        Paragraph(
            f"Every row is the same attack on the same {rows[0]['identities']} people with the same number "
            "of steps: it differs from the first row in the defence alone, where nothing else is said below. "
            "A keyed defence has a row for an adversary with the key, and one for an adversary without it. "
            "Template recovered is the cosine between the template and what the adversary inverts; with the "
            "share of accepted reconstructions (SAR) it measures irreversibility as ISO/IEC 24745 and 30136 "
            "call it."
        ),
        _attacked(rows, names, headline),
        Paragraph(
            "The true accept rate (TAR) is measured with one key for everybody, as if it were stolen. "
            "Unlinkability: D_sys says how well two records of one person under different keys can be "
            "linked, from 0 to 1; in brackets is what chance gives with so few pairs. Renewability: the "
            "share of people whose renewed record, of the same photograph under another key, is accepted in "
            "place of the old one; 0 is best, and 1 means that a stolen record cannot be revoked."
        ),
        _cost(rows),
        *_differences(rows),
        Table(
            "How the adversary of each defence estimates the template",
            ("defence", "key", "attacker", "public faces"),
            tuple(
                (
                    row["defence"],
                    row["key"] or "none",
                    row["attacker"],
                    "yes" if row["knowledge"] == "public-faces" else "no",
                )
                for row in rows
            ),
        ),
    ]


def _attacked(rows: list[dict[str, Any]], names: list[str], headline: str | None) -> Table:
    judged = (f"SAR; gap closed ({name})" for name in names)
    header = ("defence", "key", "adversary holds", "template recovered", *judged)
    return Table(
        f"Defences: what the attack still reconstructs ({fmr_text(headline)})",
        header,
        tuple(
            (
                row["defence"],
                row["key"] or "none",
                row["attacker_holds"],
                figure_text(row["irreversibility"], digits=2),
                *(_judged(row["judges"][name], headline) for name in names),
            )
            for row in rows
        ),
    )


def _judged(one: dict[str, Any], headline: str | None) -> str:
    sar = None if headline is None else one["sar"].get(headline)
    return f"{figure_text(sar, digits=2)}; {figure_text(one['gap_closed'], digits=2)}"


def _cost(rows: list[dict[str, Any]]) -> Table:
    header = (
        "defence",
        f"TAR at {fmr_text(rows[0]['tar_fmr'])}",
        "unlinkability: D_sys (chance)",
        "renewability: renewed records accepted",
    )
    return Table(
        "Defences: what they cost in verification, and what can be linked and renewed",
        header,
        tuple(
            (
                row["defence"],
                figure_text(row["tar"]),
                _linked(row["unlinkability"]),
                figure_text(row["renewability"]),
            )
            for row in rows
            # Both rows of a keyed defence have one cost.
            if row["key"] != "unknown"
        ),
    )


def _linked(figures: dict[str, Any]) -> str:
    if figures["d_sys"] is None:
        return "-"
    return f"{figures['d_sys']:.2f} ({number_text(figures['d_sys_floor'], 2)})"


def _differences(rows: list[dict[str, Any]]) -> list[Block]:
    items = tuple(
        f"{row['defence']}: {', '.join(f'{name} {text}' for name, text in row['differences'].items())}"
        for row in rows
        if row["differences"]
    )
    if not items:
        return []
    return [Paragraph("Rows whose attack differs from that of the first row in more:"), Bullets(items)]
