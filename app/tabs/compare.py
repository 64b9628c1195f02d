"""The tab that compares recipes: one target, several recipes side by side, by step."""

from collections.abc import Iterator
from typing import Any

import gradio as gr

from ..comparison import Comparison, recipe_list, side_by_side, verdicts
from ..context import Context, attempt, on_change
from ..controls import JobControls, seed_field
from ..html import note, progress, status
from ..jobs import Frame, Job
from ..panel import STATE_SECONDS, checked, step_text
from ..recipes import VARIANTS
from .identity import identity_attack
from .photograph import Chosen, photograph_attack

#: Most steps, and the steps at first.
MOST_STEPS = 200
DEFAULT_STEPS = 60
CLASS, PHOTOGRAPH = "The identity chosen on the first tab", "The photograph chosen on the second tab"


class ComparePanel:
    """Lays out the tab, and connects it.

    Args:
        context: The server's context.
        model: The control with the network's name.
        wanted: The control with the identity that was chosen on its tab.
        photograph: The state with the photograph that was chosen on its tab.
    """

    def __init__(
        self, context: Context, model: gr.Dropdown, wanted: gr.Dropdown, photograph: gr.State
    ) -> None:
        self._context = context
        with gr.Row():
            target = gr.Radio([CLASS, PHOTOGRAPH], value=CLASS, label="Target", min_width=300)
            steps = gr.Slider(
                1, MOST_STEPS, DEFAULT_STEPS, step=1, label="Steps", info="For each start of each recipe"
            )
            seed = seed_field()
        self._controls = JobControls(context, "Start the comparison")
        self._at = gr.Slider(
            1, MOST_STEPS, DEFAULT_STEPS, step=1, label="Show the step", visible=False, elem_id="at-step"
        )
        self._pictures = gr.HTML(elem_id="side-by-side")
        self._verdicts = gr.HTML()
        self._state: gr.State = gr.State(time_to_live=STATE_SECONDS)
        self._controls.connect(
            self._run,
            [model, target, wanted, photograph, steps, seed],
            [self._at, self._pictures, self._verdicts, self._state],
        )
        on_change(
            self._at.change,
            lambda step, comparison: side_by_side(comparison, step) if comparison else "",
            [self._at, self._state],
            [self._pictures],
        )

    def _run(
        self,
        request: gr.Request,
        name: str,
        target: str,
        identity: str | None,
        photograph: Chosen | None,
        steps: float,
        seed: float | None,
    ) -> Iterator[dict[Any, Any]]:
        comparison = Comparison(int(steps))

        def work(job: Job) -> None:
            options = checked(1, steps, seed)
            attacker = self._context.attacker(name)
            attack = (
                photograph_attack(attacker, photograph)
                if target == PHOTOGRAPH
                else identity_attack(attacker, identity)
            )
            comparison.run(job, attack, options)

        yield self._controls.busy() | {
            self._at: gr.Slider(visible=False),
            self._pictures: "",
            self._verdicts: "",
            self._state: None,
        }
        job = self._context.jobs.start(
            request.session_hash,
            work,
            limit=self._context.settings.time_limit,
            every=comparison.every,
            parts=len(VARIANTS),
        )

        def show(frame: Frame) -> dict[Any, Any]:
            comparison.pictures[frame.part][frame.step] = frame.images[0]
            title = VARIANTS[frame.part].title
            words = f"Recipe {frame.part + 1} of {len(VARIANTS)}, {title}: {step_text(frame)}"
            done = frame.part * frame.steps + frame.step
            return {
                self._controls.status: progress(done, len(VARIANTS) * frame.steps, words),
                self._pictures: side_by_side(comparison, frame.step if frame.part == 0 else comparison.last),
            }

        yield from self._controls.follow(job, show)
        results, trouble = attempt(lambda: self._results(job, comparison))
        yield results or self._controls.idle(trouble) | {self._pictures: ""}

    def _results(self, job: Job, comparison: Comparison) -> dict[Any, Any]:
        job.result()
        end = "Done."
        if job.timed_out:
            end = "The time limit ended the comparison early. The result so far is kept."
        elif job.stopped:
            end = "Stopped. The result so far is kept."
        last = comparison.last
        message = status(f"{end} Move the slider to see the pictures of earlier steps.")
        return self._controls.idle(message) | {
            self._at: gr.Slider(
                minimum=1, maximum=max(last, 2), value=last, step=1, visible=True, label="Show the step"
            ),
            self._pictures: side_by_side(comparison, last),
            self._verdicts: verdicts(comparison),
            self._state: comparison,
        }


def build(context: Context, model: gr.Dropdown, wanted: gr.Dropdown, photograph: gr.State) -> None:
    """Lay out the tab; see `ComparePanel`."""
    gr.HTML(
        note(
            "One target, five recipes. They differ in what they know besides the network's weights: the "
            "statistics that BatchNorm layers keep say what activations of faces are like, and public faces "
            "say where to start. Without either, an attack finds noise that the network takes for the "
            "person. All recipes run with the steps that you choose; the two published ones use many more."
        )
    )
    gr.HTML(recipe_list())
    ComparePanel(context, model, wanted, photograph)
