"""Audit: walk through the report of `arcinvert audit`."""

from importlib.resources import files
from typing import Any

import gradio as gr

from app.context import Context, on_change, told
from app.html import note
from app.report import SECTIONS, read_report
from app.upload import Upload, report_input

#: An audit of eight held-out people of LFW, by pseudonyms.
EXAMPLE = "audit.json"


def example() -> list[Upload]:
    """The report that comes with the page."""
    return [Upload(EXAMPLE, files("app").joinpath(f"data/{EXAMPLE}").read_bytes())]


def build(context: Context) -> None:
    """Lay the tab out."""
    gr.HTML(
        note(
            "'arcinvert audit' measures how many of the templates or class centres that you hold can be "
            "turned into faces that pass. Choose its audit.json, and its HTML file too if it has pictures."
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
    section = gr.Radio(list(SECTIONS), value=SECTIONS[0], label="Section", visible=False, elem_id="section")
    shown = gr.HTML(elem_id="report-section")
    onward = gr.Button("Next section", visible=False)
    state: gr.State = gr.State(time_to_live=3600)

    def receive(sent: list[Upload] | None) -> dict[Any, Any]:
        if not sent:
            return {upload: None}
        sections, message = told(lambda: read_report(sent))
        there = sections is not None
        return {
            upload: None,
            section: gr.Radio(value=SECTIONS[0], visible=there),
            shown: sections[SECTIONS[0]] if sections else message,
            onward: gr.Button(visible=there),
            state: sections,
        }

    def show(name: str, sections: dict[str, str] | None) -> str:
        return sections[name] if sections else ""

    def walk(name: str, sections: dict[str, str] | None) -> tuple[str, str]:
        following = SECTIONS[(SECTIONS.index(name) + 1) % len(SECTIONS)]
        return following, show(following, sections)

    outputs = [upload, section, shown, onward, state]
    on_change(upload.upload, receive, [upload], outputs)
    on_change(use_example.click, lambda: receive(example()), [], outputs)
    on_change(section.input, show, [section, state], [shown])
    on_change(onward.click, walk, [section, state], [section, shown])
