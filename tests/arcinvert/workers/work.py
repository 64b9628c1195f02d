"""Work for tests: importable by other processes."""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import torch

from arcinvert.inversion.progress import OnStep
from arcinvert.inversion.result import Step
from recognition.errors import InputError


@dataclass(frozen=True)
class Seen:
    """What a worker saw of a job.

    Args:
        square: Of the job's number.
        process: The process.
        threads: Its threads.
    """

    square: int
    process: int
    threads: int


@dataclass(frozen=True)
class Squares:
    """Squares numbers in two steps each.

    Args:
        base: Added to each square.
        kill: A file: the process that computes 3 kills itself, unless the file is there, and writes it
            before; None kills nothing.
        always: Whether it is killed in spite of the file.
    """

    base: int = 0
    kill: Path | None = None
    always: bool = False

    def run(self, job: int, on_step: OnStep | None) -> Seen:
        if job == 3 and self.kill is not None and (self.always or not self.kill.exists()):
            self.kill.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if job < 0:
            raise InputError(f"job: expected a number from 0, got {job}; give another")
        for number in (1, 2):
            if on_step is not None:
                on_step(Step(number, 2, {"loss": 0.5}, lambda: torch.zeros(1)))
        return Seen(self.base + job * job, os.getpid(), torch.get_num_threads())


class Unsendable:
    """Work that cannot be pickled."""

    def __init__(self) -> None:
        self.function = lambda: None

    def run(self, job: int, on_step: OnStep | None) -> int:
        return job
