"""What two tabs share: the options of an attack, the faces as they appear, and the result."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from arcinvert import Run
from arcinvert.inversion.parametrisations import PARAMETRISATIONS
from recognition.images import to_uint8

from .access import AccessControls, Asked
from .badges import plain_badge
from .context import Context, attempt, on_change
from .controls import JobControls, seed_field
from .film import Film, steps_between
from .html import faces_row, figure, progress
from .job import Job
from .kept import Kept
from .results import MEAN_FACE_ALT, MEAN_FACE_CAPTION, Shown, downloads, finished, result_view
from .settings import MAX_SAMPLES, MAX_STEPS, number_in, seed_of
from .target import Target, title
from .turning import Turning
from .updates import Frame, Progress

#: Runs an attack within a job, with options of `AttackOptions`.
Attack = Callable[..., Run]

#: With the mean face, three samples fill a row of large faces.
_DEFAULT_SAMPLES = 3
_DEFAULT_STEPS = PARAMETRISATIONS["face-pca"].steps


@dataclass(frozen=True)
class Kind:
    """What one kind of attack is: on an identity, or on a photograph. All functions get the tab's inputs.

    Args:
        check: Raises a `PageError` if something is missing, before anything is loaded.
        target: Returns whom the attack is on, of the network's name on the page, its attacker and the inputs.
        prepare: Makes the attack of the attacker and the inputs.
        original: Returns the picture to show beside the results, uint8 HWC.
        changed: What a visitor reads whose attack ended because another target was chosen.
    """

    check: Callable[..., Any]
    target: Callable[..., Target]
    prepare: Callable[..., Attack]
    changed: str
    original: Callable[..., NDArray[np.uint8] | None] = lambda *given: None


@dataclass(frozen=True)
class Standing:
    """The result that a visitor's panel has, shown or hidden.

    Args:
        target: Whom it is on.
        line: How it ended, HTML.
    """

    target: Target
    line: str


@dataclass(frozen=True)
class Doing:
    """What a job of a panel is about.

    Args:
        panel: The panel.
        network: The network's name on the page.
        given: The tab's inputs.
    """

    panel: "AttackPanel"
    network: str
    given: tuple[Any, ...]


class AttackPanel:
    """The controls and results of an attack, laid out side by side.

    Create it where the controls are, call `place_results` where the results are, then `connect`. A result is
    shown only while its target is chosen; it is there again when the visitor returns to that target.

    Args:
        context: The server's context.
        name: The tab's name in the address.
        label: The text of the start button.
        kind: What the attack is on, and how it is made.
        black_boxes: Whether the attacker may have the recogniser's answers in place of the network.
    """

    def __init__(
        self, context: Context, name: str, label: str, kind: Kind, *, black_boxes: bool = False
    ) -> None:
        self._context, self.name, self._kind = context, name, kind
        self._controls = JobControls(context, label, elem_id=f"start-{name}")
        self._access = AccessControls(context, name) if black_boxes else None
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
        with gr.Column(visible=False) as self._finished:
            self._result = gr.HTML()
            self._turning = Turning(self._context, self.name)
            self._files = gr.HTML()
        self._standing = gr.State()

    @property
    def result_outputs(self) -> list[Any]:
        """The outputs of `show`."""
        return [
            self._controls.status,
            self._live,
            self._finished,
            self._result,
            self._files,
            self._standing,
            *self._turning.outputs,
        ]

    def connect(self, model: gr.Dropdown, targets: Sequence[Any]) -> None:
        """Connect the buttons, and hide the result while another target is chosen.

        Args:
            model: The control with the network's name.
            targets: The tab's inputs that say what is attacked.
        """
        self._inputs = [self._standing, model, *targets]
        asked = [] if self._access is None else self._access.connected(model)
        ended = self._controls.connect(
            self._run,
            [model, self._samples, self._steps, self.seed, *asked, *targets],
            self.result_outputs,
        )
        # The target may have changed meanwhile; and a result from before stays if there is no new one.
        on_change(ended.then, self._settle, self._inputs, [self._live, self._finished])

    def follow(self, *choices: Callable[..., Any], changes: Sequence[Callable[..., Any]] = ()) -> None:
        """Look after events whether the result is still that of the chosen target.

        Args:
            choices: Events of the visitor's own choice of a target, which end an attack on another one.
            changes: Events of controls that may change by themselves, such as when the page is restored. They
                may be late, and end nothing.
        """
        for events, handler in ((choices, self.chosen), (changes, self.changed)):
            for event in events:
                on_change(event, handler, self._inputs, [self._controls.status, self._live, self._finished])

    def chosen(
        self, request: gr.Request, standing: Standing | None, name: str, *given: Any
    ) -> tuple[Any, Any, Any]:
        """Return the updates of status, live faces and result after the visitor has chosen a target.

        An attack that runs on another target is ended, and a message about another one is cleared.
        """
        doing = self._doing(request)
        if doing is None:
            live, column = self._settle(standing, name, *given)
            return standing.line if standing is not None and not live else "", live, column
        if not self._is_same(doing, name, given):
            self._context.jobs.abandon(request.session_hash, self._kind.changed)
        return gr.HTML(), gr.HTML(), gr.Column()

    def changed(
        self, request: gr.Request, standing: Standing | None, name: str, *given: Any
    ) -> tuple[Any, Any, Any]:
        """Return the updates of status, live faces and result after a control may have changed."""
        if standing is None or self._doing(request) is not None:
            return gr.HTML(), gr.HTML(), gr.Column()
        live, column = self._settle(standing, name, *given)
        # Of a result that is shown, the line or a message about another start is there already.
        return "" if live else gr.HTML(), live, column

    def _doing(self, request: gr.Request) -> Doing | None:
        """Return what the visitor's attack of this panel is on; None if none waits or runs."""
        job = self._context.jobs.of(request.session_hash)
        about = None if job is None else job.about
        return about if isinstance(about, Doing) and about.panel is self else None

    def _settle(self, standing: Standing | None, name: str, *given: Any) -> tuple[str, Any]:
        """Return the faces that are live, and whether the finished ones are shown."""
        is_shown = (
            standing is not None
            # A network that was not attacked need not be loaded.
            and standing.target.network == name
            and standing.target.is_same(self._target(name, given))
        )
        return "" if is_shown else self._placeholder, gr.Column(visible=is_shown)

    def _target(self, name: str, given: Sequence[Any]) -> Target | None:
        """Return whom the controls ask for; None if that is nobody."""
        return attempt(lambda: self._kind.target(name, self._context.attacker(name), *given))[0]

    def _is_same(self, doing: Doing, name: str, given: tuple[Any, ...]) -> bool:
        if doing.network != name:
            return False
        if all(one is other or one == other for one, other in zip(doing.given, given, strict=True)):
            return True
        target = self._target(name, doing.given)
        return target is not None and target.is_same(self._target(name, given))

    def _run(
        self,
        request: gr.Request,
        name: str,
        samples: float,
        steps: float,
        seed: float | None,
        *rest: Any,
    ) -> Iterator[dict[Any, Any]]:
        # The values of the access come before those of the target.
        count = 0 if self._access is None else len(self._access.inputs)
        asked, given = rest[:count], rest[count:]

        def check() -> tuple[dict[str, int], Asked | None]:
            self._kind.check(*given)
            options = checked(samples, steps, seed)
            return options, None if self._access is None else self._access.asked(name, options, *asked)

        found, message = attempt(check)
        if found is None:
            yield {self._controls.status: message}
            return
        options, black_box = found
        # Known before the first frame; the network may be gone from memory, or from the disk, after it.
        mean_face, target = np.zeros((0, 0, 3), np.uint8), Target(name, "", "")

        def work(job: Job) -> Run:
            nonlocal mean_face, target
            # A black box is not measured.
            attacker = self._context.ready(name, job) if black_box is None else self._context.attacker(name)
            target = self._kind.target(name, attacker, *given)
            mean_face = to_uint8(attacker.knowledge.mean_face)
            by = attacker if black_box is None else black_box.attacker(self._context, name, job)
            return self._kind.prepare(by, *given)(job, **options)

        yield self._controls.busy() | {
            self._live: self._placeholder,
            self._finished: gr.Column(visible=False),
        }
        limit = self._context.settings.time_limit
        job = self._context.jobs.start(
            request.session_hash,
            work,
            limit=limit,
            every=steps_between(options["steps"]),
            about=Doing(self, name, given),
        )
        film = Film()

        def step(frame: Frame) -> dict[Any, Any]:
            return {
                self._live: title(target, options["seed"]) + faces(frame, mean_face),
                self._controls.status: progress(frame.step, frame.steps, step_text(frame)),
            }

        yield from self._controls.follow(job, step, lambda frame: film.add(frame.images))

        def finish() -> Shown:
            run: Run = job.result()
            return Shown(
                run,
                mean_face,
                self._kind.original(*given),
                film.encode(),
                timed_out=job.timed_out,
                target=target,
                given=given,
            )

        shown, message = attempt(finish)
        updates = self._controls.idle(message)
        if shown is None:
            updates[self._live] = self._placeholder
        else:
            key = self._context.kept.keep(self.name, shown)
            updates |= dict(zip(self.result_outputs, self.show(shown, key), strict=True))
        yield updates

    def restored(self, kept: Kept, key: str) -> dict[Any, Any]:
        """Return the updates that show a kept result again."""
        return dict(zip(self.result_outputs, self.show(kept.shown, key), strict=True))

    def show(self, shown: Shown, key: str) -> list[Any]:
        """Return the values of `result_outputs` for a finished attack.

        Args:
            shown: The attack.
            key: Its key among the kept results; the page's script finds it in the HTML.
        """
        view = f'<div data-result="{key}">{result_view(shown)}</div>'
        line = finished(shown)
        standing = None if shown.target is None else Standing(shown.target, line)
        return [
            line,
            "",
            gr.Column(visible=True),
            view,
            downloads(shown),
            standing,
            *self._turning.ready(key),
        ]


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
