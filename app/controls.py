"""Controls that several tabs have."""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from .context import Context
from .html import progress, status
from .job import Job
from .speed import rounded
from .updates import Ending, Frame, Preparing, Started, Waiting

#: The texts of the stop button while a job waits, and while it runs.
CANCEL, KEEP = "Cancel", "Stop and keep this"


def seed_field() -> gr.Number:
    """Return a field for the seed."""
    return gr.Number(
        0,
        label="Seed",
        info="The same seed gives the same pictures",
        minimum=0,
        precision=0,
        min_width=120,
    )


class JobControls:
    """The buttons that start and stop a job, and the line below them that shows its place and progress.

    Args:
        context: The server's context.
        label: The text of the start button.
        elem_id: Its identifier in the document.
        stop: The text of the stop button while the job runs.
        loading: What happens before the first step.
    """

    def __init__(
        self,
        context: Context,
        label: str,
        elem_id: str,
        *,
        stop: str = KEEP,
        loading: str = "Loading the network",
    ) -> None:
        self._context, self._stop, self._loading = context, stop, loading
        with gr.Row(elem_classes="ai-jobs"):
            self.start = gr.Button(label, variant="primary", elem_id=elem_id, elem_classes="ai-start")
            self.stop = gr.Button(stop, interactive=False, elem_id=f"stop-{elem_id}", elem_classes="ai-stop")
        # The element stays while its content changes, so that screen readers read the changes.
        self.status = gr.HTML(js_on_load="element.setAttribute('aria-live', 'polite')")

    def busy(self) -> dict[Any, Any]:
        """Return the updates for the time before a job's first step."""
        return {
            self.start: gr.Button(interactive=False),
            self.stop: gr.Button(CANCEL, interactive=True),
            self.status: status("One moment"),
        }

    def idle(self, message: str) -> dict[Any, Any]:
        """Return the updates for the time after a job."""
        return {
            self.start: gr.Button(interactive=True),
            self.stop: gr.Button(self._stop, interactive=False),
            self.status: message,
        }

    def follow(
        self,
        job: Job,
        show: Callable[[Any], dict[Any, Any]],
        collect: Callable[[Frame], None] = lambda frame: None,
    ) -> Iterator[dict[Any, Any]]:
        """Yield the updates of a job from the queue to its last step.

        Args:
            job: The job.
            show: Returns the updates of a step, a `Frame` or a `Progress`.
            collect: Receives every frame, also those that the visitor does not see.
        """
        has_steps = False
        for update in job.updates():
            if isinstance(update, Frame):
                collect(update)
                if not update.is_due:
                    continue
            match update:
                case Waiting():
                    yield {self.status: status(place_text(update))}
                case Started():
                    yield {self.status: progress(0, 1, self._loading, announced=True)}
                case Preparing():
                    yield {self.status: progress(update.done, update.total, stage_text(update))}
                case Ending():
                    yield {self.stop: gr.Button(interactive=False), self.status: status(update.text)}
                case _:
                    # From now on there is something to keep.
                    keep = {} if has_steps else {self.stop: gr.Button(self._stop, interactive=True)}
                    has_steps = True
                    yield keep | show(update)

    def connect(self, run: Callable[..., Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> Any:
        """Connect the buttons, and return the event of the start, after which another handler can run.

        Args:
            run: A generator of updates, which starts the job.
            inputs: Its inputs.
            outputs: Its outputs besides the controls of this class.
        """
        started = self.start.click(
            cumulative(run),
            list(inputs),
            list(dict.fromkeys([self.start, self.stop, self.status, *outputs])),
            # `Jobs` runs one at a time; here nobody waits, so that all visitors read their place at once.
            concurrency_limit=None,
            show_progress="hidden",
            trigger_mode="once",
            api_visibility="private",
        )

        def end(request: gr.Request) -> None:
            self._context.jobs.stop(request.session_hash)

        self.stop.click(end, None, None, queue=False, api_visibility="private")
        return started


def cumulative(run: Callable[..., Iterator[dict[Any, Any]]]) -> Callable[..., Iterator[dict[Any, Any]]]:
    """Return a generator of updates each of which has all before it.

    A browser that is busy shows the newest update alone: what only an earlier one had would be lost. Gradio
    sends what has changed since.

    Args:
        run: A generator of updates.
    """

    @functools.wraps(run)
    def whole(*given: Any, **named: Any) -> Iterator[dict[Any, Any]]:
        shown: dict[Any, Any] = {}
        for update in run(*given, **named):
            shown = shown | update
            yield shown

    return whole


def stage_text(stage: Preparing) -> str:
    """Return what is done before the first step in words."""
    if stage.seconds_left is None:
        return stage.text
    return f"{stage.text}, {rounded(stage.seconds_left)} left"


def place_text(place: Waiting) -> str:
    """Return a place in the queue in words."""
    visitors = "1 visitor" if place.before == 1 else f"{place.before} visitors"
    return f"{visitors} before you, {rounded(place.seconds)}"


def accept_any_number() -> None:
    """Hand numbers out of a control's range to the handlers, which answer in words of the page.

    Gradio would refuse them, and choices that are none, with a traceback in the server's log. Methods are
    replaced, not overridden, for the reason given in `upload`, and in the class: whenever an update reaches a
    control, Gradio may make the visitor a component of its own.
    """
    for kind in (gr.Number, gr.Slider):
        kind.preprocess = _number
    for kind in (gr.Dropdown, gr.Radio):
        if not hasattr(kind.preprocess, "__wrapped__"):
            kind.preprocess = _quietly(kind.preprocess)


def _number(component: Any, value: Any) -> float | None:
    return as_number(value)


def as_number(value: Any) -> float | None:
    """Return a value as a finite number; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def _quietly(preprocess: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    @functools.wraps(preprocess)
    def read(component: Any, value: Any) -> Any:
        try:
            return preprocess(component, value)
        except gr.Error as error:
            raise gr.Error(error.message, print_exception=False) from None

    return read
