"""How every command of the project ends: errors of the user in one line, bugs with a traceback."""

import argparse
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn, Self

from recognition.errors import InputError

#: Exit codes: input that cannot be used, as argparse has it; and a process ended by Ctrl-C.
BAD_INPUT = 2
INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line too."""

    def error(self, message: str) -> NoReturn:
        self.exit(BAD_INPUT, f"error: {message}; see {self.prog} --help\n")


def run_command(command: Callable[[], int]) -> int:
    """The exit code of a command; a known error is told in one line on standard error."""
    try:
        return command()
    except InputError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted: nothing was finished, nothing was written", file=sys.stderr)
        return INTERRUPTED


class LateBar:
    """A context with a progress bar that is opened at its first news, when its length is known."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def bar(self, total: int, what: str, *, done: int = 0) -> Any:
        """tqdm's bar over `total` steps, `done` of them before; the first call decides."""
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(total=total, initial=done, desc=what, unit="step")
        return self._bar


def quiet_warnings() -> None:
    """Keep libraries' warnings to developers out of a user's terminal."""
    warnings.filterwarnings("ignore", module=r"(torch|torchvision|onnx)\b.*")
