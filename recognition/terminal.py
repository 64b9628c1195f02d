"""How every command of the project ends: one line for a user's error, a traceback for a bug."""

import argparse
import sys
import warnings
from collections.abc import Callable
from typing import Any, NoReturn, Self

from recognition.errors import InputError

#: Exit code of a command whose input cannot be used; argparse uses the same.
BAD_INPUT = 2
#: Exit code of a command that Ctrl-C ended: 128 + SIGINT, as in shells.
INTERRUPTED = 130


class Parser(argparse.ArgumentParser):
    """An argument parser that reports its errors in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message and exit with code 2."""
        self.exit(BAD_INPUT, f"error: {message}; see {self.prog} --help\n")


def run_command(command: Callable[[], int]) -> int:
    """Run a command and return its exit code.

    An `InputError` is printed in one line to standard error and gives code 2; Ctrl-C gives code 130. Any
    other exception is raised.
    """
    try:
        return command()
    except InputError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("interrupted: nothing was finished, nothing was written", file=sys.stderr)
        return INTERRUPTED


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


def quiet_warnings() -> None:
    """Hide the warnings that torch, torchvision and onnx address to developers."""
    warnings.filterwarnings("ignore", module=r"(torch|torchvision|onnx)\b.*")
