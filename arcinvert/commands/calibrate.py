"""`arcinvert calibrate`: statistics of a network's activations on public faces."""

import argparse
from pathlib import Path
from typing import get_args

from arcinvert.commands.model_options import add_model_options, take_model
from recognition.options import DeviceName

#: Faces that are measured where there are more.
_FACES = 1024


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command's options."""
    parser = commands.add_parser(
        "calibrate",
        help="measure a network's activations on faces, for per-location or for want of BatchNorm",
    )
    add_model_options(parser)
    parser.add_argument(
        "--images",
        required=True,
        metavar="DIR",
        help="public faces, photographs or aligned crops, in the folder or below it; no labels are used",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="default: MODEL.statistics.safetensors, where attacks find it by themselves",
    )
    parser.add_argument(
        "--layers", metavar="REGEX", help="names of the layers to measure (default: convolutions, LayerNorms)"
    )
    parser.add_argument(
        "--faces", type=int, default=_FACES, metavar="N", help="at most so many (default: %(default)s)"
    )
    parser.add_argument("--device", default="auto", choices=get_args(DeviceName))
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from arcinvert.calibration import calibrate

    model = take_model(vars(options))
    path, statistics = calibrate(
        model,
        options.images,
        out=None if options.out is None else Path(options.out),
        faces=options.faces,
        layers=options.layers,
        device=options.device,
    )
    print(
        f"Wrote {path}: {len(statistics.layers)} layers of {statistics.model_name}, {statistics.images} faces"
    )
    return 0
