"""A command in a process of its own, for when memory is limited (`ulimit -v`).

Libraries in C++ end their process when they get no memory where they cannot report it, such as while they are
loaded. No exception reaches Python then; only another process can say what happened.
"""

import contextlib
import os
import signal
import sys
import traceback
from collections.abc import Callable

#: What the runtime of C++ prints before it ends a process.
_TERMINATED = b"terminate called"


def is_memory_limited() -> bool:
    """Return whether the system limits the memory of this process."""
    if sys.platform == "win32":
        return False
    import resource

    return resource.getrlimit(resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY


def run_apart(command: Callable[[], int]) -> int:
    """Run a command in a forked process with this one's streams, and return its exit code.

    Raises:
        MemoryError: If its libraries ended it.
    """
    reading, writing = os.pipe()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _run_child(command, writing)
    os.close(writing)
    # Ctrl-C reaches both processes, and the child says what it means.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _relay(reading)
        _, status = os.waitpid(child, 0)
    finally:
        os.close(reading)
        signal.signal(signal.SIGINT, before)
    code = os.waitstatus_to_exitcode(status)
    if -code in (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS):
        raise MemoryError
    return code if code >= 0 else 128 - code


def _run_child(command: Callable[[], int], errors: int) -> None:
    os.dup2(errors, 2)
    os.close(errors)
    code = 1
    try:
        code = command()
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        # What the parent still has to do at its end is not done twice.
        os._exit(code)


def _relay(reading: int) -> None:
    """Copy what the child prints to standard error, but for the last words of a process that C++ ends."""
    while block := os.read(reading, 1 << 16):
        shown, found, _ = block.partition(_TERMINATED)
        if shown:
            os.write(2, shown)
        if found:
            while os.read(reading, 1 << 16):
                pass
            return
