"""How every command of the project ends: one line for a user's error, a traceback for a bug."""

import argparse
import contextlib
import difflib
import errno
import io
import os
import re
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from types import FrameType
from typing import Any, NoReturn, Self

from recognition.apart import is_memory_limited, run_apart
from recognition.errors import InputError, InputWarning, is_out_of_memory
from recognition.files import printable

#: Exit code of a command whose input cannot be used; argparse uses the same.
BAD_INPUT = 2
#: Exit code, with `--strict`, of a command that finished without some of its photographs.
LEFT_OUT = 3
#: Exit code of a command that Ctrl-C ended: 128 + SIGINT, as in shells.
INTERRUPTED = 130
#: Exit code of a command whose output nobody reads any more: 128 + SIGPIPE, as in shells.
PIPE_CLOSED = 141

#: Errors of the disk and of quotas.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG} if hasattr(errno, "EDQUOT") else {errno.ENOSPC})
#: Errors of the system that a command meets, and that are no bug in it.
_ENVIRONMENT = _FULL | {
    errno.EACCES,
    errno.EEXIST,
    errno.EPERM,
    errno.EROFS,
    errno.EIO,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.EMFILE,
    errno.ELOOP,
}
#: Files that a warning names.
_SHOWN = 10
#: What argparse says of a value that is none of its choices; newer Pythons write these without quotes.
_CHOICE = re.compile(r"invalid choice: '(?P<given>[^']*)' \(choose from (?P<known>[^)]*)\)$")
#: Characters that begin an option, and with one more make no name.
_SHORT = 3


class Parser(argparse.ArgumentParser):
    """An argument parser that reports its errors in one line, with the nearest name of one that it lacks.

    Options are given by their whole names: `--images` is no short form of `--images-per-identity`, and a
    script means the same when a command has got another option.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **{"allow_abbrev": False} | named)

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """Parse the arguments; those that are unknown are an error of the command that they are given to."""
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            options = [one for one in unknown if one.startswith("--")]
            known = [name for name in self._option_string_actions if name.startswith("--")]
            hint = _nearest(options[0].partition("=")[0], known) if options else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with code 2."""
        if (choice := _CHOICE.search(message)) is not None:
            known = re.findall(r"'([^']*)'", choice["known"]) or choice["known"].split(", ")
            message = f"{message}{_nearest(choice['given'], known)}"
        self.exit(BAD_INPUT, f"error: {message}; see {self.prog} --help\n")


def _nearest(given: str, known: Sequence[str]) -> str:
    """Return a question with the name that is most like a given one; nothing if none is."""
    found = [name for name in known if name.startswith(given)] if len(given) > _SHORT else []
    found = found or difflib.get_close_matches(given, known, n=1)
    return f" (did you mean {found[0]}?)" if found else ""


def run_command(command: Callable[[], int]) -> int:
    """Run a command and return its exit code.

    An `InputError` is printed in one line to standard error and gives code 2, and so do a full disk, files
    that may not be read or written, and memory that is not enough; Ctrl-C gives code 130, and an output that
    nobody reads any more 141. Any other exception is raised.
    """
    for stream in (sys.stdout, sys.stderr):
        # Names of files may be any bytes, and a terminal may take ASCII only.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    with _printed_warnings():
        if is_memory_limited():
            return _exit_code(lambda: run_apart(lambda: _exit_code(command)))
        return _exit_code(command)


