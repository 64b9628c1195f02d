"""The command line: parse, call the api, print. torch is imported only by a command that runs."""

import argparse
import sys
import time
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from arcinvert.cli import COMMANDS
from arcinvert.cli.model_options import add_model_options, take_model
from arcinvert.options import AttackOptions, choices, value_type
from recognition.options import DeviceName
from recognition.terminal import DeferredProgressBar, Parser, run_command

if TYPE_CHECKING:
    from arcinvert.api import Run
    from arcinvert.inversion.result import Step

_OUT = "arcinvert-results"
#: Samples that the terminal lists.
_LISTED = 40


def main(arguments: list[str] | None = None) -> None:
    """Run one command; exits with 0, with 2 on input that cannot be used, with 130 on Ctrl-C."""
    options = _parser().parse_args(arguments)
    sys.exit(run_command(lambda: options.run(options)))


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="arcinvert",
        description="Synthesise faces from what a face recogniser knows, and judge them honestly. "
        "Only for networks and people you may examine: see the README on consent.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    generate = commands.add_parser("generate", help="faces of classes that the network learned")
    generate.add_argument(
        "--class-id", type=int, nargs="+", default=[], metavar="N", help="class numbers, from 0"
    )
    generate.add_argument("--class-name", nargs="+", default=[], metavar="NAME", help="class names")

    image = commands.add_parser("from-image", help="faces from the templates of photographs")
    image.add_argument("photographs", nargs="+", metavar="PHOTO", help="align, embed, invert the template")
    image.add_argument(
        "--face", type=int, default=1, metavar="N", help="which face of each, the largest is 1"
    )

    for command in (generate, image):
        command.add_argument(
            "--photos",
            metavar="DIR",
            default=None,
            help="folder per identity with (other) photographs, for the judge; never for the attack",
        )

    embedding = commands.add_parser("from-embedding", help="faces from templates alone")
    embedding.add_argument("templates", metavar="FILE.npy", help="one template (dim,) or several (n, dim)")

    for command in (generate, image, embedding):
        command.set_defaults(run=_run)
        _add_attack_options(command)
    for module in COMMANDS:
        module.add_parser(commands)
    return parser


def _add_attack_options(parser: argparse.ArgumentParser) -> None:
    run = parser.add_argument_group("run")
    add_model_options(run)
    run.add_argument(
        "--device", default="auto", choices=get_args(DeviceName), help="auto: CUDA, MPS, else CPU"
    )
    run.add_argument("--out", metavar="DIR", help=f"folder for the results (default: a new one in {_OUT}/)")
    attack = parser.add_argument_group(
        "attack",
        "The defaults shown are the default recipe's; another recipe has its own (arcinvert/recipes.py).",
    )
    shown = AttackOptions()
    for option in fields(AttackOptions):
        name, default = f"--{option.name.replace('_', '-')}", getattr(shown, option.name)
        text = option.metadata["help"] + ("" if default == "" else f" (default: {default})")
        kind = value_type(option.name)
        # What is not given is None, and left to the recipe.
        if kind is bool:
            attack.add_argument(
                name, action=argparse.BooleanOptionalAction, default=option.default, help=text
            )
        elif allowed := choices(option.name):
            attack.add_argument(name, choices=allowed, default=option.default, help=text)
        else:
            metavar = "FILE" if kind is str else "N"
            attack.add_argument(name, type=kind, default=option.default, metavar=metavar, help=text)


def _run(options: argparse.Namespace) -> int:
    from recognition.runtime import keep_freed_memory

    keep_freed_memory()
    from arcinvert import api
    from recognition.terminal import quiet_warnings

    quiet_warnings()
    arguments = {name: value for name, value in vars(options).items() if name != "run"}
    command = arguments.pop("command")
    arguments["model"] = take_model(arguments)
    if arguments["out"] is None:
        arguments["out"] = Path(_OUT) / _default_name(command, arguments)
    with _Progress() as progress:
        arguments["progress"] = progress
        if command == "generate":
            run = api.generate(**arguments)
        elif command == "from-image":
            run = api.from_image(arguments.pop("photographs"), **arguments)
        else:
            run = api.from_embedding(arguments.pop("templates"), **arguments)
    _print_run(run)
    return 130 if run.interrupted else 0


def _default_name(command: str, arguments: dict[str, Any]) -> str:
    if command == "generate":
        first = (*arguments["class_id"], *arguments["class_name"], "none")[0]
    elif command == "from-image":
        first = Path(arguments["photographs"][0]).stem
    else:
        first = Path(arguments["templates"]).stem
    return f"{command}-{first}-seed{arguments['seed']}"


class _Progress(DeferredProgressBar):
    """A bar over the steps of all batches, with the parts of the loss now and then."""

    #: Seconds between two looks: each waits for the device.
    LOOK = 0.5

    def __init__(self) -> None:
        super().__init__()
        self._looked = 0.0

    def __call__(self, batch: int, batches: int, step: "Step") -> None:
        bar = self.bar(batches * step.steps, "invert")
        # Where memory is short there are more batches, and a step may follow on an earlier one.
        bar.total = batches * step.steps
        now = time.monotonic()
        if now - self._looked >= self.LOOK or step.number == step.steps:
            self._looked = now
            bar.set_postfix({name: f"{value:.3f}" for name, value in step.parts.items()}, refresh=False)
        bar.update((batch - 1) * step.steps + step.number - bar.n)


def _print_run(run: "Run") -> None:
    judged = f"{'Type I':>7} {'Type II':>7} {'floor':>6} {'ceiling':>7}"
    print(f"{'image':32} {'attacked':>8} {judged} {'steps':>5} {'seconds':>7}  accepted at FMR")
    for sample in run.samples[:_LISTED]:
        verdict = sample["judge"]
        floor = verdict["floor_type_2"] if verdict["floor_type_2"] is not None else verdict["floor_type_1"]
        accepted = verdict["accepted"]
        said = (
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
        spent = f"{sample['steps']:>5} {sample['seconds']:>7.2f}"
        print(f"{sample['image']:32} {numbers} {spent}  {said}")
    if (more := len(run.samples) - _LISTED) > 0:
        print(f"... and {more:,} more in result.json")
    from arcinvert.output.sheet import summary_line

    print(summary_line(run.summary))
    for note in run.result["notes"]:
        print(note)
    if run.interrupted:
        print("Interrupted: what was finished is kept.")
    print(f"Wrote {run.out}/ (sheet.png, result.json, {len(run.samples)} images)")
