"""The command line: parse the arguments, run one command, end with its exit code."""

import argparse
import sys
from importlib.metadata import entry_points
from types import ModuleType

from arcinvert.cli import (
    audit,
    calibrate,
    classes,
    demo,
    export,
    from_embedding,
    from_image,
    generate,
    harden,
    inspect,
    learn,
    models,
    panel,
    synthesise,
)
from recognition.terminal import Parser, run_command

#: The commands of this package, in the order in which `--help` lists them.
COMMANDS: tuple[ModuleType, ...] = (
    demo,
    generate,
    from_image,
    from_embedding,
    classes,
    calibrate,
    learn,
    synthesise,
    audit,
    harden,
    inspect,
    export,
    models,
    panel,
)


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its code: 0, 2 for input that cannot be used, 130 after Ctrl-C."""
    given = build_parser().parse_args(arguments)
    sys.exit(run_command(lambda: given.run(given)))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with the commands of this package and of installed plug-ins."""
    parser = Parser(
        prog="arcinvert",
        description="Synthesise faces from what a face recogniser knows, and measure honestly how well they "
        "preserve the identity. Only for networks and people that you may examine: see README on consent.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add_parser(commands)
    for entry_point in sorted(entry_points(group="arcinvert.commands"), key=lambda entry: entry.name):
        entry_point.load()(commands)
    return parser
