"""`arcinvert export`: write a network as other projects read it."""

import argparse
from typing import Any

from arcinvert.cli.model_options import OF_ATTACKS, add_model_arguments, model_options


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("export", help="save a network in the format of arcface_torch or as ONNX")
    parser.add_argument("network", metavar="MODEL", help="the network, as --model of the attacks")
    parser.add_argument(
        "out",
        metavar="OUT",
        help="the file to write: .pt or .pth for the backbone's state dict, checkpoint_gpu_0.pt for a state "
        "with class centres, .onnx for ONNX",
    )
    add_model_arguments(parser, "model", *OF_ATTACKS)
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    options = model_options(given, model=given.network)
    from recognition.export import export
    from recognition.files import refuse_input
    from recognition.loading import load

    refuse_input(given.out, given.network, options.centres)
    recogniser = load(options.choice())
    export(recogniser, given.out)
    print(f"Wrote {given.out} ({recogniser.name})")
    return 0
