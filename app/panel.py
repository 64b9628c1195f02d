"""What two tabs share: the options of an attack, the faces as they appear, and the scores."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from arcinvert import Attacker, InputError, Run
from arcinvert.evaluation.calibration import thresholds
from arcinvert.inversion.parametrisations import PARAMETRISATIONS
from arcinvert.output.verdicts import one_in

from .context import Context, attempt, on_change
from .controls import JobControls, seed_field
from .html import figure, progress, row
from .jobs import Frame, Job, Progress
from .results import cards, downloads, finished
from .settings import MAX_SAMPLES, MAX_SEED, MAX_STEPS

#: Runs an attack within a job, with options of `AttackOptions`.
Attack = Callable[..., Run]
#: Makes an `Attack` of the network's attacker and the values of the tab's inputs.
Prepare = Callable[..., Attack]

#: Seconds that Gradio keeps the state of a visitor who has left.
STATE_SECONDS = 3600
_DEFAULT_SAMPLES = 4
_DEFAULT_STEPS = PARAMETRISATIONS["face-pca"].steps


class AttackPanel:
    """Lays out the controls and results of an attack, and connects them.

    Args:
        context: The server's context.
        model: The control with the network's name.
        targets: The tab's inputs that say what is attacked.
        prepare: Makes the attack of the attacker and the targets' values.
        original: Returns the picture to show beside the results, uint8 HWC, of the targets' values.
    """

    def __init__(
        self,
        context: Context,
        model: gr.Dropdown,
        targets: Sequence[Any],
        prepare: Prepare,
        original: Callable[..., NDArray[np.uint8] | None] = lambda *given: None,
    ) -> None:
        self._context, self._prepare, self._original = context, prepare, original
        with gr.Row():
            samples = gr.Slider(
                1,
                MAX_SAMPLES,
                _DEFAULT_SAMPLES,
                step=1,
                label="Samples",
                info="The number of reconstructions",
            )
            steps = gr.Slider(
                1, MAX_STEPS, _DEFAULT_STEPS, step=1, label="Steps", info="More steps take longer"
            )
            seed = seed_field()
        self._controls = JobControls(context, "Start")
        self._live = gr.HTML()
        self._fmr = gr.Radio(
            [(f"{one_in(threshold.fmr)} strangers", threshold.fmr) for threshold in thresholds()],
            value=thresholds()[0].fmr,
            label="The judge's threshold accepts",
            info="Stricter systems accept fewer strangers",
            visible=False,
        )
        self._scores = gr.HTML()
        self._files = gr.HTML()
        self._state: gr.State = gr.State(time_to_live=STATE_SECONDS)
        self._controls.connect(
            self._run,
            [model, samples, steps, seed, self._fmr, *targets],
            [self._live, self._scores, self._files, self._fmr, self._state],
        )
        on_change(
            self._fmr.input,
            lambda rate, kept: cards(kept[0], rate, kept[1]) if kept else "",
            [self._fmr, self._state],
            [self._scores],
        )

    def _run(
        self,
        request: gr.Request,
        name: str,
        samples: float,
        steps: float,
        seed: float | None,
        rate: float,
        *given: Any,
    ) -> Iterator[dict[Any, Any]]:
        def work(job: Job) -> Run:
            options = checked(samples, steps, seed)
            attacker: Attacker = self._context.attacker(name)
            return self._prepare(attacker, *given)(job, **options)

        yield self._controls.busy() | {
            self._live: "",
            self._scores: "",
            self._files: "",
            self._fmr: gr.Radio(visible=False),
            self._state: None,
        }
        job = self._context.jobs.start(request.session_hash, work, limit=self._context.settings.time_limit)
        yield from self._controls.follow(
            job,
            lambda frame: {
                self._live: faces(frame),
                self._controls.status: progress(frame.step, frame.steps, step_text(frame)),
            },
        )
        shown, message = attempt(lambda: self._results(job, rate, given))
        yield {self._live: ""} | self._controls.idle(message) | (shown or {})

    def _results(self, job: Job, rate: float, given: Sequence[Any]) -> dict[Any, Any]:
        run, original = job.result(), self._original(*given)
        return {
            self._controls.status: finished(run, timed_out=job.timed_out),
            self._scores: cards(run, rate, original),
            self._files: downloads(run),
            self._fmr: gr.Radio(visible=True),
            self._state: (run, original),
        }


def checked(samples: float | None, steps: float | None, seed: float | None) -> dict[str, int]:
    """Return the options of an attack, within what this server allows.

    Raises:
        InputError: If one is out of its range.
    """
    for name, value, most in (("Samples", samples, MAX_SAMPLES), ("Steps", steps, MAX_STEPS)):
        if value is None or not 1 <= value <= most:
            got = "nothing" if value is None else f"{value:g}"
            raise InputError(f"{name}: expected a number from 1 to {most}, got {got}")
    if samples is None or steps is None or seed is None or not 0 <= seed <= MAX_SEED or seed % 1:
        got = "nothing" if seed is None else f"{seed:g}"
        raise InputError(f"Seed: expected a whole number from 0 up, got {got}")
    return {"samples": int(samples), "steps": int(steps), "seed": int(seed)}


def faces(frame: Frame) -> str:
    """Return the images of a frame."""
    return row(
        figure(
            image,
            f"Reconstruction {number + 1} after {frame.step} of {frame.steps} steps",
            f"step {frame.step}",
            lossless=False,
        )
        for number, image in enumerate(frame.images)
    )


def step_text(frame: Progress) -> str:
    """Return the step and the time left."""
    return f"Step {frame.step} of {frame.steps}, about {frame.seconds_left:.0f} s left"
