"""What all tabs share: settings, loaded networks, running jobs, and how handlers are connected."""

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from arcinvert import Attacker, AttackOptions, InputError

from .attackers import Attackers
from .html import problem, status
from .job import Abandoned, Job
from .jobs import Jobs
from .kept import KeptResults
from .settings import Settings
from .speed import StepTimes
from .visitors import Visitors
from .wording import for_page

_log = logging.getLogger(__name__)

#: What happens at the first use of a network.
MEASURING = "Measuring the network on synthetic faces (once)"
#: The number of calls of a light handler that run at once.
LIGHT_CALLS = 8


class Context:
    """What the tabs of one server share.

    Args:
        settings: The server's options.
        visitors: Who is connected; without it everybody counts as connected.
        folder: For files that exist as long as a job runs; None for the system's folder.
    """

    def __init__(
        self, settings: Settings, visitors: Visitors | None = None, folder: Path | None = None
    ) -> None:
        self.settings, self.folder = settings, folder
        self.attackers = Attackers(settings.device)
        listening = (lambda session: True) if visitors is None else visitors.listening
        self.jobs = Jobs(listening, most=settings.queue)
        self.kept = KeptResults()
        #: Shared by the tabs, so that they estimate alike.
        self.times = StepTimes()

    def attacker(self, name: str) -> Attacker:
        """Return the loaded network of a name on the page.

        Raises:
            InputError: If there is no such network, or it cannot be loaded.
        """
        return self.attackers.get(self.settings.model(name))

    def ready(self, name: str, job: Job) -> Attacker:
        """Return the loaded network for a job, measured on synthetic faces if it never was.

        Raises:
            InputError: If there is no such network, or it cannot be loaded.
            Abandoned: If the job is abandoned meanwhile.
        """
        attacker = self.attacker(name)
        attacker.measure(AttackOptions(), functools.partial(job.prepare, MEASURING, is_limited=False))
        return attacker


Result = TypeVar("Result")


def attempt(work: Callable[[], Result]) -> tuple[Result | None, str]:
    """Return the result of work and an empty text, or None and a message about the error as HTML."""
    try:
        return work(), ""
    except InputError as error:
        return None, problem(for_page(error))
    except Abandoned as end:
        # Nothing went wrong: the visitor has cancelled or left.
        return None, status(str(end)) if str(end) else ""
    except Exception:
        # The server keeps running for the other visitors; the details go to its log.
        _log.exception("a handler failed")
        return None, problem(
            "Something went wrong on the server, and it is not your fault. The server's log has the details."
        )


def on_change(
    event: Callable[..., Any],
    handler: Callable[..., Any],
    inputs: list[Any],
    outputs: list[Any],
    *,
    in_turn: str | None = None,
) -> Any:
    """Connect a light handler, which runs beside attacks and always gets a control's newest value.

    Return the event, after which another handler can run.

    Args:
        event: The event of a control.
        handler: The handler.
        inputs: Its inputs.
        outputs: Its outputs.
        in_turn: A name shared by handlers that must run one after the other; None runs them at once.
    """
    return event(
        handler,
        inputs,
        outputs,
        trigger_mode="always_last",
        concurrency_id=in_turn,
        concurrency_limit=LIGHT_CALLS if in_turn is None else 1,
        show_progress="hidden",
        api_visibility="private",
    )
