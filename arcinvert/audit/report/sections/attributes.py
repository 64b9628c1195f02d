"""What reconstructions tell of a person besides the identity."""

from typing import Any

from arcinvert.audit.report.document import Block, Bullets, Paragraph, Table
from arcinvert.audit.report.text import figure_text, number_text


def blocks(result: dict[str, Any]) -> list[Block]:
    """Return the section; empty without photographs."""
    entries = result["attributes"]
    if not entries:
        return []
    found: list[Block] = [
        Paragraph(
            "How often a reconstruction is read as the class of the person, by a measure that was not "
            "attacked: pixels for skin tone, whose reference is another photograph of the person, and a "
            "linear probe on a judge's embeddings for the attributes of a file. By chance is the share that "
            "would be right if the same readings were dealt out among the people at random; kappa is the "
            "share beyond chance, from 0 for readings at random to 1 for right ones. The mean face is the "
            "same reading for everybody, and the real photograph is another one of the person."
        )
    ]
    header = (
        *("attribute", "read by", "people", "right", "by chance", "kappa", "mean face", "real photograph"),
        "kappa, real photograph",
    )
    rows = tuple(_row(entry) for entry in entries if entry["refused"] is None)
    if rows:
        found.append(Table("Attributes read from reconstructions", header, rows))
    missing = tuple(
        f"{entry['attribute']}, {entry['measure']}: {entry['refused']}"
        for entry in entries
        if entry["refused"] is not None
    )
    if missing:
        found.append(Bullets(missing))
    return found


def _row(entry: dict[str, Any]) -> tuple[str, ...]:
    return (
        entry["attribute"],
        entry["measure"],
        str(entry["identities"]),
        figure_text(entry["right"]),
        number_text(entry["by_chance"]),
        figure_text(entry["kappa"]),
        figure_text(entry["floor"]),
        figure_text(entry["ceiling"]),
        figure_text(entry["ceiling_kappa"]),
    )
