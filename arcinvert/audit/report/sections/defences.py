"""The tables of defences: what the attack still reconstructs, what a defence costs, and who attacks it."""

from typing import Any

from arcinvert.audit.report.document import Block, Bullets, Paragraph, Table
from arcinvert.audit.report.text import figure_text, number_text
from arcinvert.output.verdicts import fmr_text


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
            "call it. Its floor is the cosine of what all people share, its ceiling that of another "
            "photograph of the person."
        ),
        _attacked(rows, names, headline),
        *_to_the_first(rows, names, headline),
        Paragraph(
            "The true accept rate (TAR) is measured with one key for everybody, as if it were stolen. "
            "Unlinkability: D_sys says how well two records of one person under different keys can be "
            "linked, from 0 to 1; in brackets is what chance gives with so few pairs: the mean, and the "
            "range of 95 % of assignments at random. Renewability: the share of people whose renewed record, "
            "of the same photograph under another key, is accepted in place of the old one; 0 is best, and 1 "
            "means that a stolen record cannot be revoked."
        ),
        _cost(rows),
        *_refused(rows),
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
                *(_judged(row["judges"][name], "sar", "gap_closed", headline) for name in names),
            )
            for row in rows
        )
        + _ends(rows[0], names, headline),
    )


def _judged(one: dict[str, Any], sar: str, gap: str, headline: str | None) -> str:
    share = None if headline is None else one.get(sar, {}).get(headline)
    return f"{figure_text(share, digits=2)}; {figure_text(one.get(gap), digits=2)}"


def _ends(first: dict[str, Any], names: list[str], headline: str | None) -> tuple[tuple[str, ...], ...]:
    """Return the rows of the floor and of the ceiling; none of an audit that does not have them."""
    if not all("ceiling" in first["judges"][name] for name in names):
        return ()
    found = []
    for title, end, kind, gap in (
        ("floor: mean face", "irreversibility_floor", "mean_face", "0"),
        ("ceiling: real photograph", "irreversibility_ceiling", "ceiling", "1"),
    ):
        shares = (None if headline is None else first["judges"][name][kind].get(headline) for name in names)
        judged = (f"{figure_text(share, digits=2)}; {gap}" for share in shares)
        found.append((title, "none", "-", figure_text(first[end], digits=2), *judged))
    return tuple(found)


def _to_the_first(rows: list[dict[str, Any]], names: list[str], headline: str | None) -> list[Block]:
    """Return the differences to the first row; nothing of an audit that does not have them."""
    others = [row for row in rows if all("sar_difference" in row["judges"][name] for name in names)]
    if not others:
        return []
    return [
        Table(
            f"Differences to no defence, person by person ({fmr_text(headline)})",
            ("defence", "key", *(f"SAR; gap closed ({name})" for name in names)),
            tuple(
                (
                    row["defence"],
                    row["key"] or "none",
                    *(
                        _judged(row["judges"][name], "sar_difference", "gap_difference", headline)
                        for name in names
                    ),
                )
                for row in others
            ),
        )
    ]


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
    if figures.get("figure") is None:
        # Of an audit that has no interval of it.
        return f"{figures['d_sys']:.2f} ({number_text(figures['d_sys_floor'], 2)})"
    return f"{figure_text(figures['figure'], digits=2)} ({figure_text(figures['chance'], digits=2)})"


def _refused(rows: list[dict[str, Any]]) -> list[Block]:
    """Return why figures of the cost are missing, each reason once."""
    reasons = [
        (title, reason)
        for row in rows
        for title, reason in (
            ("TAR", row["tar_refused"]),
            ("unlinkability", row["unlinkability"].get("refused")),
            ("renewability", row.get("renewability_refused")),
        )
        if reason
    ]
    return [Paragraph(f"No {title}: {reason}.") for title, reason in dict.fromkeys(reasons)]


def _differences(rows: list[dict[str, Any]]) -> list[Block]:
    items = tuple(
        f"{row['defence']}: {', '.join(f'{name} {text}' for name, text in row['differences'].items())}"
        for row in rows
        if row["differences"]
    )
    if not items:
        return []
    return [Paragraph("Rows whose attack differs from that of the first row in more:"), Bullets(items)]
