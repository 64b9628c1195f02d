"""What the three attacking commands share: their arguments, a progress bar, and the printed table."""

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcinvert.cli.model_options import ModelOptions, add_model_arguments
from arcinvert.options import AttackOptions
from arcinvert.recipes import RECIPES, preset
from recognition.config import add_arguments, gather
from recognition.files import safe_name
from recognition.terminal import INTERRUPTED, DeferredProgressBar

if TYPE_CHECKING:
    from arcinvert.attacker import Attacker
    from arcinvert.inversion.result import Step
    from arcinvert.run import Run

#: Where results are written by default.
_OUT = "arcinvert-results"
#: Bytes of the name of such a folder, which leaves room for those beside it.
_LONGEST = 200
#: Samples that the terminal lists.
_LISTED = 40


def add_attack_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the network, the output and the attack."""
    parser.add_argument(
        "--out",
        metavar="DIR",
        help=f"the folder for the results (default: a new one in {_OUT}/)",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="keep the finished images of an earlier run of the same command to the same folder that was "
        "killed or interrupted; without it they are made again",
    )
    add_model_arguments(parser)
    add_arguments(parser, AttackOptions, shown=_shown_defaults())


def _shown_defaults() -> dict[str, str]:
    """Return the default recipe's values, for `--help`."""
    _, ours = preset("arcinvert")
    values = ours.values("template")
    shown = {
        name: str(value)
        for name, value in values.items()
        if name not in ("penalty", "loss") and value is not None
    }
    shown["loss"] = "arcface for a class, cosine for a template"
    weights = ", ".join(f"{name}={value:g}" for name, value in values["penalty"].items() if value is not None)
    return shown | {
        "penalty": weights,
        "knowledge": f"the recipe's, {next(iter(RECIPES['arcinvert'].presets))}",
    }


def add_photos_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument for other photographs of the people."""
    parser.add_argument(
        "--photos",
        metavar="DIR",
        help="a folder of one folder for each identity with other photographs, which only the judge sees",
    )


def attack_arguments(given: argparse.Namespace) -> dict[str, Any]:
    """Return the given options of the attack; bad values are refused before a network is loaded.

    Raises:
        InputError: If a value is out of its range.
    """
    values = gather(AttackOptions, given)
    AttackOptions(**values)
    return values


def load_attacker(given: argparse.Namespace) -> "Attacker":
    """Load the network of parsed arguments.

    Raises:
        InputError: If it cannot be loaded.
    """
    options = ModelOptions(**gather(ModelOptions, given))
    from recognition.runtime import keep_freed_memory
    from recognition.terminal import quiet_warnings

    keep_freed_memory()
    quiet_warnings()
    return options.attacker()


def out_folder(given: argparse.Namespace, first: object) -> Path:
    """Return the folder for the results, by default named after command, first input and seed."""
    if given.out is not None:
        return Path(given.out)
    ending = f"-seed{getattr(given, 'seed', 0)}"
    return Path(_OUT) / safe_name(f"{given.command}-{first}", ending, max_bytes=_LONGEST)


def finish(run: "Run") -> int:
    """Print a run, and return the exit code."""
    print_run(run)
    return INTERRUPTED if run.interrupted else 0


class AttackProgress(DeferredProgressBar):
    """A bar over the steps of all batches, with the losses now and then."""

    #: Seconds between two reads of the losses: each waits for the device.
    INTERVAL = 0.5

    def __init__(self) -> None:
        super().__init__()
        self._read = 0.0

    def __call__(self, step: "Step") -> None:
        bar = self.bar(step.batches * step.steps, "invert")
        # Where memory is short there are more batches, and a step may follow an earlier one.
        bar.total = step.batches * step.steps
        now = time.monotonic()
        if now - self._read >= self.INTERVAL or step.number == step.steps:
            self._read = now
            bar.set_postfix({name: f"{value:.3f}" for name, value in step.losses.items()}, refresh=False)
        bar.update((step.batch - 1) * step.steps + step.number - bar.n)


def print_run(run: "Run") -> None:
    """Print the samples of a run as a table, and its summary."""
    judged = f"{'Type I':>7} {'Type II':>7} {'floor':>6} {'ceiling':>7}"
    print(f"{'image':32} {'attacked':>8} {judged} {'steps':>5} {'seconds':>7}  accepted at FMR")
    for sample in run.samples[:_LISTED]:
        print(_line(sample))
    if (more := len(run.samples) - _LISTED) > 0:
        print(f"... and {more:,} more in result.json")
    from arcinvert.output.sheet import summary_line

    print(summary_line(run.summary))
    for note in run.result["notes"]:
        print(note)
    if run.interrupted:
        print("Interrupted: what was finished is kept, and --resume goes on from it.")
    print(f"Wrote {run.out}/ (sheet.png, result.json, {len(run.samples)} images)")


def _line(sample: dict[str, Any]) -> str:
    verdict = sample["judge"]
    floor = verdict["floor_type_2"] if verdict["floor_type_2"] is not None else verdict["floor_type_1"]
    accepted = verdict["accepted"]
    passed = (
        "not judged" if accepted is None else ", ".join(r for r, yes in accepted.items() if yes) or "none"
    )
    numbers = " ".join(
        f"{'-' if value is None else format(value, '.3f'):>{width}}"
        for value, width in (
            (sample["attacked_similarity"], 8),
            (verdict["type_1"], 7),
            (verdict["type_2"], 7),
            (floor, 6),
            (verdict["ceiling"], 7),
        )
    )
    return f"{sample['image']:32} {numbers} {sample['steps']:>5} {sample['seconds']:>7.2f}  {passed}"
