"""The part that two tabs share: settings of an attack, start and stop, the face as it appears, scores."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from app.context import ATTACKS, Context, number, on_change, told
from app.html import figure, progress, row
from app.jobs import Frame, Job
from app.results import cards, downloads, finished
from app.scores import rate_words
from app.settings import MAX_SAMPLES, MAX_STEPS
from arcinvert.api import Run
from arcinvert.evaluation.calibration import thresholds
from arcinvert.inversion.parametrisations import PARAMETRISATIONS
from recognition.errors import InputError

#: Runs an attack within a job, with options of `AttackOptions`.
Attack = Callable[..., Run]
#: From the chosen network's file and the tab's own inputs to an attack, which gets a job and options.
Prepare = Callable[..., Attack]

#: Of networks trained here, as the bundled one.
_DEFAULT_STEPS = PARAMETRISATIONS["eigenfaces"].steps


def attack_panel(
    context: Context,
    model: gr.Dropdown,
    targets: Sequence[Any],
    prepare: Prepare,
    original: Callable[..., NDArray[np.uint8] | None] = lambda *given: None,
) -> None:
    """Lay out an attack's controls and results, and connect them.

    Args:
        model: the chosen network's name.
        targets: the tab's inputs that name the target.
        prepare: makes the attack of the network's file and the targets' values.
        original: of the targets' values the picture to show beside the results, uint8 HWC.
    """
    with gr.Row():
        samples = gr.Slider(1, MAX_SAMPLES, 4, step=1, label="Samples", info="Reconstructions, side by side")
        steps = gr.Slider(
            1, MAX_STEPS, _DEFAULT_STEPS, step=1, label="Steps", info="More steps, nearer, longer"
        )
        seed = number("Seed", 0, "The same seed gives the same picture")
    with gr.Row():
        start = gr.Button("Start", variant="primary")
        stop = gr.Button("Stop and keep what there is", interactive=False)
    status = gr.HTML()
    live = gr.HTML()
    fmr = gr.Radio(
        [(f"{rate_words(threshold.fmr)} strangers", threshold.fmr) for threshold in thresholds()],
        value=thresholds()[0].fmr,
        label="The judge's threshold lets pass",
        info="Strict systems let fewer strangers pass",
        visible=False,
    )
    scores = gr.HTML()
    files = gr.HTML()
    state = gr.State(time_to_live=3600)

    def run(
        request: gr.Request, name: str, count: int, length: int, start_at: int, rate: float, *given: Any
    ) -> Iterator[dict[Any, Any]]:
        idle = {start: gr.Button(interactive=True), stop: gr.Button(interactive=False)}

        def work(job: Job) -> Run:
            attack = prepare(context.settings.model(name), *given)
            return attack(job, **checked(count, length, start_at))

        yield {
            start: gr.Button(interactive=False),
            stop: gr.Button(interactive=True),
            status: progress(0, 1, "Loading the network"),
            live: "",
            scores: "",
            files: "",
            fmr: gr.Radio(visible=False),
            state: None,
        }
        job = context.jobs.start(request.session_hash, work, limit=context.settings.time_limit)
        for frame in job.frames():
            yield {live: faces(frame), status: progress(frame.step, frame.steps, time_words(frame))}

        def show() -> dict[Any, Any]:
            result = job.result()
            return {
                status: finished(result, timed_out=job.timed_out),
                scores: cards(result, rate, original(*given)),
                files: downloads(result),
                fmr: gr.Radio(visible=True),
                state: (result, original(*given)),
            }

        shown, message = told(show)
        yield idle | {live: ""} | (shown or {status: message})

    start.click(
        run,
        [model, samples, steps, seed, fmr, *targets],
        [start, stop, status, live, scores, files, fmr, state],
        concurrency_id=ATTACKS,
        concurrency_limit=1,
        show_progress="minimal",
        show_progress_on=[status],
        trigger_mode="once",
        api_visibility="private",
    )

    def end(request: gr.Request) -> None:
        context.jobs.stop(request.session_hash)

    stop.click(
        end,
        None,
        None,
        queue=False,
        api_visibility="private",
    )
    on_change(
        fmr.input, lambda rate, kept: cards(kept[0], rate, kept[1]) if kept else "", [fmr, state], [scores]
    )


def checked(samples: float, steps: float, seed: float | None) -> dict[str, int]:
    """The options of an attack, within what this server allows.

    Raises:
        InputError: one is out of its range.
    """
    for name, value, most in (("samples", samples, MAX_SAMPLES), ("steps", steps, MAX_STEPS)):
        if not 1 <= value <= most:
            raise InputError(f"{name}: expected 1 to {most}, got {value:g}")
    if seed is None:
        raise InputError("seed: expected a whole number from 0 up, got nothing")
    return {"samples": int(samples), "steps": int(steps), "seed": int(seed)}


def faces(frame: Frame) -> str:
    """What there is so far."""
    return row(
        figure(
            image,
            f"Reconstruction {number + 1} after {frame.step} of {frame.steps} steps",
            f"step {frame.step}",
            lossless=False,
        )
        for number, image in enumerate(frame.images)
    )


def time_words(frame: Frame) -> str:
    """How far it is and how long it will take."""
    return f"Step {frame.step} of {frame.steps}, about {frame.seconds_left:.0f} s left"
