"""Commands beside the attacks, a module each.

A module has `add_parser(commands)`, which adds its parser to the subparsers and sets the parser's
default `run`, a function from the parsed options to an exit code. Importing it does not import torch.
"""

from types import ModuleType

from arcinvert.cli import app, audit, calibrate, export, harden, inspect, models

COMMANDS: tuple[ModuleType, ...] = (audit, harden, inspect, models, export, calibrate, app)
