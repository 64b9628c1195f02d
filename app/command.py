"""`arcinvert app`: the page in a browser. Importing this module imports neither torch nor Gradio."""

import argparse
import importlib.util
from typing import Any

from recognition.config import add_arguments, gather
from recognition.errors import InputError

from .settings import Settings

HELP = "serve the page in the browser, from this machine and for this machine alone"


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("app", help=HELP)
    add_options(parser)
    parser.set_defaults(run=run)


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options to a parser."""
    add_arguments(parser, Settings)


def run(given: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C, and return the exit code.

    Args:
        given: The parsed options.

    Raises:
        InputError: If an option is out of its range, Gradio is not installed, or the port is taken.
    """
    settings = Settings(**gather(Settings, given))
    if importlib.util.find_spec("gradio") is None:
        raise InputError("app: expected the package gradio, found none; pip install 'arcinvert[app]'")
    from .server import serve

    return serve(settings)
