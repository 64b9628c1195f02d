"""The whole page."""

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.themes.utils import fonts

from app.context import Context, on_change, told
from app.html import note
from app.settings import Settings
from app.tabs import audit, identity, ingredients, learn, photograph
from recognition.loading import BUNDLED, load
from recognition.runtime import choose_device

#: Files that were uploaded and never used are wiped when they are this old, seconds.
UNUSED = 60
_STYLE = Path(__file__).parent / "style.css"


def look() -> dict[str, Any]:
    """Theme and style, for `launch`: fonts of the visitor's own machine."""
    theme = gr.themes.Default(
        primary_hue="blue",
        neutral_hue="slate",
        font=[fonts.Font("system-ui"), fonts.Font("sans-serif")],
        font_mono=[fonts.Font("ui-monospace"), fonts.Font("monospace")],
    ).set(
        # The theme's own quiet text is too faint to read.
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
    )
    return {"theme": theme, "css": _STYLE.read_text(encoding="utf-8")}


def describe(settings: Settings, name: str) -> str:
    """The chosen network and the device in one line."""

    def work() -> str:
        recogniser = load(settings.model(name))
        classes = (
            "no class centres" if recogniser.centres is None else f"{len(recogniser.centres):,} identities"
        )
        return note(f"{recogniser.name}: {classes}. Attacks run on {choose_device(settings.device)}.")

    described, message = told(work)
    return described or message


def build_page(settings: Settings) -> gr.Blocks:
    """All tabs, ready to launch."""
    context = Context(settings)
    with gr.Blocks(
        title="arcinvert: what a face recogniser gives away",
        analytics_enabled=False,
        delete_cache=(UNUSED, UNUSED),
    ) as page:
        gr.Markdown(
            "# arcinvert\nWhat does a face recogniser give away? Only for networks and people that you may "
            "examine: **people's images need their consent.**"
        )
        model = gr.Dropdown(
            settings.model_names(),
            value=BUNDLED,
            label="Network",
            info="That is attacked",
            elem_id="network",
        )
        about = gr.HTML(describe(settings, BUNDLED))
        on_change(model.change, lambda name: describe(settings, name), [model], [about])
        with gr.Tabs():
            with gr.Tab("From an identity", id="identity"):
                wanted = identity.build(context, model)
            with gr.Tab("From a photograph", id="photograph"):
                chosen = photograph.build(context, model)
            with gr.Tab("Ingredients", id="ingredients"):
                ingredients.build(context, model, wanted, chosen)
            with gr.Tab("Audit", id="audit"):
                audit.build(context)
            with gr.Tab("Learn", id="learn"):
                learn.build(context)

        def leave(request: gr.Request) -> None:
            context.jobs.abandon(request.session_hash)

        page.unload(leave)
    page.queue(max_size=settings.queue, default_concurrency_limit=1)
    return page
