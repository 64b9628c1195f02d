"""What all tabs share: settings, running jobs, and how a handler tells a message."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import gradio as gr

from app.html import problem
from app.jobs import Jobs
from app.settings import Settings
from recognition.errors import InputError

_log = logging.getLogger(__name__)

#: Handlers that share one place in the queue: one attack at a time, whoever asks.
ATTACKS = "attacks"
#: Light handlers that may run at once.
AT_ONCE = 8


@dataclass(frozen=True)
class Context:
    """Of one server."""

    settings: Settings
    jobs: Jobs = field(default_factory=Jobs)


Result = TypeVar("Result")


def told(work: Callable[[], Result]) -> tuple[Result | None, str]:
    """The result of work and an empty message; or None and what to tell of the error."""
    try:
        return work(), ""
    except InputError as error:
        return None, problem(str(error))
    except Exception:
        # The server goes on for everybody else; what happened is in its terminal.
        _log.exception("a handler failed")
        return None, problem(
            "Something went wrong that should not have. The server goes on; its terminal has the details."
        )


def on_change(
    event: Callable[..., Any],
    handler: Callable[..., Any],
    inputs: list[Any],
    outputs: list[Any],
    *,
    in_turn: str | None = None,
) -> None:
    """Have a light handler hear of a control's newest value, whatever jobs are running.

    Args:
        in_turn: a name that handlers share which must not overtake one another.
    """
    event(
        handler,
        inputs,
        outputs,
        trigger_mode="always_last",
        concurrency_id=in_turn,
        concurrency_limit=AT_ONCE if in_turn is None else 1,
        show_progress="hidden",
        api_visibility="private",
    )


def number(label: str, value: int, title: str) -> gr.Number:
    """A whole number from 0 up."""
    return gr.Number(value, label=label, info=title, minimum=0, precision=0, min_width=120)
