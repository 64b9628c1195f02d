"""The report of an audit: one document as HTML, PDF and Markdown, beside the JSON that it is made from.

Another page shows the same report with `read_audit`, `sections` and `SECTION_STYLE`.
"""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from arcinvert.audit.report.document import Block, Paragraph, Picture
from arcinvert.audit.report.html import SECTION_STYLE, fragment, to_html
from arcinvert.audit.report.markdown import to_markdown
from arcinvert.audit.report.pdf import to_pdf
from arcinvert.audit.report.reading import JSON_NAME, read_audit
from arcinvert.audit.report.rewording import reworded
from arcinvert.audit.report.sections import audit_blocks, section_blocks, title_of
from arcinvert.output.folder import json_text
from recognition.errors import InputError
from recognition.files import printable
from recognition.images import atomic_path

__all__ = ["JSON_NAME", "SECTION_STYLE", "read_audit", "sections", "write_audit", "write_report"]


def sections(
    result: dict[str, Any], reword: Callable[[str], str] = lambda sentence: sentence
) -> dict[str, str]:
    """Return the sections of an audit's report as HTML, by their titles; all text is escaped.

    Show them inside an element of the class `audit-report`, with `SECTION_STYLE`.

    Args:
        result: The content of audit.json, as `read_audit` returns it.
        reword: Returns a sentence as the page puts it.

    Raises:
        InputError: If a number cannot be shown.
    """
    title = title_of(result)
    try:
        found = {
            name: fragment(reworded(blocks, reword), f"section-{number}")
            for number, (name, blocks) in enumerate(section_blocks(result).items())
        }
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        # The file may come from anybody, and a plot of absurd numbers fails in many ways.
        raise InputError(
            f"{JSON_NAME}: damaged: cannot be shown ({type(error).__name__}: {str(error)[:80]}); audit again"
        ) from None
    first = next(iter(found))
    found[first] = fragment([Paragraph(f"{title.text}, {title.below}")], "title") + found[first]
    return found


def write_audit(result: dict[str, Any], pictures: Sequence[Picture], out: Path) -> None:
    """Write the report of an audit to a folder.

    Args:
        result: The content of audit.json.
        pictures: The pictures to show.
        out: The folder.

    Raises:
        InputError: If the folder cannot be written.
    """
    write_report(result, audit_blocks(result, pictures), out, stem="report", json_name=JSON_NAME)


def write_report(
    result: dict[str, Any], blocks: Sequence[Block], out: Path, *, stem: str, json_name: str
) -> None:
    """Write a document and its JSON to a folder, all files completely or none of them.

    Args:
        result: The JSON; its `created` dates the PDF.
        blocks: The document.
        out: The folder.
        stem: Begins the names of the documents.
        json_name: The name of the JSON file.

    Raises:
        InputError: If the folder cannot be written.
    """
    title = f"{stem}: {result['schema']}"
    contents: dict[str, str | bytes | bytearray] = {
        json_name: json_text(result) + "\n",
        f"{stem}.html": to_html(blocks),
        f"{stem}.md": to_markdown(blocks),
        f"{stem}.pdf": to_pdf(blocks, title=title, created=str(result["created"])),
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{printable(out)}: cannot be written ({error.strerror}); choose another --out"
        ) from None
    with contextlib.ExitStack() as stack:
        # The last one that is opened is put in its place first: where the JSON is, the rest is.
        for name, content in contents.items():
            temporary = stack.enter_context(atomic_path(out / name))
            temporary.write_bytes(content.encode() if isinstance(content, str) else content)
