"""The command line: parse the arguments, run one command, end with its exit code."""

import argparse
import importlib
import sys
from importlib.metadata import entry_points

from arcinvert import __version__
from recognition.terminal import Parser, run_command

#: The modules of this package that have commands, in the order in which `--help` lists them, with the names
#: of their commands.
COMMANDS: dict[str, tuple[str, ...]] = {
    "demo": ("demo",),
    "generate": ("generate",),
    "from_image": ("from-image",),
    "from_embedding": ("from-embedding",),
    "panel": ("panel",),
    "classes": ("classes",),
    "calibrate": ("calibrate",),
    "learn": ("learn",),
    "synthesise": ("synthesise",),
    "audit": ("audit", "audit-merge", "audit-compare", "audit-gate"),
    "harden": ("harden",),
    "inspect": ("inspect",),
    "export": ("export",),
    "models": ("models",),
}


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its code: 0, 2 for input that cannot be used, 130 after Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    sys.exit(run_command(lambda: _run(arguments)))


def _run(arguments: list[str]) -> int:
    given = build_parser(arguments[0] if arguments else None).parse_args(arguments)
    return int(given.run(given))


def build_parser(command: str | None = None) -> argparse.ArgumentParser:
    """Return the parser with the commands of this package and of installed plug-ins.

    Args:
        command: The command that will be parsed. If it is one of this package's, only its module is imported,
            since all of them take a quarter of a second; any other text leaves no command out.
    """
    parser = Parser(
        prog="arcinvert",
        description="Synthesise faces from what a face recogniser knows, and measure honestly how well they "
        "preserve the identity. Only for networks and people that you may examine: see README on consent.",
    )
    parser.add_argument("--version", action="version", version=f"arcinvert {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    alone = [module for module, names in COMMANDS.items() if command in names]
    for module in alone or COMMANDS:
        importlib.import_module(f"arcinvert.cli.{module}").add_parser(commands)
    if not alone:
        for entry_point in sorted(entry_points(group="arcinvert.commands"), key=lambda entry: entry.name):
            entry_point.load()(commands)
    return parser
