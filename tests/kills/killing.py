"""Kills a command at random moments until it ends by itself, and compares what it wrote.

Commands run in forked processes, in which everything is imported already: the seconds that Python takes to
import torch hold no moment of interest.
"""

import gc
import hashlib
import json
import os
import random
import shutil
import signal
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import dlib  # noqa: F401
import matplotlib.figure  # noqa: F401
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open

import arcinvert.attacker
import arcinvert.audit.attack
import arcinvert.audit.runner
import arcinvert.evaluation.scores
import arcinvert.knowledge.calibrate
import arcinvert.output.sheet
import arcinvert.synthesis.synthesise
import recognition.detection.folders
import recognition.plots.clusters
import recognition.training.train  # noqa: F401
from arcinvert.cli import main as arcinvert_cli
from arcinvert.evaluation.judges import DlibJudge
from recognition.cli import main as recognition_cli
from recognition.loading.torch_files import read_torch_file

#: Fields of JSON that differ from one run to the next.
_OF_A_RUN = ("created", "seconds", "images_per_second")
#: Seconds that a command may take.
_DEADLINE = 300.0
#: Texts in place of the folder of a run, which each run has one of.
_HERE = "{out}"


@dataclass(frozen=True)
class Scenario:
    """A command that is killed.

    Args:
        name: What reports call it.
        arguments: Of the command line; `{out}` in them is where it writes.
        main: The entry point: of `arcinvert`, or of `python -m recognition`.
        ending: Ends the name of what it writes: a file where it begins with a dot, else a folder.
        key_file: The name of the key file that it writes beside its folder, which every round begins with,
            so that pseudonyms are equal.
    """

    name: str
    arguments: tuple[str, ...]
    main: Callable[[list[str]], None] = arcinvert_cli.main
    ending: str = ""
    key_file: str | None = None


def of_recognition(name: str, *arguments: str, ending: str = "") -> Scenario:
    """Return a command of `python -m recognition`, whose own name is its first argument."""
    return Scenario(name, arguments, recognition_cli.main, ending)


def make_judge_cheap() -> None:
    """Replace dlib's network and its detector, half of the time of most commands, by a few pixels."""

    def embed(_: DlibJudge, crops: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
        return np.array([crop[::28, ::28].ravel() / 255 for crop in crops], dtype=np.float64)

    DlibJudge.embed = embed
    for module in (arcinvert.audit.attack, arcinvert.evaluation.scores):
        # Of noise the detector would find no face anywhere; this tells images apart.
        module.face_detected = lambda crop: bool(crop[::16, ::16].sum() % 2)


def run(scenario: Scenario, folder: Path, *, after: float | None = None) -> int | None:
    """Run a command in a process of its own, and return its exit code; None if it was killed.

    Args:
        scenario: The command.
        folder: Where it writes `out`; its messages are added to `log.txt` there.
        after: Kill it after so many seconds; None lets it end.
    """
    arguments = [one.replace(_HERE, str(folder / f"out{scenario.ending}")) for one in scenario.arguments]
    child = os.fork()
    if child == 0:
        _run_child(scenario.main, arguments, folder / "log.txt")
    end = time.monotonic() + (_DEADLINE if after is None else after)
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def timed(scenario: Scenario, folder: Path) -> tuple[int | None, float]:
    """Run a command, and return its exit code and how many seconds it took."""
    begin = time.monotonic()
    code = run(scenario, folder)
    return code, time.monotonic() - begin


def _run_child(main: Callable[[list[str]], None], arguments: list[str], log: Path) -> NoReturn:
    """Run a command with its streams in a file, and end the process with its exit code."""
    code = 1
    try:
        stream = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(stream, 1)
        os.dup2(stream, 2)
        os.environ["SOURCE_DATE_EPOCH"] = "1000000000"
        try:
            main(arguments)
        except SystemExit as end:
            code = int(end.code or 0)
        except BaseException:
            os.write(2, traceback.format_exc().encode())
    finally:
        # No clean-up of what belongs to the parent.
        os._exit(code)


def kill(scenario: Scenario, folder: Path, times: int, chance: random.Random) -> list[str]:
    """Kill a command at random moments, each time until it ends, and return what went wrong.

    Args:
        scenario: The command.
        folder: An empty folder.
        times: How many kills.
        chance: Draws the moments.
    """
    folder.mkdir()
    whole = folder / "whole"
    whole.mkdir()
    torch.set_num_threads(1)
    gc.collect()
    code, seconds = timed(scenario, whole)
    if code != 0:
        return [f"{scenario.name}: exit code {code} without a kill, see {whole}/log.txt"]
    expected = described(whole)
    wrong: list[str] = []
    done = round_number = 0
    while done < times:
        part = folder / f"round{round_number}"
        part.mkdir()
        round_number += 1
        if scenario.key_file is not None:
            shutil.copy2(whole / scenario.key_file, part)
        while done < times and run(scenario, part, after=seconds * chance.uniform(0.02, 1.02)) is None:
            done += 1
        code = run(scenario, part)
        if code != 0:
            wrong.append(f"{scenario.name}: exit code {code} after kills, see {part}/log.txt")
        elif (found := described(part)) != expected:
            names = sorted(name for name in found | expected if found.get(name) != expected.get(name))
            wrong.append(f"{scenario.name}: other results in {part}: {', '.join(names)}")
    return wrong


def described(folder: Path) -> dict[str, str]:
    """Return digests of all files in a folder, without what differs from one run to the next."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        # TensorBoard's files are named after the time and the process.
        if path.is_dir() or name == "log.txt" or "tensorboard/" in name:
            continue
        found[name] = hashlib.sha256(_content(path, str(folder))).hexdigest()
    return found


def _content(path: Path, folder: str) -> bytes:
    if path.suffix == ".json":
        return json.dumps(_timeless(json.loads(path.read_bytes())), sort_keys=True).encode()
    if path.suffix == ".jsonl":
        return json.dumps([_timeless(json.loads(line)) for line in path.read_text().splitlines()]).encode()
    if path.suffix == ".safetensors":
        return _safetensors_content(path)
    if path.suffix == ".pt":
        return repr(_plain(read_torch_file(path))).encode()
    return path.read_bytes().replace(folder.encode(), b"")


def _safetensors_content(path: Path) -> bytes:
    with safe_open(path, framework="pt") as file:
        names = sorted(file.keys())
        tensors = {name: _plain(file.get_tensor(name)) for name in names}
        metadata = {name: _plain(value) for name, value in sorted((file.metadata() or {}).items())}
    return repr((tensors, metadata)).encode()


def _plain(value: Any) -> Any:
    """Return a value that is written alike for equal content, without what is of one run alone."""
    if isinstance(value, torch.Tensor):
        shape = (str(value.dtype), tuple(value.shape))
        return (
            *shape,
            hashlib.sha256(value.contiguous().flatten().view(torch.uint8).numpy().tobytes()).hexdigest(),
        )
    if isinstance(value, dict):
        return {str(name): _plain(one) for name, one in value.items() if name not in _OF_A_RUN}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, str) and value.startswith(("{", "[")):
        return _timeless(json.loads(value))
    return value


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(one) for name, one in value.items() if name not in _OF_A_RUN}
    return [_timeless(one) for one in value] if isinstance(value, list) else value
