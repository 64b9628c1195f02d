"""The page: its header, its tabs and its look."""

from typing import Any

import gradio as gr
from gradio.themes.utils import fonts

from arcinvert.audit.report import SECTION_STYLE
from recognition.loading import BUNDLED

from . import resources
from .context import Context, attempt, on_change
from .controls import accept_any_number
from .html import note
from .tabs import audit, compare, identity, learn, photograph

#: Age at which uploaded files that were never used are deleted, and how often they are looked for, seconds.
UNUSED_SECONDS, CLEANING_SECONDS = 30, 10
#: Most calls of handlers that wait in Gradio's queue.
MAX_EVENTS = 200


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
    )
    return {"theme": theme, "css": resources.style() + SECTION_STYLE}


def describe(context: Context, name: str) -> str:
    """Return the chosen network and the device in one line."""

    def work() -> str:
        attacker = context.attacker(name)
        recogniser = attacker.recogniser
        classes = (
            "no class centres" if recogniser.centres is None else f"{len(recogniser.centres):,} identities"
        )
        return note(f"{recogniser.name}: {classes}. Attacks run on {attacker.device}.")

    described, message = attempt(work)
    return described or message


def build_page(context: Context) -> gr.Blocks:
    """Return the page, ready to launch."""
    settings = context.settings
    with gr.Blocks(
        title="arcinvert: what a face recogniser gives away",
        analytics_enabled=False,
        delete_cache=(CLEANING_SECONDS, UNUSED_SECONDS),
    ) as page:
        gr.Markdown(
            "# arcinvert\nWhat does a face recogniser give away? Use this page only for networks and people "
            "that you are allowed to examine: **images of people need their consent.**"
        )
        model = gr.Dropdown(
            settings.model_names(),
            value=BUNDLED,
            label="Network",
            info="The network that is attacked",
            elem_id="network",
        )
        about = gr.HTML(describe(context, BUNDLED))
        on_change(model.change, lambda name: describe(context, name), [model], [about])
        with gr.Tabs():
            with gr.Tab("From an identity", id="identity"):
                wanted = identity.build(context, model)
            with gr.Tab("From a photograph", id="photograph"):
                chosen = photograph.build(context, model)
            with gr.Tab("Compare recipes", id="compare"):
                compare.build(context, model, wanted, chosen)
            with gr.Tab("Audit", id="audit"):
                audit.build(context)
            with gr.Tab("Learn", id="learn"):
                learn.build(context)

        def leave(request: gr.Request) -> None:
            context.jobs.abandon(request.session_hash)

        page.unload(leave)
    accept_any_number(page)
    # The jobs have a queue of their own, and the light handlers do not fill this one.
    page.queue(max_size=MAX_EVENTS, default_concurrency_limit=1)
    return page
