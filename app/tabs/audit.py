"""The Audit tab: reads the report of `arcinvert audit`."""

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from arcinvert import InputError
from arcinvert.audit.report import read_audit, sections

from .. import resources
from ..context import Context, attempt, on_change
from ..html import note
from ..settings import STATE_SECONDS
from ..upload import Upload, report_input

#: The report of an audit of eight held-out people of LFW, by pseudonyms.
EXAMPLE = "audit.json"
#: The section that shows the pictures of the report's HTML file, which audit.json does not contain.
PICTURES = "Pictures"
_HTML_SUFFIXES = (".html", ".htm")


def example() -> list[Upload]:
    """Return the report that comes with the page."""
    return [Upload(EXAMPLE, resources.data(EXAMPLE))]


def read_report(uploads: Sequence[Upload]) -> dict[str, str]:
    """Return the sections of a report as HTML, by title.

    Args:
        uploads: The report's audit.json, and its HTML file if its pictures are to be shown.

    Raises:
        InputError: If there is no audit.json, or it is something else or damaged.
    """
    pages = [upload for upload in uploads if upload.name.lower().endswith(_HTML_SUFFIXES)]
    others = [upload for upload in uploads if upload not in pages]
    if len(others) != 1 or len(pages) > 1:
        raise InputError("report: expected one audit.json, and at most one HTML file; choose them again")
    found = sections(read_audit(others[0].data, name=others[0].name))
    shown = {title: f'<div class="audit-report">{html}</div>' for title, html in found.items()}
    shown[PICTURES] = _pictures(pages)
    return shown


def _pictures(pages: Sequence[Upload]) -> str:
    if not pages:
        return note(
            "audit.json contains no pictures. To see them here, choose it together with the report's HTML "
            "file of an audit that was made with pictures."
        )
    # Anybody may have made the file: it gets no scripts, no forms and no origin.
    return (
        f'<iframe class="ai-page" sandbox="" title="The report with its pictures" '
        f'srcdoc="{escape(pages[0].data.decode("utf-8", "replace"))}"></iframe>'
    )


def build(context: Context) -> None:
    """Lay out the tab."""
    gr.HTML(
        note(
            "An audit measures how many of the templates or class centres that you hold can be turned into "
            "faces that a recogniser accepts. The command 'arcinvert audit' makes one. Open its audit.json "
            "here, together with its HTML file if the report has pictures."
        )
    )
    with gr.Row():
        upload = report_input(
            label="audit.json, and the report's HTML file",
            file_types=[".json", ".html"],
            height=150,
            elem_id="report",
        )
        use_example = gr.Button("Open the example report", min_width=160)
    section = gr.Radio([], label="Section", visible=False, elem_id="section")
    shown = gr.HTML(elem_id="report-section")
    onward = gr.Button("Next section", visible=False)
    state: gr.State = gr.State(time_to_live=STATE_SECONDS)

    def receive(files: list[Upload] | None) -> dict[Any, Any]:
        if not files:
            return {upload: None}
        found, message = attempt(lambda: read_report(files))
        titles = list(found or {})
        return {
            upload: None,
            section: gr.Radio(choices=titles, value=titles[0] if titles else None, visible=bool(titles)),
            shown: found[titles[0]] if found else message,
            onward: gr.Button(visible=bool(titles)),
            state: found,
        }

    def show(title: str, found: dict[str, str] | None) -> str:
        return found[title] if found else ""

    def advance(title: str, found: dict[str, str] | None) -> tuple[str, str]:
        titles = list(found or {title: ""})
        following = titles[(titles.index(title) + 1) % len(titles)]
        return following, show(following, found)

    outputs = [upload, section, shown, onward, state]
    on_change(upload.upload, receive, [upload], outputs)
    on_change(use_example.click, lambda: receive(example()), [], outputs)
    on_change(section.input, show, [section, state], [shown])
    on_change(onward.click, advance, [section, state], [section, shown])
