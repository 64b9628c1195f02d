"""`arcinvert calibrate`: public faces as a network sees them."""

import argparse
from pathlib import Path
from typing import get_args

from arcinvert.cli.model_options import add_model_options, take_model
from recognition.options import DeviceName

#: Faces that are measured where there are more.
_FACES = 4096


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """The command's options."""
    parser = commands.add_parser(
        "calibrate",
        help="see public faces through a network: their templates, and statistics of activations",
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
    parser.add_argument(
        "--without-faces",
        action="store_true",
        help="statistics and the regression alone: a file that shows nobody, and no start at look-alikes",
    )
    parser.add_argument("--device", default="auto", choices=get_args(DeviceName))
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from arcinvert.knowledge.calibrate import calibrate

    model = take_model(vars(options))
    path, statistics = calibrate(
        model,
        options.images,
        out=None if options.out is None else Path(options.out),
        faces=options.faces,
        layers=options.layers,
        keep_faces=not options.without_faces,
        device=options.device,
    )
    kept = 0 if statistics.nearest_neighbours is None else len(statistics.nearest_neighbours)
    seen = f"{len(statistics.layers)} layers of {statistics.model_name} on {statistics.images} faces"
    regression = statistics.regression
    fitted = f"a regression on {regression.count}" if regression else "no regression, of too few faces"
    print(f"Wrote {path}: {seen}, {kept} look-alikes, {fitted}")
    return 0
