"""The sections of an audit's report, each in a module of its own, in the order of the report."""

from collections.abc import Callable, Sequence
from typing import Any

from arcinvert.audit.report.document import Block, Heading, Picture, Title
from arcinvert.audit.report.sections import (
    acceptance,
    agreement,
    answer,
    attributes,
    curves,
    defences,
    faces,
    identification,
    method,
    people,
    pictures,
)
from arcinvert.audit.report.text import time_text

#: Title and content; a section without content is left out. A new section is one more line.
SECTIONS: tuple[tuple[str, Callable[[dict[str, Any]], list[Block]]], ...] = (
    ("Answer", answer.blocks),
    ("Accepted as the person", acceptance.blocks),
    ("Agreement of judges", agreement.blocks),
    ("Plots", curves.blocks),
    ("Identification and robustness", identification.blocks),
    ("Faces", faces.blocks),
    ("Attributes", attributes.blocks),
    ("Defences", defences.blocks),
    ("People at risk", people.blocks),
    ("Pictures", pictures.blocks),
    ("Method", method.blocks),
    ("Limits", method.limits),
    ("Reproducibility", method.reproducibility),
)


def section_blocks(result: dict[str, Any], shown: Sequence[Picture] = ()) -> dict[str, list[Block]]:
    """Return the blocks of every section that has any, by its title.

    Args:
        result: The content of audit.json.
        shown: The pictures to show.
    """
    found = {title: make(result) for title, make in SECTIONS}
    if shown:
        found["Pictures"] = pictures.sheet(shown)
    return {title: blocks for title, blocks in found.items() if blocks}


def audit_blocks(result: dict[str, Any], shown: Sequence[Picture] = ()) -> list[Block]:
    """Return the whole report of an audit."""
    blocks: list[Block] = [title_of(result)]
    for title, section in section_blocks(result, shown).items():
        blocks += [Heading(title), *section]
    return blocks


def title_of(result: dict[str, Any]) -> Title:
    """Return the title of an audit's report."""
    threat = result["threat_model"]
    return Title(
        f"Inversion audit of {threat['network']}",
        f"{time_text(result['created'])}, {result['schema']}, budget {threat['budget']}",
    )
