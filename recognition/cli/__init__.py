"""The commands of `python -m recognition`, one module each.

A module has `add_parser(commands)`, which adds its parsers to the subparsers and sets the default `run` of
each parser: a function from the parsed options to an exit code. Importing a module does not import torch.
"""

from types import ModuleType

from recognition.cli import (
    align,
    clean,
    compare,
    convert,
    evaluate,
    fit_deformations,
    fit_upsampler,
    merge,
    plots,
    train,
)

COMMANDS: tuple[ModuleType, ...] = (
    align,
    convert,
    merge,
    train,
    fit_deformations,
    fit_upsampler,
    clean,
    evaluate,
    compare,
    plots,
)
