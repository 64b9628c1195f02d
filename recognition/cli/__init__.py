"""The commands of `python -m recognition`, one module each.

A module has `add_parser(commands)`, which adds its parsers to the subparsers and sets the default `run` of
each parser: a function from the parsed options to an exit code. Importing a module does not import torch.
"""

from types import ModuleType

from recognition.cli import align, clean, compare, convert, evaluate, merge, plots, train, train_guide

COMMANDS: tuple[ModuleType, ...] = (
    align,
    convert,
    merge,
    train,
    train_guide,
    clean,
    evaluate,
    compare,
    plots,
)
