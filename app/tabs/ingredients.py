"""Ingredients: one target under several recipes, side by side, as a slider over the steps."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from app.context import ATTACKS, Context, number, on_change, told
from app.html import figure, note, progress, row, status, table
from app.jobs import Job
from app.panel import checked, time_words
from app.recipes import VARIANTS
from app.scores import decisive
from app.tabs.identity import identity_attack
from app.tabs.photograph import attack_on
from arcinvert.api import Run
from arcinvert.evaluation.calibration import thresholds

#: Most steps of each recipe here, and pictures kept of each.
MOST_STEPS = 200
KEPT = 20
CLASS, PHOTOGRAPH = "The identity chosen on the first tab", "The photograph of the second tab"


@dataclass
class Comparison:
    """What a comparison has shown.

    Args:
        steps: of each recipe.
        pictures: of each recipe that began, by step.
        runs: of each recipe that ended, in the order of `VARIANTS`.
    """

    steps: int
    pictures: list[dict[int, NDArray[np.uint8]]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    @property
    def every(self) -> int:
        """Steps between two pictures that are kept."""
        return max(1, self.steps // KEPT)


def side_by_side(comparison: Comparison, step: int) -> str:
    """Each recipe's picture at a step: the last one kept until then."""
    shown = []
    for variant, pictures in zip(VARIANTS, comparison.pictures, strict=False):
        at = max((kept for kept in pictures if kept <= step), default=min(pictures, default=0))
        if at:
            alt = f"{variant.title}, {variant.differs}: the reconstruction after {at} steps"
            shown.append(figure(pictures[at], alt, f"{variant.title}, step {at}"))
    return row(shown)


def verdicts(comparison: Comparison) -> str:
    """What the judge and the attacked network say of each recipe's last picture."""
    rows = []
    for variant, run in zip(VARIANTS, comparison.runs, strict=False):
        sample = run.samples[0]
        value, floor = decisive(sample["judge"])
        said = "not judged"
        if value is not None and floor is not None:
            passed = [rate for rate, accepted in sample["judge"]["accepted"].items() if accepted]
            said = f"{value:.2f} (floor {floor:.2f}): " + (
                f"accepted at FMR {min(passed, key=float)}" if passed else "rejected"
            )
        face = "yes" if sample["judge"]["face_detected"] else "no"
        rows.append((variant.title, said, face, f"{sample['attacked_similarity']:.2f}"))
    strictest = ", ".join(f"{one.similarity:.2f} at FMR {one.fmr:g}" for one in thresholds())
    return table(
        ("Recipe", "Judge", "Face found", "Attacked network"),
        rows,
        f"The last pictures, in the judge's eyes (threshold {strictest}). One person and one sample prove "
        "little: the README has the figures over many.",
    )


def _recipes() -> str:
    """What each recipe is."""
    items = "".join(
        f"<li><b>{escape(variant.title)}</b>: {escape(variant.differs)}</li>" for variant in VARIANTS
    )
    return f'<ul class="ai-recipes">{items}</ul>'


def build(context: Context, model: gr.Dropdown, wanted: gr.Dropdown, photograph: gr.State) -> None:
    """Lay the tab out; `wanted` and `photograph` are the other tabs' targets."""
    gr.HTML(
        note(
            "The same target, the same steps, five recipes. The statistics that BatchNorm layers keep tell "
            "what faces are like, the start tells where their parts are; the attacked network "
            "alone knows neither."
        )
    )
    gr.HTML(_recipes())
    with gr.Row():
        target = gr.Radio([CLASS, PHOTOGRAPH], value=CLASS, label="Target")
        steps = gr.Slider(1, MOST_STEPS, 60, step=1, label="Steps", info="Of each recipe")
        seed = number("Seed", 0, "The same seed gives the same picture")
    with gr.Row():
        start = gr.Button("Compare", variant="primary")
        stop = gr.Button("Stop and keep what there is", interactive=False)
    message = gr.HTML()
    at = gr.Slider(1, MOST_STEPS, 60, step=1, label="Show the step", visible=False, elem_id="at-step")
    shown = gr.HTML(elem_id="side-by-side")
    said = gr.HTML()
    state: gr.State = gr.State(time_to_live=3600)

    def run(
        request: gr.Request, name: str, source: str, chosen: str, kept: Any, length: float, draw: float | None
    ) -> Iterator[dict[Any, Any]]:
        idle = {start: gr.Button(interactive=True), stop: gr.Button(interactive=False)}
        comparison = Comparison(int(length))

        def work(job: Job) -> None:
            path = context.settings.model(name)
            attack = (
                attack_on(context, path, kept)
                if source == PHOTOGRAPH
                else identity_attack(context, path, chosen)
            )
            options = checked(1, length, draw)
            for part, variant in enumerate(VARIANTS):
                job.begin_part(part)
                comparison.pictures.append({})
                comparison.runs.append(attack(job, **options, **variant.options))
                if job.stopped:
                    return

        yield {
            start: gr.Button(interactive=False),
            stop: gr.Button(interactive=True),
            message: progress(0, 1, "Loading the network"),
            at: gr.Slider(visible=False),
            shown: "",
            said: "",
            state: None,
        }
        job = context.jobs.start(
            request.session_hash, work, limit=context.settings.time_limit, every=comparison.every
        )
        for frame in job.frames():
            comparison.pictures[frame.part][frame.step] = frame.images[0]
            words = f"{VARIANTS[frame.part].title}: {time_words(frame)}"
            done = frame.part * frame.steps + frame.step
            yield {
                message: progress(done, len(VARIANTS) * frame.steps, words),
                shown: side_by_side(comparison, comparison.steps),
            }
        _, trouble = told(job.result)
        if trouble:
            yield idle | {message: trouble, shown: ""}
            return
        end = "Done." if not job.stopped else "Stopped; what there was is kept."
        if job.timed_out:
            end = "The time limit ended it early; what there was is kept."
        last = max(max(pictures, default=1) for pictures in comparison.pictures)
        yield idle | {
            message: status(end + " Move the slider to see how each picture came about."),
            at: gr.Slider(
                minimum=1, maximum=max(last, 2), value=last, step=1, visible=True, label="Show the step"
            ),
            shown: side_by_side(comparison, last),
            said: verdicts(comparison),
            state: comparison,
        }

    start.click(
        run,
        [model, target, wanted, photograph, steps, seed],
        [start, stop, message, at, shown, said, state],
        concurrency_id=ATTACKS,
        concurrency_limit=1,
        show_progress="minimal",
        show_progress_on=[message],
        trigger_mode="once",
        api_visibility="private",
    )

    def end(request: gr.Request) -> None:
        context.jobs.stop(request.session_hash)

    stop.click(end, None, None, queue=False, api_visibility="private")
    on_change(
        at.change,
        lambda step, comparison: side_by_side(comparison, step) if comparison else "",
        [at, state],
        [shown],
    )
