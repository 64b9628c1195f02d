"""The commands of `python -m recognition`, a module each.

A module has `add_parser(commands)`, which adds its parsers to the subparsers and sets each parser's
default `run`, a function from the parsed options to an exit code. Importing it does not import torch.
"""

from types import ModuleType

from recognition.cli import align, clean, compare, evaluate, plots, train

COMMANDS: tuple[ModuleType, ...] = (align, train, clean, evaluate, compare, plots)
