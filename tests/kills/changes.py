"""Changes an input of an audit between a kill and the next run, which must begin anew and say why.

Each round begins an audit, kills it at a random moment at which it has work on disk, changes one input, and
repeats the command. The report must then be that of an audit of the changed inputs which nobody stopped.
"""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from recognition.images import read_image, write_png
from tests.kills.killing import Scenario, described, run, timed
from tests.kills.scenarios import database_audit, folder_audit

#: What an audit logs where it does not go on from what is on disk.
_ANEW = "started anew, as this changed since the audit was stopped: "


@dataclass(frozen=True)
class Change:
    """A change of one input.

    Args:
        named: What the log calls the input.
        apply: Changes the files in the folder of inputs, and returns further arguments of the command.
        scenario: Writes inputs to a folder, and returns the audit of them.
    """

    named: str
    apply: Callable[[Path], tuple[str, ...]]
    scenario: Callable[[Path], Scenario] = folder_audit


def _photograph(path: str) -> Callable[[Path], tuple[str, ...]]:
    """Change one bit of one pixel of a photograph."""

    def apply(inputs: Path) -> tuple[str, ...]:
        pixels = read_image(inputs / path).copy()
        pixels[5, 7, 1] ^= 1
        write_png(inputs / path, pixels)
        return ()

    return apply


def _another_person(inputs: Path) -> tuple[str, ...]:
    shutil.copytree(inputs / "people" / "Person 00", inputs / "people" / "Person 99")
    return ()


def _weight(model: str) -> Callable[[Path], tuple[str, ...]]:
    def apply(inputs: Path) -> tuple[str, ...]:
        _change_tensor(inputs / model, lambda name, tensor: name.endswith("weight") and tensor.ndim == 4)
        return ()

    return apply


def _statistic(inputs: Path) -> tuple[str, ...]:
    _change_tensor(
        inputs / "statistics.safetensors",
        lambda _, tensor: tensor.dtype in (torch.float32, torch.float16) and tensor.numel() > 1,
    )
    return ()


def _template(inputs: Path) -> tuple[str, ...]:
    templates = np.load(inputs / "templates.npy")
    templates[3, 5] += 2**-10
    np.save(inputs / "templates.npy", templates)
    return ()


def _identities(inputs: Path) -> tuple[str, ...]:
    path = inputs / "ids.txt"
    names = path.read_text().splitlines()
    path.write_text("\n".join([names[1], names[0], *names[2:]]) + "\n")
    return ()


def _option(*arguments: str) -> Callable[[Path], tuple[str, ...]]:
    return lambda _: arguments