@contextlib.contextmanager
def _printed_warnings() -> Iterator[None]:
    """Print each `InputWarning` in one line to standard error, once; others are shown as ever."""
    printed: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("always", InputWarning)
        show = warnings.showwarning

        def show_once(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if not issubclass(category, InputWarning):
                show(message, category, *where, **more)
            elif (text := " ".join(printable(str(message)).split())) not in printed:
                printed.add(text)
                print(f"warning: {text}", file=sys.stderr)

        warnings.showwarning = show_once
        yield


def _exit_code(command: Callable[[], int]) -> int:
    """Run a command, print the error of its end if that is no bug, and return the exit code."""
    try:
        with _noted_interrupt() as interrupted:
            return command()
    except KeyboardInterrupt:
        return _interrupted()
    except Exception as error:
        if isinstance(error, BrokenPipeError) and _output_closed():
            return PIPE_CLOSED
        if interrupted():
            # A library that was being imported makes other errors of an interrupt.
            return _interrupted()
        message = _one_line(error)
        if message is None:
            raise
        print(f"error: {message}", file=sys.stderr)
        return BAD_INPUT


def _output_closed() -> bool:
    """Return whether nobody reads the output any more, and then let no one write to it.

    A broken pipe may also be another one, such as a worker's.
    """
    try:
        print(flush=True)
    except BrokenPipeError:
        # What is still buffered must not be written at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False


def _interrupted() -> int:
    print("interrupted: nothing was finished, nothing was written", file=sys.stderr)
    return INTERRUPTED


@contextlib.contextmanager
def _noted_interrupt() -> Iterator[Callable[[], bool]]:
    """Yield a function that says whether Ctrl-C was pressed; it raises a KeyboardInterrupt as ever."""
    pressed: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return

    def note(number: int, frame: FrameType | None) -> None:
        pressed.append(number)
        signal.default_int_handler(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield lambda: bool(pressed)
    finally:
        signal.signal(signal.SIGINT, before)


def _one_line(error: Exception) -> str | None:
    """Return what to print of an error that is no bug, or None of one that is."""
    text = " ".join(printable(str(error)).split())
    if any(map(is_out_of_memory, _chain(error))) and "not enough memory" not in text:
        return "memory: there is not enough for this; close other programs, or use smaller batches or images"
    if isinstance(error, InputError):
        return text
    if isinstance(error, OSError) and error.errno in _ENVIRONMENT:
        name = "" if error.filename is None else f"{printable(str(error.filename))}: "
        advice = "free some space" if error.errno in _FULL else "check the path and its permissions"
        return f"{name}cannot be read or written ({error.strerror}); {advice}"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what led to it: a reader takes what it cannot explain for damage in the file."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def report_left_out(names: Sequence[str | os.PathLike[str]], *, strict: bool) -> int:
    """Print which files were left out, if any, to standard error, and return the command's exit code.

    Args:
        names: The files that could not be used.
        strict: Whether files that were left out change the exit code, to `LEFT_OUT`.
    """
    if not names:
        return 0
    shown = ", ".join(printable(name) for name in names[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    print(f"warning: {len(names)} photographs were left out: {shown}{more}", file=sys.stderr)
    return LEFT_OUT if strict else 0


def add_strict(parser: argparse.ArgumentParser) -> None:
    """Add `--strict` to the parser of a command that reads a folder of photographs."""
    parser.add_argument(
        "--strict",
        action="store_true",
        help=f"exit with code {LEFT_OUT} where photographs were left out; without it they are listed only",
    )


class DeferredProgressBar:
    """A context with a progress bar that appears with the first progress, when its length is known."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def bar(self, total: int, what: str, *, done: int = 0) -> Any:
        """Return tqdm's bar; the first call makes it, and later arguments are ignored.

        Args:
            total: Number of steps.
            what: The bar's label.
            done: Number of steps that an earlier run has finished.
        """
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=total, initial=done, desc=what, unit="step")
        return self._bar


class StageBars:
    """A context with a progress bar for each stage of a work, one after the other.

    A bar appears with the first progress of its stage, and ends with the stage.
    """

    def __init__(self) -> None:
        self._stage, self._bar = "", DeferredProgressBar()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.__exit__()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show how much of a stage is done.

        Args:
            stage: The bar's label.
            done: How much is done.
            total: Of how much.
        """
        if stage != self._stage:
            self._bar.__exit__()
            self._stage, self._bar = stage, DeferredProgressBar()
        bar = self._bar.bar(total, stage)
        bar.update(done - bar.n)
        if done >= total:
            # Otherwise it would count the time of what follows.
            bar.close()


def quiet_warnings() -> None:
    """Hide the warnings that torch, torchvision and onnx address to developers."""
    warnings.filterwarnings("ignore", module=r"(torch|torchvision|onnx)\b.*")
