"""`arcinvert app`: the page in a browser."""

import argparse
import importlib
import importlib.util
from pathlib import Path
from typing import Any, get_args

from recognition.errors import InputError
from recognition.options import DeviceName


def add_parser(commands: Any) -> None:
    """Add the command to the subparsers."""
    parser = commands.add_parser("app", help="a page in the browser, served by this machine for itself")
    parser.add_argument(
        "--port", type=int, default=7860, metavar="N", help="of 127.0.0.1 (default: %(default)s)"
    )
    parser.add_argument(
        "--models",
        type=Path,
        default=None,
        metavar="DIR",
        help="folder of networks that may be chosen besides the bundled one: .safetensors, .pt, .pth, .onnx",
    )
    parser.add_argument(
        "--device", default="auto", choices=get_args(DeviceName), help="auto: CUDA, MPS, else CPU"
    )
    parser.add_argument(
        "--time-limit",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="a longer job is stopped, and what it has is kept (default: %(default)g)",
    )
    parser.add_argument(
        "--queue", type=int, default=8, metavar="N", help="jobs that may wait (default: %(default)s)"
    )
    parser.add_argument(
        "--share",
        action="store_true",
        help="also at a public address, by Gradio's relay; refused unless ARCINVERT_APP_PASSWORD is set",
    )
    parser.add_argument("--open", action="store_true", help="open the page in this machine's browser")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Serve until Ctrl-C.

    Raises:
        InputError: an option is out of range, Gradio is missing, or the port is taken.
    """
    if importlib.util.find_spec("gradio") is None:
        raise InputError("app: expected the package gradio, found none; pip install 'arcinvert[app]'")
    # Found at run time: the app builds on this package, never the other way round.
    server = importlib.import_module("app.server")
    code: int = server.run(options)
    return code
