"""Workers that are processes of this machine."""

import contextlib
import multiprocessing
import pickle
import signal
import sys
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from arcinvert.workers.messages import Died, Message, Shipment
from arcinvert.workers.spread import Handle, Spread, describe_threads
from arcinvert.workers.worker import serve

#: Seconds that a process may take to end.
_PATIENCE = 5.0


class Processes(Spread):
    """Processes of this machine; with several GPUs, each takes the next one.

    They are started anew (spawned) when the first jobs need them: a forked copy of a process with threads or
    a GPU does not work.

    Args:
        count: How many.
        threads: The threads of each.
    """

    def __init__(self, count: int, threads: int) -> None:
        super().__init__(threads)
        self._count = count

    @property
    def count(self) -> int:
        return self._count

    def describe(self) -> str:
        return f"{self._count} processes of {describe_threads(self.threads)} each"

    def start(self, number: int) -> "Process":
        return Process(number, self.threads)

    def wait(self, handles: Sequence[Handle]) -> list[tuple[Handle, Message]]:
        by_connection = {one.connection: one for one in handles if isinstance(one, Process)}
        found: list[tuple[Handle, Message]] = []
        for ready in wait(list(by_connection)):
            handle = by_connection[ready]  # type: ignore[index]
            found.append((handle, handle.receive()))
        return found


class Process:
    """One process.

    Args:
        number: Its number from 0.
        threads: Its threads.
    """

    def __init__(self, number: int, threads: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection: Connection
        self.connection, theirs = context.Pipe()
        self.version: int | None = None
        self.process: BaseProcess = context.Process(
            target=serve, args=(theirs, number, threads), daemon=True, name=f"arcinvert worker {number}"
        )
        with _without_lost_script():
            self.process.start()
        # With the last copy of its end closed, the end of the process closes the connection.
        theirs.close()

    def submit(self, version: int, shipment: Shipment | None, job: bytes) -> None:
        self.connection.send_bytes(pickle.dumps((version, shipment, job)))

    def receive(self) -> Message:
        """Return what the process has sent."""
        try:
            message: Message = pickle.loads(self.connection.recv_bytes())  # noqa: S301
            return message
        except (EOFError, OSError, pickle.UnpicklingError):
            self.process.join(_PATIENCE)
            return Died(_ending(self.process.exitcode))

    def stop(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join(_PATIENCE)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.process.close()


@contextlib.contextmanager
def _without_lost_script() -> Iterator[None]:
    """Hide the script from a process that starts, where it came from a pipe and has no file.

    A spawned process runs the script's file again, and would end where there is none.
    """
    main = sys.modules["__main__"]
    path = getattr(main, "__file__", None)
    if path is None or Path(path).exists():
        yield
        return
    del main.__file__
    try:
        yield
    finally:
        main.__file__ = path


def _ending(code: int | None) -> str:
    """Return how a process ended, in words."""
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
