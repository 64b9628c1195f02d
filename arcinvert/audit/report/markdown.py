"""The document as Markdown: tables and words; plots and pictures are in the other forms."""

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


def to_markdown(blocks: Sequence[Block]) -> str:
    """The document as one text."""
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
            return f"**{word.upper()}**: {_plain(reason)}"
        case Bullets(items):
            return "\n".join(f"- {_plain(item)}" for item in items)
        case Table():
            return _table(block)
        case Figure(_, caption, description):
            return f"*{_plain(caption)}. {_plain(description)} (The plot is in the HTML and PDF.)*"
        case Pictures(caption, rows):
            return f"{_plain(caption)} ({len(rows)} rows, in the HTML and PDF.)"
        case Code(text):
            return f"```text\n{text}\n```"


def _table(table: Table) -> str:
    lines = [table.header, tuple("---" for _ in table.header), *table.rows]
    body = "\n".join("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)
    return f"{_plain(table.caption)}:\n\n{body}"


def _plain(text: str) -> str:
    """Text that no Markdown reader takes for markup."""
    for mark in ("\\", "|", "*", "_", "<", "`"):
        text = text.replace(mark, "\\" + mark)
    return text.replace("\n", " ")
