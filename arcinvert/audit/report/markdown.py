"""The document as Markdown: tables and text; plots and pictures are in the other forms."""

import re
from collections.abc import Sequence

from arcinvert.audit.report.document import (
    Block,
    Bullets,
    Code,
    Figure,
    Heading,
    Paragraph,
    Pictures,
    Table,
    Title,
    Verdict,
)

#: Characters that a Markdown reader may take for markup anywhere in a line.
_MARKUP = re.compile(r"([\\`*_\[\]<>!|~&])")
#: What a Markdown reader takes for a heading or a list at the beginning of a line.
_BEGINNING = re.compile(r"^(\s*\d*)([#+.)-])")


def to_markdown(blocks: Sequence[Block]) -> str:
    """Return the document as one text."""
    return "\n\n".join(_block(block) for block in blocks) + "\n"


def _block(block: Block) -> str:
    match block:
        case Title(text, below):
            return f"# {_plain(text)}\n\n{_plain(below)}"
        case Heading(text):
            return f"## {_plain(text)}"
        case Paragraph(text, strong):
            return f"**{_plain(text)}**" if strong else _plain(text)
        case Verdict(word, reason):
            return f"**{_plain(word.upper())}**: {_plain(reason)}"
        case Bullets(items):
            return "\n".join(f"- {_plain(item)}" for item in items)
        case Table():
            return _table(block)
        case Figure(_, caption, description):
            return f"*{_plain(caption)}. {_plain(description)} (The plot is in the HTML and PDF.)*"
        case Pictures(caption, rows):
            return f"{_plain(caption)} ({len(rows)} rows, in the HTML and PDF.)"
        case Code(text):
            return _code(text)


def _table(table: Table) -> str:
    lines = [
        _line(table.header),
        "| " + " | ".join("---" for _ in table.header) + " |",
        *map(_line, table.rows),
    ]
    return f"{_plain(table.caption)}:\n\n" + "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(_plain(cell) for cell in cells) + " |"


def _code(text: str) -> str:
    # A fence ends at a line with as many backticks as it began with.
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _plain(text: str) -> str:
    """Return text that no Markdown reader takes for markup."""
    escaped = _MARKUP.sub(r"\\\1", " ".join(text.splitlines()))
    return _BEGINNING.sub(r"\1\\\2", escaped)
