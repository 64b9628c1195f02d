"""The tab that compares recipes: one target, several recipes side by side, with equal work."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from ..comparison import Comparison, equal_work, films, recipe_list, seconds_left, verdicts
from ..context import Context, attempt, on_change
from ..controls import JobControls, seed_field
from ..html import details, note, progress, status
from ..job import Job
from ..kept import Kept
from ..panel import checked
from ..recipes import VARIANTS
from ..settings import number_in
from ..speed import measuring_text, rounded
from ..updates import Frame
from .identity import identity_attack, wanted_class
from .photograph import Chosen, photograph_attack, required

#: Passes that each recipe gets: least, at first, and most.
LEAST_WORK, DEFAULT_WORK, MOST_WORK = 2, 60, 200
#: The values of the targets; their words name the person and the photograph.
CLASS, PHOTOGRAPH = "class", "photograph"


def target_choices(identity: str | None, chosen: Chosen | None, *, has_people: bool) -> list[tuple[str, str]]:
    """Return what can be attacked, in words, with the values.

    Args:
        identity: What is chosen on the tab of identities.
        chosen: The photograph of its tab; None if there is none yet.
        has_people: Whether the network has class centres.
    """
    photograph = f"The photograph {chosen[0].name}" if chosen else "A photograph: choose it on its tab first"
    people = [(f"{person_name(identity) or 'A person'}, chosen on the tab 'From an identity'", CLASS)]
    return [*(people if has_people else []), (photograph, PHOTOGRAPH)]


def person_name(identity: str | None) -> str:
    """Return the name of an identity as the list has it, such as `123: Some Name`; else what was typed."""
    text = identity.strip() if isinstance(identity, str) else ""
    number, _, name = text.partition(": ")
    return name if name and number.isdecimal() else text


class CompareTab:
    """Lays out the tab, and connects it.

    Args:
        context: The server's context.
        model: The control with the network's name.
        wanted: The control with the identity that was chosen on its tab.
        photograph: The state with the photograph that was chosen on its tab.
    """

    name = "compare"

    def __init__(
        self, context: Context, model: gr.Dropdown, wanted: gr.Dropdown, photograph: gr.State
    ) -> None:
        self._context, self._model = context, model
        gr.HTML(
            note(
                "One person, four recipes for the attack, and the same work for each, counted in passes "
                "through the network. Most recipes find noise that the network takes for the person, unless "
                "they know what faces look like or work for longer. The two published recipes were made for "
                "many more passes."
            )
        )
        with gr.Row(elem_classes="ai-columns"):
            with gr.Column(elem_classes="ai-controls"):
                self._target = gr.Radio(
                    target_choices(None, None, has_people=True), value=CLASS, label="Who is attacked"
                )
                self._estimate = gr.HTML(elem_id="estimate")
                self._controls = JobControls(context, "Start the comparison", elem_id="start-compare")
                with gr.Accordion("Advanced", open=False, elem_classes="ai-advanced"):
                    self._work = gr.Slider(
                        LEAST_WORK,
                        MOST_WORK,
                        DEFAULT_WORK,
                        step=1,
                        label="Passes",
                        info="Passes through the network, for each recipe",
                    )
                    seed = seed_field()
            with gr.Column(elem_classes="ai-results"):
                self._live = gr.HTML()
                with gr.Column() as self._finished:
                    self._films = gr.HTML(elem_id="side-by-side")
                    self._verdicts = gr.HTML()
                gr.HTML(details("The four recipes", recipe_list(), is_open=True))
        self._chosen = [model, self._target, wanted, photograph]
        on_change(model.change, self._offered, self._chosen, [self._target])
        started = self._controls.connect(
            self._run,
            [model, self._target, wanted, photograph, self._work, seed],
            [self._live, self._finished, self._films, self._verdicts],
        )
        # When a job has ended, its network is measured.
        for event in (self._work.change, model.change, started.then):
            on_change(event, self._estimated, [model, self._work], [self._estimate])

    def connect(self, tab: gr.Tab) -> None:
        """Measure the network, and estimate the time, when the tab is chosen."""

        def estimated(name: str, work: float | None) -> str:
            return self._estimated(name, work, anew=True)

        on_change(tab.select, estimated, [self._model, self._work], [self._estimate])
        on_change(tab.select, self._offered, self._chosen, [self._target])

    def _offered(self, name: str, target: str, identity: str | None, photograph: Chosen | None) -> Any:
        """Return the choice of targets, by the network and by what is chosen on the other tabs."""
        attacker, _ = attempt(lambda: self._context.attacker(name))
        has_people = attacker is None or attacker.recogniser.centres is not None
        choices = target_choices(identity, photograph, has_people=has_people)
        values = [value for _, value in choices]
        return gr.Radio(choices=choices, value=target if target in values else values[0])

    def _estimated(self, name: str, work: float | None, *, anew: bool = False) -> str:
        def estimate() -> str:
            attacker = self._context.attacker(name)
            each = self._context.times.measured(attacker) if anew else self._context.times.of(attacker)
            passes = work or 0
            total = rounded(each * passes * len(VARIANTS))
            before = measuring_text(self._context.times.first_use(attacker))
            recipes = f"{len(VARIANTS)} recipes of {passes:.0f} passes each"
            return note(f"{recipes}: {total} in all on this machine.{before}")

        estimated, message = attempt(estimate)
        return estimated or message

    def _run(
        self,
        request: gr.Request,
        name: str,
        target: str,
        identity: str | None,
        photograph: Chosen | None,
        work: float | None,
        seed: float | None,
    ) -> Iterator[dict[Any, Any]]:
        def check() -> dict[str, int]:
            if target == PHOTOGRAPH:
                required(photograph)
            else:
                wanted_class(identity)
            passes = number_in("Passes", work, LEAST_WORK, MOST_WORK)
            return checked(1, passes, seed)

        options, trouble = attempt(check)
        if options is None:
            yield {self._controls.status: trouble}
            return
        named = photograph[0].name if photograph and target == PHOTOGRAPH else person_name(identity)
        comparison = Comparison(int(work or 0), named, setting=f"Network {name}, seed {options['seed']}")

        def compare(job: Job) -> None:
            attacker = self._context.ready(name, job)
            if target == PHOTOGRAPH:
                attack, of_recipes = (
                    photograph_attack(attacker, photograph),
                    equal_work(attacker, "template", comparison.work),
                )
            else:
                attack, of_recipes = (
                    identity_attack(attacker, identity),
                    equal_work(attacker, "class", comparison.work),
                )
            comparison.run(job, attack, [options | one for one in of_recipes])

        # A comparison from before is there again if this one does not come about.
        yield self._controls.busy() | {self._finished: gr.Column(visible=False)}
        job = self._context.jobs.start(
            request.session_hash,
            compare,
            limit=self._context.settings.time_limit,
            every=comparison.every,
            parts=len(VARIANTS),
        )

        def show(frame: Frame) -> dict[Any, Any]:
            title = VARIANTS[frame.part].title
            words = (
                f"Recipe {frame.part + 1} of {len(VARIANTS)}, {title}: pass {frame.step} of {frame.steps}, "
                f"{rounded(seconds_left(frame))} left in all"
            )
            done = frame.part * frame.steps + frame.step
            return {
                self._controls.status: progress(done, len(VARIANTS) * frame.steps, words),
                self._live: films(comparison, scrub=False),
            }

        yield from self._controls.follow(job, show, comparison.add)
        results, trouble = attempt(lambda: self._results(job, comparison))
        shown = {self._live: "", self._finished: gr.Column(visible=True)}
        yield (results or self._controls.idle(trouble)) | shown

    def _results(self, job: Job, comparison: Comparison) -> dict[Any, Any]:
        job.result()
        end = "Done."
        if job.timed_out:
            end = "The time limit ended the comparison early. The result so far is kept."
        elif job.stopped:
            end = "Stopped. The result so far is kept."
        found = (films(comparison, scrub=True), verdicts(comparison))
        line = status(f"{end} Play shows how each picture came about.")
        return self._controls.idle(line) | self._shown(found, self._context.kept.keep(self.name, found))

    def _shown(self, found: tuple[str, str], key: str) -> dict[Any, Any]:
        """Return the updates that show films and verdicts, with their key among the kept results."""
        return {self._films: f'<div data-result="{key}">{found[0]}</div>', self._verdicts: found[1]}

    @property
    def restored_outputs(self) -> list[Any]:
        """The outputs of `restored`."""
        return [self._films, self._verdicts]

    def restored(self, kept: Kept, key: str, network: str) -> dict[Any, Any]:
        """Return the updates that show a kept comparison again."""
        return self._shown(kept.shown, key)
