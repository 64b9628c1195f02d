"""What a visitor sees of a job: its place in the queue, its start, and its steps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Waiting:
    """A job in the queue.

    Args:
        before: The number of jobs before it, with the one that runs.
        seconds: The estimated number of seconds until it starts, rounded to 5.
    """

    before: int
    seconds: int


@dataclass(frozen=True)
class Started:
    """A job that has left the queue, and has not made a step yet."""


@dataclass(frozen=True)
class Preparing:
    """What a job does before its first step.

    Args:
        text: What it is, for the visitor.
        done: How much of it is done.
        total: Of how much.
        seconds_left: The estimated number of seconds until it is done; None if that is not known yet.
    """

    text: str
    done: int
    total: int
    seconds_left: float | None


@dataclass(frozen=True)
class Ending:
    """A job whose visitor wants it to end; the text says so."""

    text: str


@dataclass(frozen=True)
class Progress:
    """The state of a job after a step.

    Args:
        step: The number of the step, from 1.
        steps: The number of steps.
        seconds: The seconds since the first step began.
    """

    step: int
    steps: int
    seconds: float

    @property
    def seconds_left(self) -> float:
        """The estimated number of seconds until the last step."""
        return self.seconds / self.step * (self.steps - self.step)


@dataclass(frozen=True)
class Frame(Progress):
    """The state of an attack after a step.

    Args:
        images: The images so far, uint8 NHWC.
        part: The number of the attack within the job, from 0.
        is_due: Whether the visitor is to see it; others are for films alone.
    """

    images: NDArray[np.uint8]
    part: int = 0
    is_due: bool = True


Update = Waiting | Started | Preparing | Progress | Ending
