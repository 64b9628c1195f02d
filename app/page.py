"""The page: its header, its tabs and its look."""

from collections.abc import Iterator
from typing import Any

import gradio as gr
from gradio.themes.utils import fonts

from arcinvert.audit.report import SECTION_STYLE
from recognition.loading import BUNDLED

from . import resources
from .context import Context, on_change
from .controls import accept_any_number
from .guard import refuse_other_values
from .networks import descriptions, network_choices
from .opening import shipped_opening
from .restoring import connect_address
from .settings import MAX_UPLOAD
from .tabs import learn
from .tabs.audit import AuditTab
from .tabs.compare import CompareTab
from .tabs.identity import IdentityTab
from .tabs.photograph import PhotographTab
from .tabs.start import StartTab

#: Age at which uploaded files that were never used are deleted, and how often they are looked for, seconds.
UNUSED_SECONDS, CLEANING_SECONDS = 30, 10
#: Most calls of handlers that wait in Gradio's queue.
MAX_EVENTS = 200
HEADER = (
    '<header class="ai-header"><h1>What does a face recogniser give away?</h1><p>Use this page only for '
    "networks and people that you are allowed to examine: <b>images of people need their consent.</b></p>"
    "</header>"
)


def look() -> dict[str, Any]:
    """Return theme and style for `launch`, with fonts of the visitor's machine."""
    theme = gr.themes.Default(
        primary_hue="blue",
        neutral_hue="slate",
        font=[fonts.Font("system-ui"), fonts.Font("sans-serif")],
        font_mono=[fonts.Font("ui-monospace"), fonts.Font("monospace")],
    ).set(
        # The theme's own quiet text has too little contrast.
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        # White on the theme's own blue has a contrast of 3.7, and 4.5 is needed.
        color_accent="*primary_700",
        slider_color="*primary_700",
        slider_color_dark="*primary_400",
        link_text_color="*primary_700",
        link_text_color_dark="*primary_300",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_hover_dark="*primary_600",
    )
    script = f"<script>const MAX_UPLOAD = {MAX_UPLOAD};\n{resources.script()}</script>"
    return {"theme": theme, "css": resources.style() + SECTION_STYLE, "head": script}


def build_page(context: Context) -> gr.Blocks:
    """Return the page, ready to launch."""
    settings, opening = context.settings, shipped_opening()
    with gr.Blocks(
        title="arcinvert: what a face recogniser gives away",
        analytics_enabled=False,
        delete_cache=(CLEANING_SECONDS, UNUSED_SECONDS),
    ) as page:
        gr.HTML(HEADER)
        notice = gr.HTML(elem_id="notice")
        # It stands below the tabs: few visitors need it, and none before the first result.
        model = gr.Dropdown(
            network_choices(settings.model_names()),
            value=BUNDLED,
            label="Which recogniser is attacked",
            info="A recogniser is a network that turns a face into numbers, its template",
            elem_id="network",
            render=False,
        )
        with gr.Tabs() as tabs:
            with gr.Tab("See it", id="start") as tab:
                places = {"start": tab}
                start = StartTab(context, opening)
            with gr.Tab("From an identity", id="identity") as places["identity"]:
                people = IdentityTab(context, model, opening)
            with gr.Tab("From a photograph", id="photograph") as places["photograph"]:
                photographs = PhotographTab(context, model, opening)
            with gr.Tab("Compare recipes", id="compare") as places["compare"]:
                comparison = CompareTab(context, model, people.wanted, photographs.state)
            with gr.Tab("Audit", id="audit") as places["audit"]:
                audit = AuditTab(context, model)
            with gr.Tab("Learn", id="learn") as places["learn"]:
                attack = learn.build(context)
        with gr.Column(elem_classes="ai-network"):
            model.render()
            about = gr.HTML()

        def describe(name: str) -> Iterator[str]:
            yield from descriptions(context, name)

        on_change(model.change, describe, [model], [about])
        comparison.connect(places["compare"])
        audit.connect(places["audit"])
        start.connect(tabs, model, people, photographs)
        attack.click(
            lambda: gr.Tabs(selected="identity"),
            None,
            [tabs],
            js="() => { scrollTo(0, 0); return []; }",
            queue=False,
            show_progress="hidden",
            api_visibility="private",
        )
        restored = connect_address(
            context, page, tabs, places, model, people, photographs, notice, (comparison, audit)
        )
        # Afterwards: with the network of the address, and without replacing the person.
        on_change(restored.then, people.list_classes, *people.listing)
        on_change(restored.then, describe, [model], [about])

        def leave(request: gr.Request) -> None:
            context.jobs.abandon(request.session_hash)

        page.unload(leave)
    accept_any_number()
    refuse_other_values(page)
    # The jobs have a queue of their own, and the light handlers do not fill this one.
    page.queue(max_size=MAX_EVENTS, default_concurrency_limit=1)
    return page
