"""What this process and a worker send each other. Both ends are ours: nothing of a stranger is unpickled."""

import io
import pickle
import traceback
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from arcinvert.inversion.result import Step
from recognition.errors import InputError, one_line


@dataclass(frozen=True)
class Shipment:
    """A piece of work for the workers.

    Args:
        version: Its number; a worker that holds this version keeps it.
        data: The pickled work.
    """

    version: int
    data: bytes


@dataclass(frozen=True)
class Reported:
    """A step of a job that a worker computes."""

    step: Step


@dataclass(frozen=True)
class Finished:
    """The result of a job."""

    result: Any


@dataclass(frozen=True)
class Failed:
    """The exception that a job raised."""

    error: Exception


@dataclass(frozen=True)
class Died:
    """A worker ended without a result; `how` says what is known of it."""

    how: str


Message = Reported | Finished | Failed | Died


def packed_work(work: Any) -> bytes:
    """Return pickled work.

    Raises:
        InputError: If it cannot be pickled, as a network with functions of its own.
    """
    buffer = io.BytesIO()
    try:
        torch.save(work, buffer)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise InputError(
            f"workers: expected a network that can be copied to other processes, got one that cannot "
            f"({one_line(error)}); leave workers out"
        ) from None
    return buffer.getvalue()


def unpacked_work(data: bytes, gpu: int) -> Any:
    """Return the work of `packed_work`.

    Args:
        data: The pickled work.
        gpu: Which of the CUDA devices takes what was on the first one; what was on another one, which was
            chosen by name, stays there.
    """

    def moved(storage: Any, location: str) -> Any:
        return storage.cuda(gpu) if location in ("cuda", "cuda:0") else None

    # By this program's own parent process: a file of a stranger never comes here.
    return torch.load(io.BytesIO(data), map_location=moved, weights_only=False)


def plain_step(step: Step) -> Step:
    """Return a step that can be pickled: its losses are read, its images stay where they are."""
    return replace(step, losses=dict(step.losses), images=no_images)


def no_images() -> Tensor:
    """Stand for the images of a step that another process computes.

    Raises:
        InputError: Always.
    """
    raise InputError("images of a step: expected a run in one process, got several; leave workers out")


def answer(result: Any) -> bytes:
    """Return the message of a result."""
    return pickle.dumps(Finished(result))


def failure(error: Exception) -> bytes:
    """Return the message of an exception, with the traceback of the worker."""
    text = "".join(traceback.format_exception(error))
    error.add_note(f"In a worker:\n{text}")
    try:
        data = pickle.dumps(Failed(error))
        # Some exceptions are pickled and cannot be read again.
        pickle.loads(data)  # noqa: S301
    except Exception:
        return pickle.dumps(Failed(RuntimeError(text)))
    return data
