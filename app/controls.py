"""Controls that several tabs have."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from .context import ATTACKS, Context
from .html import progress


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
    """The buttons that start and stop a job, and the line below them that shows its progress.

    Args:
        context: The server's context.
        label: The text of the start button.
        elem_id: Its identifier in the document.
    """

    def __init__(self, context: Context, label: str, elem_id: str) -> None:
        self._context = context
        with gr.Row():
            self.start = gr.Button(label, variant="primary", elem_id=elem_id, elem_classes="ai-start")
            self.stop = gr.Button("Stop and keep the result so far", interactive=False)
        self.status = gr.HTML()

    def busy(self) -> dict[Any, Any]:
        """Return the updates for the time before a job's first step."""
        return {
            self.start: gr.Button(interactive=False),
            self.stop: gr.Button(interactive=True),
            self.status: progress(0, 1, "Loading the network"),
        }

    def idle(self, message: str) -> dict[Any, Any]:
        """Return the updates for the time after a job."""
        return {
            self.start: gr.Button(interactive=True),
            self.stop: gr.Button(interactive=False),
            self.status: message,
        }

    def connect(self, run: Callable[..., Any], inputs: Sequence[Any], outputs: Sequence[Any]) -> None:
        """Connect the buttons.

        Args:
            run: A generator of updates, which starts the job.
            inputs: Its inputs.
            outputs: Its outputs besides the controls of this class.
        """
        self.start.click(
            run,
            list(inputs),
            [self.start, self.stop, self.status, *outputs],
            concurrency_id=ATTACKS,
            concurrency_limit=1,
            show_progress="minimal",
            show_progress_on=[self.status],
            trigger_mode="once",
            api_visibility="private",
        )

        def end(request: gr.Request) -> None:
            self._context.jobs.stop(request.session_hash)

        self.stop.click(end, None, None, queue=False, api_visibility="private")
