"""The people most at risk, and subgroups."""

from typing import Any

from arcinvert.audit.report.document import Block, Paragraph, Table
from arcinvert.audit.report.text import RANKED, figure_text, number_text
from arcinvert.output.verdicts import fmr_text, one_in


def blocks(result: dict[str, Any]) -> list[Block]:
    """Return the section; empty without judges."""
    if not result["judges"]:
        return []
    names = [judge["name"] for judge in result["judges"]]
    more = len(result["identities"]) - RANKED
    found: list[Block] = [
        Paragraph(
            "Names are salted hashes; the key file, which is not part of the report, resolves them. Risk is "
            "the share of strangers' photographs that are as similar as the reconstruction, the geometric "
            "mean over judges and samples: the smaller, the worse."
            + (f" {more} more are in audit.json." if more > 0 else "")
        ),
        _ranking(result, names),
    ]
    if result["subgroups"]:
        found.append(_subgroups(result, names))
    return found


def _ranking(result: dict[str, Any], names: list[str]) -> Table:
    headline = result["answer"]["headline_fmr"]
    rows = []
    for place, entry in enumerate(result["identities"][:RANKED], 1):
        accepted = [entry["judges"][name]["accepted"].get(headline) for name in names]
        rows.append(
            (
                f"{place}. {entry['pseudonym']}",
                one_in(entry["risk"]),
                *(number_text(entry["judges"][name]["similarity"]) for name in names),
                *("-" if share is None else f"{share:.0%}" for share in accepted),
            )
        )
    header = (
        "identity",
        "strangers as similar",
        *(f"similarity, {name}" for name in names),
        *(f"accepted, {name}" for name in names),
    )
    return Table("Ranking by risk", header, tuple(rows))


def _subgroups(result: dict[str, Any], names: list[str]) -> Table:
    rows = [
        (
            f"{entry['grouping']}: {entry['group']}",
            str(entry["identities"]),
            *(
                "too few people" if entry["sar"] is None else figure_text(entry["sar"][name])
                for name in names
            ),
        )
        for entry in result["subgroups"]
    ]
    header = ("group", "identities", *(f"SAR, {name}" for name in names))
    return Table(f"Subgroups, SAR at {fmr_text(result['answer']['headline_fmr'])}", header, tuple(rows))
