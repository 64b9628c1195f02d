"""Runs commands in this process, and files that commands refuse."""

import os
from pathlib import Path

import pytest

from arcinvert.cli.main import main


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def run(*arguments: object) -> int:
    """Return the exit code of a command."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def names_below(folder: Path) -> list[str]:
    """Return the names of everything in a folder and below it, sorted."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def assert_one_line(error: str) -> None:
    """Assert that standard error has one line that reports an error."""
    assert error.startswith("error: ")
    assert len(error.splitlines()) == 1
