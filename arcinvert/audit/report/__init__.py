"""The report: one document, written as HTML, PDF and Markdown, beside the JSON that it was made of."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arcinvert.audit.report.document import Block, Picture
from arcinvert.audit.report.html import to_html
from arcinvert.audit.report.markdown import to_markdown
from arcinvert.audit.report.pdf import to_pdf
from arcinvert.output.folder import write_json
from recognition.errors import InputError
from recognition.images import atomic_path

JSON_NAME = "audit.json"


def write_report(
    result: dict[str, Any], blocks: Sequence[Block], out: Path, *, stem: str, json_name: str
) -> None:
    """Write a document and its JSON to a folder, each file whole or not at all.

    Args:
        result: the JSON; its `created` dates the PDF.
        stem: of the documents' names.

    Raises:
        InputError: the folder cannot be written.
    """
    title = f"{stem}: {result['schema']}"
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); choose another --out") from None
    with atomic_path(out / f"{stem}.html") as temporary:
        temporary.write_text(to_html(blocks), encoding="utf-8")
    with atomic_path(out / f"{stem}.md") as temporary:
        temporary.write_text(to_markdown(blocks), encoding="utf-8")
    with atomic_path(out / f"{stem}.pdf") as temporary:
        temporary.write_bytes(to_pdf(blocks, title=title, created=str(result["created"])))
    # The JSON last: who finds it finds the rest.
    with atomic_path(out / json_name) as temporary:
        write_json(temporary, result)


__all__ = ["JSON_NAME", "Block", "Picture", "write_report"]
