"""The command line of `python -m recognition`."""

import sys

from recognition.cli import COMMANDS
from recognition.cli.evaluate import with_measure
from recognition.terminal import Parser, run_command


def main(arguments: list[str] | None = None) -> None:
    """Run one command; exits with 0, with 2 on input that cannot be used, with 130 on Ctrl-C."""
    parser = Parser(
        prog="python -m recognition", description="Align faces, train ArcFace recognisers, measure them."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for module in COMMANDS:
        module.add_parser(commands)
    options = parser.parse_args(with_measure(sys.argv[1:] if arguments is None else arguments))
    sys.exit(run_command(lambda: options.run(options)))
