"""The table of defences."""

from typing import Any

from arcinvert.audit.report.document import Block, Paragraph, Table
from arcinvert.audit.report.text import figure_text, number_text


def blocks(result: dict[str, Any]) -> list[Block]:
    """Return the section; empty if no defences were compared."""
    rows, headline = result["defences"], result["answer"]["headline_fmr"]
    if not rows:
        return []
    names = [judge["name"] for judge in result["judges"]]
    return [
        Paragraph(
            f"Every row is the same attack on the same {rows[0]['identities']} people with the same number "
            "of steps. The adversary holds the keys of keyed defences, and their true accept rate (TAR) is "
            "measured with one key for everybody, as if it were stolen. Template recovered is the cosine "
            "between the template and what the adversary inverts. D_sys says how well two records of one "
            "person under different keys can be linked, from 0 to 1; in brackets is what chance gives with "
            "so few pairs."
        ),
        Table(
            f"Defences: what the attack still reconstructs, and what they cost (FMR {headline or 'refused'})",
            (
                "defence",
                "adversary holds",
                "template recovered",
                *(f"SAR; gap closed ({name})" for name in names),
                f"TAR at FMR {rows[0]['tar_fmr']:g}",
                "D_sys (chance)",
            ),
            tuple(_row(entry, names, headline) for entry in rows),
        ),
    ]


def _row(entry: dict[str, Any], names: list[str], headline: str | None) -> tuple[str, ...]:
    judged = []
    for name in names:
        one = entry["judges"][name]
        sar = None if headline is None else one["sar"].get(headline)
        judged.append(f"{figure_text(sar, digits=2)}; {figure_text(one['gap_closed'], digits=2)}")
    linked = "-"
    if entry["linkability"] is not None:
        linked = f"{entry['linkability']:.2f} ({number_text(entry['linkability_floor'], 2)})"
    return (
        entry["defence"],
        entry["attacker_holds"],
        figure_text(entry["template_recovered"], digits=2),
        *judged,
        figure_text(entry["tar"]),
        linked,
    )
