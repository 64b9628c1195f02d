"""Kills a command at random moments until it ends by itself, and compares what it wrote."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from recognition.backbones import build_backbone
from recognition.checkpoint import save_recogniser
from recognition.images import write_png
from recognition.recogniser import Recogniser, Source

_ARCHITECTURE: dict[str, Any] = {"network": "iresnet18", "width": 1 / 16, "embedding_size": 32}
#: Fields of JSON that differ from one run to the next.
_OF_A_RUN = ("created", "seconds")


@dataclass(frozen=True)
class Scenario:
    """A command that is killed.

    Args:
        name: What reports call it.
        arguments: Of `python -m arcinvert`, without --out.
        key_file: The name of the key file that it writes beside `out`, which every round begins with, so that
            pseudonyms are equal.
    """

    name: str
    arguments: tuple[str, ...]
    key_file: str | None = None


def prepare(folder: Path) -> list[Scenario]:
    """Write networks and photographs to a folder, and return the commands that use them."""
    models = [
        _write_model(folder / f"{name}.safetensors", seed) for seed, name in enumerate(("tiny", "judge"))
    ]
    people = folder / "people"
    for number in range(12):
        coarse = np.random.default_rng(number).random((1, 3, 6, 6))
        smooth = F.interpolate(torch.from_numpy(coarse), 112, mode="bicubic").clamp(0, 1)
        crop = (smooth[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        (people / f"Person {number:02d}").mkdir(parents=True)
        write_png(people / f"Person {number:02d}" / "1.png", crop)
        write_png(people / f"Person {number:02d}" / "2.png", (crop * 0.9).astype(np.uint8))
    np.save(folder / "templates.npy", np.random.default_rng(0).normal(size=(6, 32)))
    attack = ("--model", str(models[0]), "--steps", "2", "--batch-size", "1", "--device", "cpu", "--resume")
    return [
        Scenario("generate", ("generate", "--class-id", "0", "1", "2", "3", "4", "5", "6", "7", *attack)),
        Scenario("from-embedding", ("from-embedding", str(folder / "templates.npy"), *attack)),
        Scenario(
            "audit",
            (
                *("audit", "--images", str(people), "--model", str(models[0]), "--judges", str(models[1])),
                *("--people", "8", "--samples", "4", "--steps", "2", "--calibration-images", "12"),
                *("--fmr", "0.1", "--policy-fmr", "0.1", "--device", "cpu"),
            ),
            "out-key.json",
        ),
    ]


def _write_model(path: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    options = dict(_ARCHITECTURE)
    backbone = build_backbone(options.pop("network"), **options)
    backbone.train()
    for _ in range(10):
        backbone(2 * torch.rand(8, 3, 112, 112) - 1)
    recogniser = Recogniser(
        backbone.eval(),
        name=path.stem,
        centres=F.normalize(torch.randn(8, 32)),
        class_names=tuple(f"Class {number}" for number in range(8)),
        scale=16.0,
        margin=0.3,
        source=Source(architecture=_ARCHITECTURE),
    )
    save_recogniser(path, recogniser, extra={"mean_face": torch.full((3, 112, 112), 0.5)})
    return path


def run(scenario: Scenario, out: Path, *, after: float | None = None) -> int | None:
    """Run a command, and return its exit code; None if it was killed.

    Args:
        scenario: The command.
        out: Where it writes.
        after: Kill it after so many seconds; None lets it end.
    """
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1000000000", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "arcinvert", *scenario.arguments, "--out", str(out)]
    with (out.parent / "log.txt").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            return process.wait(after)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return None


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
    begin = time.monotonic()
    if run(scenario, whole / "out") != 0:
        return [f"{scenario.name}: failed without a kill"]
    seconds = time.monotonic() - begin
    expected = described(whole)
    wrong: list[str] = []
    done = round_number = 0
    while done < times:
        part = folder / f"round{round_number}"
        part.mkdir()
        round_number += 1
        if scenario.key_file is not None:
            shutil.copy2(whole / scenario.key_file, part)
        # Late moments are those in which files are written: the start of Python takes the most time.
        while done < times and run(scenario, part / "out", after=seconds * chance.uniform(0.3, 1.05)) is None:
            done += 1
        code = run(scenario, part / "out")
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
        if path.is_dir() or name == "log.txt":
            continue
        data = path.read_bytes()
        if path.suffix == ".json":
            data = json.dumps(_timeless(json.loads(data)), sort_keys=True).encode()
        found[name] = hashlib.sha256(data).hexdigest()
    return found


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(one) for name, one in value.items() if name not in _OF_A_RUN}
    return [_timeless(one) for one in value] if isinstance(value, list) else value
