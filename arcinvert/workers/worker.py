"""What runs in another process: it holds the latest work, and computes jobs."""

import pickle
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import torch

from arcinvert.inversion.result import Step
from arcinvert.workers.base import Work
from arcinvert.workers.messages import Reported, Shipment, answer, failure, plain_step, unpacked_work
from recognition.runtime import keep_freed_memory
from recognition.terminal import quiet_warnings

#: Seconds between two steps that are reported: each reads losses, which waits for the device.
_INTERVAL = 0.25


class Worker:
    """Computes jobs with the number of threads that every process of the run has.

    Args:
        number: The worker's number from 0, which chooses among the machine's GPUs.
        threads: The number of threads.
    """

    def __init__(self, number: int, threads: int) -> None:
        keep_freed_memory()
        quiet_warnings()
        self._threads = threads
        self._gpu = number % max(1, torch.cuda.device_count())
        self._version: int | None = None
        self._work: Work | None = None

    def run(
        self, version: int, shipment: Shipment | None, job: bytes, report: Callable[[Step], None]
    ) -> bytes:
        """Return the message of a job's result, or of the exception that it raised.

        Args:
            version: The version of the work.
            shipment: The work itself; None if the worker holds it.
            job: The pickled job.
            report: Receives steps now and then.
        """
        # In the thread that computes, since OpenMP counts threads by the thread that starts them.
        torch.set_num_threads(self._threads)
        try:
            if shipment is not None and version != self._version:
                # The old network goes first: two may not fit.
                self._work = None
                self._work, self._version = unpacked_work(shipment.data, self._gpu), version
            if self._work is None:
                raise RuntimeError(f"expected work of version {version}, got none")
            return answer(self._work.run(pickle.loads(job), _now_and_then(report)))  # noqa: S301
        except Exception as error:
            return failure(error)


def _now_and_then(report: Callable[[Step], None]) -> Callable[[Step], None]:
    """Return a callback that passes on a step in an interval, and the last one."""
    before = 0.0

    def on_step(step: Step) -> None:
        nonlocal before
        now = time.monotonic()
        if now - before >= _INTERVAL or step.number == step.steps:
            before = now
            report(plain_step(step))

    return on_step


def serve(connection: Connection, number: int, threads: int) -> None:
    """Compute the jobs that come through a connection until it is closed.

    Args:
        connection: To the process that gives jobs.
        number: The worker's number.
        threads: The number of threads.
    """
    # Ctrl-C reaches all processes of a terminal: the one that gives jobs decides.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    worker = Worker(number, threads)

    def report(step: Step) -> None:
        connection.send_bytes(pickle.dumps(Reported(step)))

    try:
        while True:
            version, shipment, job = pickle.loads(connection.recv_bytes())  # noqa: S301
            connection.send_bytes(worker.run(version, shipment, job, report))
    except (EOFError, OSError):
        # The process that gave jobs has ended.
        return
