"""Commands beside the attacks, a module each.

A module has `add_parser(commands)`, which adds its parser to the subparsers and sets the parser's
default `run`, a function from the parsed options to an exit code. Importing it does not import torch.
"""

from types import ModuleType

from arcinvert.commands import calibrate, export, inspect, models

COMMANDS: tuple[ModuleType, ...] = (inspect, models, export, calibrate)
