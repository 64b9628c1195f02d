"""One case: a file given to a reader in a process of its own, with a deadline and a measured memory."""

import contextlib
import json
import os
import resource
import select
import signal
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recognition.errors import InputError

#: Seconds that a reader may take.
DEADLINE = 10.0
#: Bytes by which the process may grow: this many, and this many times the file's size.
MEMORY, MEMORY_FACTOR = 1 << 30, 10


@dataclass(frozen=True)
class Outcome:
    """What a reader did with a file.

    Args:
        kind: `read`, `refused`, or, as a fault, `traceback`, `hang`, `memory`, `killed` or `lines` (an error
            message of several lines).
        detail: The message or the traceback.
        seconds: Time of the processor.
        growth: Bytes by which the process grew at most.
    """

    kind: str
    detail: str
    seconds: float
    growth: int

    @property
    def is_fault(self) -> bool:
        """Whether the reader must be mended."""
        return self.kind not in ("read", "refused")


def run_case(read: Callable[[Path], Any], path: Path, *, deadline: float = DEADLINE) -> Outcome:
    """Return what a reader does with a file, in a forked process: what has been imported stays imported."""
    allowed = MEMORY + MEMORY_FACTOR * path.stat().st_size
    receiving, sending = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(receiving)
        _run_child(read, path, sending, allowed)
    os.close(sending)
    message = b""
    end = time.monotonic() + deadline
    # The pipe closes when the process ends, whatever ends it.
    while (left := end - time.monotonic()) > 0:
        if select.select([receiving], [], [], left)[0]:
            block = os.read(receiving, 1 << 16)
            if not block:
                break
            message += block
    else:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    os.close(receiving)
    _, status, usage = os.wait4(child, 0)
    seconds = usage.ru_utime + usage.ru_stime
    try:
        kind, detail, before = json.loads(message)
    except ValueError:
        hung = left <= 0
        return Outcome("hang" if hung else "killed", f"status {status}", seconds, 0)
    growth = usage.ru_maxrss * 1024 - before
    if growth > allowed:
        kind, detail = "memory", f"{growth >> 20} MiB for {path.stat().st_size} bytes ({detail[:200]})"
    return Outcome(kind, detail, seconds, growth)


def _run_child(read: Callable[[Path], Any], path: Path, sending: int, allowed: int) -> None:
    """Read the file, send the outcome, and end the process without any clean-up."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    # OpenCV and libtiff write to the streams themselves.
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    before = _resident()
    # A backstop for the machine; the fault itself is found by the peak.
    limit = _data() + 3 * allowed
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    try:
        read(path)
        kind, detail = "read", ""
    except InputError as error:
        detail = str(error)
        kind = "lines" if "\n" in detail else "refused"
    except BaseException:
        kind, detail = "traceback", traceback.format_exc()
    # ASCII, whatever is in the message.
    os.write(sending, json.dumps([kind, detail[-4000:], before]).encode())
    os._exit(0)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def _data() -> int:
    return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()
