"""The command line of `python -m recognition`."""

import argparse
import sys

from recognition.cli import COMMANDS
from recognition.cli.evaluate import with_measure
from recognition.terminal import Parser, run_command


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with 0, with 2 if its input cannot be used, or with 130 on Ctrl-C.

    Args:
        arguments: The command and its arguments; those of the process if None.
    """
    arguments = with_measure(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run_command(lambda: _run(arguments)))


def _run(arguments: list[str]) -> int:
    options = build_parser().parse_args(arguments)
    return int(options.run(options))


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with all commands."""
    parser = Parser(
        prog="python -m recognition",
        description="Align faces, train face recognisers, measure them and apply them.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add_parser(commands)
    return parser
