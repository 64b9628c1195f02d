"""Runs code in a process of its own, without the seconds that importing torch takes.

A fork server imports once, for each worker of the tests, what nearly every command needs, and forks for
each call: the code runs in a process that is as fresh as one of the shell, apart from these imports.
"""

import multiprocessing
import os
import runpy
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from arcinvert.cli import main as arcinvert_cli
from recognition.cli import main as recognition_cli

#: What the fork server imports.
PRELOADED = (
    "torch",
    "torchvision",
    "dlib",
    "matplotlib.figure",
    "arcinvert.attacker",
    "arcinvert.audit.runner",
    "arcinvert.knowledge.calibrate",
    "arcinvert.output.sheet",
    "arcinvert.workers.worker",
    "recognition.detection.folders",
    "recognition.training.train",
)
#: The packages that are imported anew in a process that runs a copy of the project.
_OWN = ("app", "arcinvert", "arcinvert_app", "recognition", "tests")
#: Seconds that a process may take.
_DEADLINE = 600.0


@dataclass(frozen=True)
class Ended:
    """A process that has ended.

    Args:
        returncode: Its exit code; negative is the number of the signal that ended it.
        stdout: What it wrote to its output.
        stderr: What it wrote to its standard error, with the traceback of an error.
    """

    returncode: int
    stdout: str
    stderr: str


def start_context() -> BaseContext:
    """Return how processes are started: by the fork server, or anew where the system has none."""
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if "forkserver" in methods else "spawn")
    context.set_forkserver_preload(list(PRELOADED))
    return context


def start(
    function: Callable[..., Any],
    *arguments: Any,
    output: Path,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> BaseProcess:
    """Start a function in a process of its own, and return the process.

    Args:
        function: A function of a module, with which the process ends.
        arguments: Its arguments, which are pickled.
        output: A folder that gets what the process writes, as `stdout` and `stderr`.
        cwd: The folder in which it runs; None for this process's.
        environment: Its environment variables; None for this process's.
    """
    variables = dict(os.environ if environment is None else environment)
    process: BaseProcess = start_context().Process(  # type: ignore[attr-defined]
        target=_begin, args=(function, arguments, str(output), str(cwd or Path.cwd()), variables)
    )
    process.start()
    return process


def run(
    function: Callable[..., Any],
    *arguments: Any,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> Ended:
    """Run a function in a process of its own to its end; see `start`."""
    with tempfile.TemporaryDirectory(prefix="forked-") as folder:
        output = Path(folder)
        process = start(function, *arguments, output=output, cwd=cwd, environment=environment)
        process.join(_DEADLINE)
        if process.exitcode is None:
            process.kill()
            process.join()
        texts = [(output / name).read_text(errors="replace") for name in ("stdout", "stderr")]
        assert process.exitcode is not None
        return Ended(process.exitcode, *texts)


def kill_once(process: BaseProcess, reached: Callable[[], bool]) -> None:
    """Kill a process as soon as a condition holds, unless it has ended before."""
    try:
        while process.is_alive() and not reached():
            time.sleep(0.01)
    finally:
        process.kill()
        process.join()


def command(program: str, arguments: Sequence[object]) -> None:
    """Run a command line of `arcinvert` or `recognition`; to be called in a process of its own."""
    main = {"arcinvert": arcinvert_cli.main, "recognition": recognition_cli.main}[program]
    main([str(argument) for argument in arguments])


def script(path: str, arguments: Sequence[str], project: str | None = None) -> None:
    """Run a Python file as `python FILE ARGUMENTS` does; to be called in a process of its own.

    Args:
        path: The file.
        arguments: The arguments.
        project: A folder with a copy of the project, whose packages are imported; None for this one's.
    """
    _take_packages_of(project)
    sys.argv = [path, *arguments]
    sys.path.insert(0, str(Path(path).parent))
    runpy.run_path(path, run_name="__main__")


def module(name: str, arguments: Sequence[str], project: str | None = None) -> None:
    """Run a module as `python -m NAME ARGUMENTS` does; see `script`."""
    _take_packages_of(project)
    sys.argv = [name, *arguments]
    runpy.run_module(name, run_name="__main__", alter_sys=True)


def code(text: str) -> None:
    """Run code as `python -c CODE` does; to be called in a process of its own."""
    exec(compile(text, "<string>", "exec"), {"__name__": "__main__"})  # noqa: S102  (a message's own command)


def _take_packages_of(project: str | None) -> None:
    if project is None:
        return
    for name in [name for name in sys.modules if name.partition(".")[0] in _OWN]:
        del sys.modules[name]
    sys.path.insert(0, project)


def _begin(
    function: Callable[..., Any],
    arguments: tuple[Any, ...],
    output: str,
    cwd: str,
    environment: dict[str, str],
) -> None:
    for number, name in ((1, "stdout"), (2, "stderr")):
        stream = os.open(Path(output) / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    function(*arguments)
