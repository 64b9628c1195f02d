"""What two tabs share: the options of an attack, the faces as they appear, and the result."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from arcinvert import Attacker, Run
from arcinvert.inversion.parametrisations import PARAMETRISATIONS
from recognition.images import to_uint8

from .badges import plain_badge
from .context import Context, attempt
from .controls import JobControls, seed_field
from .film import Film
from .html import faces_row, figure, progress
from .job import Job
from .results import MEAN_FACE_ALT, MEAN_FACE_CAPTION, Shown, downloads, finished, result_view
from .settings import MAX_SAMPLES, MAX_STEPS, number_in, seed_of
from .turning import Turning
from .updates import Frame, Progress

#: Runs an attack within a job, with options of `AttackOptions`.
Attack = Callable[..., Run]
#: Makes an `Attack` of the network's attacker and the values of the tab's inputs.
Prepare = Callable[..., Attack]

#: With the mean face, three samples fill a row of large faces.
_DEFAULT_SAMPLES = 3
_DEFAULT_STEPS = PARAMETRISATIONS["face-pca"].steps


class AttackPanel:
    """The controls and results of an attack, laid out side by side.

    Create it where the controls are, call `place_results` where the results are, then `connect`.

    Args:
        context: The server's context.
        name: The tab's name in the address.
        label: The text of the start button.
        prepare: Makes the attack of the attacker and the targets' values.
        original: Returns the picture to show beside the results, uint8 HWC, of the targets' values.
    """

    def __init__(
        self,
        context: Context,
        name: str,
        label: str,
        prepare: Prepare,
        original: Callable[..., NDArray[np.uint8] | None] = lambda *given: None,
    ) -> None:
        self._context, self.name, self._prepare, self._original = context, name, prepare, original
        self._controls = JobControls(context, label, elem_id=f"start-{name}")
        with gr.Accordion("Advanced", open=False, elem_classes="ai-advanced"):
            self._samples = gr.Slider(
                1,
                MAX_SAMPLES,
                _DEFAULT_SAMPLES,
                step=1,
                label="Samples",
                info="The number of reconstructions",
            )
            self._steps = gr.Slider(
                1, MAX_STEPS, _DEFAULT_STEPS, step=1, label="Steps", info="More steps take longer"
            )
            self.seed = seed_field()

    def place_results(self, placeholder: str) -> None:
        """Lay out where the faces appear, with HTML that is shown until there are any."""
        self._placeholder = placeholder
        self._live = gr.HTML(placeholder)
        self._result = gr.HTML()
        self._turning = Turning(self._context)
        self._files = gr.HTML()

    @property
    def result_outputs(self) -> list[Any]:
        """The outputs of `show`."""
        return [self._controls.status, self._live, self._result, self._files, *self._turning.outputs]

    def connect(self, model: gr.Dropdown, targets: Sequence[Any]) -> None:
        """Connect the buttons.

        Args:
            model: The control with the network's name.
            targets: The tab's inputs that say what is attacked.
        """
        self._controls.connect(
            self._run,
            [model, self._samples, self._steps, self.seed, *targets],
            [self._live, self._result, self._files, *self._turning.outputs],
        )

    def _run(
        self,
        request: gr.Request,
        name: str,
        samples: float,
        steps: float,
        seed: float | None,
        *given: Any,
    ) -> Iterator[dict[Any, Any]]:
        # Known before the first frame; the network may be gone from memory, or from the disk, after it.
        mean_face = np.zeros((0, 0, 3), np.uint8)

        def work(job: Job) -> Run:
            nonlocal mean_face
            options = checked(samples, steps, seed)
            attacker: Attacker = self._context.attacker(name)
            mean_face = to_uint8(attacker.knowledge.mean_face)
            return self._prepare(attacker, *given)(job, **options)

        empty = {self._live: self._placeholder, self._result: "", self._files: ""}
        yield self._controls.busy() | empty | self._turning.hidden()
        job = self._context.jobs.start(request.session_hash, work, limit=self._context.settings.time_limit)
        film = Film()

        def step(frame: Frame) -> dict[Any, Any]:
            film.add(frame.images)
            return {
                self._live: faces(frame, mean_face),
                self._controls.status: progress(frame.step, frame.steps, step_text(frame)),
            }

        yield from self._controls.follow(job, step)
        shown, message = attempt(
            lambda: self._finish(job.result(), mean_face, film, given, timed_out=job.timed_out)
        )
        updates = self._controls.idle(message) | {self._live: ""}
        if shown is not None:
            key = self._context.kept.keep(self.name, shown)
            updates |= dict(zip(self.result_outputs, self.show(shown, key), strict=True))
        yield updates

    def _finish(
        self, run: Run, mean_face: NDArray[np.uint8], film: Film, given: Sequence[Any], *, timed_out: bool
    ) -> Shown:
        return Shown(run, mean_face, self._original(*given), film.encode(), timed_out=timed_out)

    def show(self, shown: Shown, key: str) -> list[Any]:
        """Return the values of `result_outputs` for a finished attack.

        Args:
            shown: The attack.
            key: Its key among the kept results; the page's script finds it in the HTML.
        """
        view = f'<div data-result="{key}">{result_view(shown)}</div>'
        return [finished(shown), "", view, downloads(shown), *self._turning.ready(key)]


def checked(samples: float | None, steps: float | None, seed: float | None) -> dict[str, int]:
    """Return the options of an attack, within what this server allows.

    Raises:
        InputError: If one is out of its range.
    """
    return {
        "samples": number_in("Samples", samples, 1, MAX_SAMPLES),
        "steps": number_in("Steps", steps, 1, MAX_STEPS),
        "seed": seed_of(seed),
    }


def faces(frame: Frame, mean_face: NDArray[np.uint8]) -> str:
    """Return the images of a frame beside the mean face, uint8 HWC."""
    figures = [figure(mean_face, MEAN_FACE_ALT, MEAN_FACE_CAPTION, lossless=False)]
    figures += [
        figure(
            image,
            f"Reconstruction {number} after {frame.step} of {frame.steps} steps",
            f"Reconstruction {number}",
            badge=plain_badge(f"step {frame.step}"),
            lossless=False,
        )
        for number, image in enumerate(frame.images, 1)
    ]
    return faces_row(figures, live=True)


def step_text(frame: Progress) -> str:
    """Return the step and the time left."""
    return f"Step {frame.step} of {frame.steps}, about {frame.seconds_left:.0f} s left"
