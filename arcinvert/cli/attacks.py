"""What the three attacking commands share: their arguments, a progress bar, and the printed table."""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arcinvert.access.options import AccessOptions
from arcinvert.cli.model_options import ModelOptions, add_model_arguments, black_box_attacker
from arcinvert.options import AttackOptions
from arcinvert.output.verdicts import accepted_at, person_line
from arcinvert.recipes import RECIPES, preset
from arcinvert.workers.options import WorkerOptions
from recognition.config import add_arguments, gather
from recognition.errors import InputError
from recognition.files import safe_name
from recognition.terminal import INTERRUPTED, DeferredProgressBar

if TYPE_CHECKING:
    from arcinvert.access.black_box_attacker import BlackBoxAttacker
    from arcinvert.attacker import Attacker
    from arcinvert.inversion.progress import OnStage
    from arcinvert.inversion.result import Step
    from arcinvert.run import Run
    from arcinvert.workers.base import Workers

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
    add_arguments(parser, WorkerOptions)
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
    weights = [f"{name}={value:g}" for name, value in values["penalty"].items() if value is not None]
    return shown | {
        "steps": "50 along the face PCA, otherwise 100",
        "restarts": "12 by the weights alone, 5 from nearest neighbours, 3 of other pixels, otherwise 1",
        "restart_steps": "25 by the weights alone, 12 from nearest neighbours, otherwise all steps",
        "retries": "2 from nearest neighbours with 50 steps or more, otherwise 0",
        "batch_size": f"{values['batch_size']}; on a CUDA device what its memory holds, up to 512",
        "penalty": ", ".join([*weights, "colour-tv=1 along the face PCA, otherwise colour-tv=4 and bn=1"]),
        "knowledge": f"the recipe's, {next(iter(RECIPES['arcinvert'].presets))}",
    }


def add_photos_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument for other photographs of the people."""
    parser.add_argument(
        "--photos",
        metavar="DIR",
        help="a folder of one folder for each identity with other photographs, which only the judge sees",
    )


def add_allow_overlap(parser: argparse.ArgumentParser) -> None:
    """Add the argument that allows attacked photographs among the public faces."""
    parser.add_argument(
        "--allow-overlap",
        action="store_true",
        help="attack photographs that are among the attacker's public faces too, and report them; without it "
        "they are refused",
    )


def attack_arguments(given: argparse.Namespace) -> dict[str, Any]:
    """Return the given options of the attack; bad values are refused before a network is loaded.

    Raises:
        InputError: If a value is out of its range.
    """
    values = gather(AttackOptions, given)
    AttackOptions(**values)
    return values


def load_attacker(given: argparse.Namespace, workers: "Workers | None" = None) -> "Attacker":
    """Load the network of parsed arguments.

    Args:
        given: The parsed arguments.
        workers: Where batches are computed; None computes them in this process.

    Raises:
        InputError: If it cannot be loaded.
    """
    options = ModelOptions(**gather(ModelOptions, given))
    _prepare_process()
    return options.attacker(workers)


def access_options(given: argparse.Namespace) -> AccessOptions:
    """Return how the attacked network is accessed; bad values are refused before a network is loaded.

    Raises:
        InputError: If a value is out of its range, or a black box is to be resumed or attacked by several
            workers.
    """
    options = AccessOptions(**gather(AccessOptions, given))
    if options.access != "weights" and given.resume:
        raise InputError(
            f"resume: expected --access weights, got {options.access}: answers are not kept; leave it out"
        )
    refuse_workers(options, WorkerOptions(**gather(WorkerOptions, given)))
    return options


def refuse_workers(access: AccessOptions, workers: WorkerOptions) -> None:
    """Refuse several workers where the attacked network only answers.

    Raises:
        InputError: If both are given.
    """
    if access.access != "weights" and workers.workers is not None:
        raise InputError(
            f"workers: expected none with --access {access.access}, got {workers.workers}: queries are "
            "counted in one process; leave --workers out"
        )


def load_black_box_attacker(
    given: argparse.Namespace, access: AccessOptions, on_stage: "OnStage"
) -> "BlackBoxAttacker":
    """Load the network of parsed arguments, or what answers in its place, as a black box.

    Args:
        given: The parsed arguments.
        access: What may be asked, and how often.
        on_stage: Receives what is done before the first step.

    Raises:
        InputError: If it cannot be loaded.
    """
    options = ModelOptions(**gather(ModelOptions, given))
    _prepare_process()
    return black_box_attacker(options, access, on_stage)


def _prepare_process() -> None:
    from recognition.runtime import keep_freed_memory
    from recognition.terminal import quiet_warnings

    keep_freed_memory()
    quiet_warnings()


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
        # Torch is loaded when a bar is made, and not for --help.
        from arcinvert.inversion.progress import RunProgress

        self._progress = RunProgress()

    def __call__(self, step: "Step") -> None:
        done, steps = self._progress.of(step)
        bar = self.bar(steps, "invert")
        # Where memory is short there are more batches.
        bar.total = steps
        now = time.monotonic()
        if now - self._read >= self.INTERVAL or step.number == step.steps:
            self._read = now
            bar.set_postfix({name: f"{value:.3f}" for name, value in step.losses.items()}, refresh=False)
        bar.update(done - bar.n)


def print_run(run: "Run") -> None:
    """Print a line on each person, the samples of a run as a table, and its summary."""
    from arcinvert.output.sheet import summary_line

    people: dict[tuple[str, int | None], list[dict[str, Any]]] = {}
    for sample in run.samples:
        subcentre = sample["subcentre"]
        people.setdefault((sample["input"], subcentre and subcentre["number"]), []).append(sample)
    print("\n".join(person_line(samples) for samples in list(people.values())[:_LISTED]))
    if (more := len(people) - _LISTED) > 0:
        print(f"... and {more:,} more people")
    print()
    listed = run.samples[:_LISTED]
    print("\n".join(aligned([_HEADS, *map(_cells, listed)])))
    if (more := len(run.samples) - len(listed)) > 0:
        print(f"... and {more:,} more in result.json")
    print(summary_line(run.summary))
    for kind, summary in run.summary["subcentres"].items():
        print(f"{kind} centres: {summary_line(summary)}")
    for note in run.result["notes"]:
        print(note)
    if run.interrupted:
        print("Interrupted: what was finished is kept, and --resume goes on from it.")
    print(f"Wrote {run.out}/ (sheet.png, result.json, {len(run.samples)} images)")


#: Heads of the printed columns; the similarities are those of the attacked network and of the judge.
_HEADS = ("image", "attacked", "Type I", "Type II", "floor", "ceiling", "steps", "seconds", "accepted at FMR")


def _cells(sample: dict[str, Any]) -> tuple[str, ...]:
    verdict = sample["judge"]
    floor = verdict["floor_type_2"] if verdict["floor_type_2"] is not None else verdict["floor_type_1"]
    similarities = (
        sample["attacked_similarity"],
        verdict["type_1"],
        verdict["type_2"],
        floor,
        verdict["ceiling"],
    )
    numbers = ("-" if value is None else f"{value:.3f}" for value in similarities)
    return (
        sample["image"],
        *numbers,
        str(sample["steps"]),
        f"{sample['seconds']:.2f}",
        accepted_at(verdict["accepted"]),
    )


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows of texts as lines with aligned columns: the first and the last to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if number == 0 else cell if number == len(row) - 1 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