def _change_tensor(path: Path, wanted: Callable[[str, torch.Tensor], bool]) -> None:
    """Make the first number of the first wanted tensor of a file a little greater."""
    tensors = load_file(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    name = next(name for name in sorted(tensors) if wanted(name, tensors[name]))
    flat = tensors[name].reshape(-1).clone()
    flat[0] += 2**-6 * max(1.0, abs(float(flat[0])))
    tensors[name] = flat.reshape(tensors[name].shape)
    save_file(tensors, path, metadata)


_PHOTOGRAPH, _OUTSIDE = "people/Person 03/1.png", "outside/Person 15/2.png"
#: The inputs by name; a new one is one line.
CHANGES: dict[str, Change] = {
    "one bit of a photograph": Change("photographs", _photograph(_PHOTOGRAPH)),
    "one bit of a calibration photograph": Change("calibration photographs", _photograph(_OUTSIDE)),
    "one more person": Change("photographs", _another_person),
    "a number of the statistics": Change("public-face statistics", _statistic),
    "a weight of the judge": Change("judges", _weight("judge.safetensors")),
    "a weight of a variant": Change("variants", _weight("variant.safetensors")),
    "the seed": Change("options", _option("--seed", "9")),
    "the steps": Change("options", _option("--steps", "3")),
    "the attack": Change("options", _option("--attack", "penalty=tv=0.5")),
    "the number of people": Change("options", _option("--people", "7")),
    "a weight of the attacked network": Change(
        "attacked network", _weight("tiny.safetensors"), database_audit
    ),
    "a number of a template": Change("templates", _template, database_audit),
    "whose a template is": Change("templates", _identities, database_audit),
    "a photograph beside a database": Change("photographs", _photograph(_PHOTOGRAPH), database_audit),
}


def change(folder: Path, times: int, chance: random.Random) -> list[str]:
    """Change every input in turn after a kill, and return what went wrong.

    Args:
        folder: An empty folder.
        times: How many changes.
        chance: Draws the moments.
    """
    wrong = []
    audits: dict[Callable[[Path], Scenario], _Audit] = {}
    for number in range(times):
        name = list(CHANGES)[number % len(CHANGES)]
        one = CHANGES[name]
        if one.scenario not in audits:
            audits[one.scenario] = _Audit.begin(one.scenario, folder / one.scenario.__name__)
        found = _changed_once(audits[one.scenario], folder / f"round{number}", one, chance)
        wrong += [f"{name}: {fault}" for fault in found]
    return wrong


@dataclass(frozen=True)
class _Audit:
    """An audit that was run once without a kill.

    Args:
        scenario: The command.
        inputs: The folder of its inputs.
        whole: Where it was run.
        seconds: How long it took.
    """

    scenario: Scenario
    inputs: Path
    whole: Path
    seconds: float

    @classmethod
    def begin(cls, make: Callable[[Path], Scenario], folder: Path) -> "_Audit":
        """Write the inputs, and run the audit once."""
        inputs, whole = folder / "inputs", folder / "whole"
        inputs.mkdir(parents=True)
        whole.mkdir()
        scenario = make(inputs)
        code, seconds = timed(scenario, whole)
        if code != 0:
            raise RuntimeError(f"{scenario.name}: exit code {code} without a kill, see {whole}/log.txt")
        return cls(scenario, inputs, whole, seconds)

    def on(self, inputs: Path, *more: str) -> Scenario:
        """Return the command on other inputs, with more arguments, which come last and so hold."""
        arguments = (one.replace(str(self.inputs), str(inputs)) for one in self.scenario.arguments)
        return replace(self.scenario, arguments=(*arguments, *more))

    def prepare(self, folder: Path) -> Path:
        """Return a new folder of a run, with the key file that makes pseudonyms equal."""
        folder.mkdir()
        if self.scenario.key_file is not None:
            shutil.copy2(self.whole / self.scenario.key_file, folder)
        return folder


def _changed_once(audit: _Audit, folder: Path, one: Change, chance: random.Random) -> list[str]:
    folder.mkdir()
    inputs = folder / "inputs"
    shutil.copytree(audit.inputs, inputs)
    stopped = _killed(audit, audit.on(inputs), folder / "stopped", chance)
    command = audit.on(inputs, *one.apply(inputs))
    fresh = audit.prepare(folder / "fresh")
    codes = run(command, stopped), run(command, fresh)
    if codes != (0, 0):
        return [f"exit codes {codes}, see {folder}"]
    said = (stopped / "log.txt").read_text().partition(_ANEW)[2].partition("\n")[0]
    if one.named not in said:
        return [f"expected to be noticed as {one.named!r}, got {said!r}; see {stopped}/log.txt"]
    if (found := described(stopped)) != (expected := described(fresh)):
        names = sorted(name for name in found | expected if found.get(name) != expected.get(name))
        return [f"another report in {stopped}: {', '.join(names)}"]
    return []


def _killed(audit: _Audit, command: Scenario, folder: Path, chance: random.Random) -> Path:
    """Return the folder of an audit that was killed when it had work on disk."""
    while True:
        audit.prepare(folder)
        killed = run(command, folder, after=audit.seconds * chance.uniform(0.2, 0.95)) is None
        work = folder / "out-work"
        if killed and (work / "plan.json").exists() and any(work.glob("*.npz")):
            return folder
        shutil.rmtree(folder)
