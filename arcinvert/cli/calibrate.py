"""`arcinvert calibrate`: measure a network on public faces."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

from arcinvert.cli.model_options import add_model_arguments, model_options
from recognition.terminal import StageBars, add_strict, report_left_out


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "calibrate",
        help="measure a network on public or synthetic faces: their templates, and statistics of activations",
    )
    parser.add_argument(
        "--images",
        metavar="DIR",
        help="a folder of public faces, photographs or aligned crops, searched with all folders below it; "
        "labels are not used (default: synthetic faces)",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="the file to write (default: MODEL.statistics.safetensors, where attacks find it)",
    )
    parser.add_argument(
        "--layers",
        metavar="REGEX",
        help="a regular expression of the layers to measure (default: convolutions and LayerNorms)",
    )
    parser.add_argument(
        "--faces",
        type=int,
        metavar="N",
        help="the largest number of photographs (default: 4096), or the number of synthetic faces "
        "(default: 3072)",
    )
    parser.add_argument(
        "--without-faces",
        action="store_true",
        help="write a file that shows nobody: statistics and the regression, without nearest neighbours",
    )
    add_strict(parser)
    add_model_arguments(parser, "statistics", "decoder", "calibrate", "precision", "deterministic", "graphs")
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    options = model_options(given)
    from arcinvert.knowledge.calibrate import calibrate
    from recognition.errors import InputError
    from recognition.files import refuse_input

    if given.out is not None:
        if Path(given.out).suffix != ".safetensors":
            raise InputError(f"{given.out}: expected a file that ends in .safetensors; rename --out")
        refuse_input(given.out, options.model, options.centres)
    left_out: list[Path] = []
    with StageBars() as bars:
        path, statistics = calibrate(
            options.choice(),
            given.images,
            out=None if given.out is None else Path(given.out),
            faces=given.faces,
            layers=given.layers,
            keep_faces=not given.without_faces,
            device=options.device,
            progress=partial(bars, "measure"),
            left_out=left_out.append,
        )
    neighbours, regression = statistics.nearest_neighbours, statistics.regression
    kept = 0 if neighbours is None else len(neighbours)
    fitted = f"a regression on {regression.count} faces" if regression else "no regression, of too few faces"
    print(
        f"Wrote {path}: {len(statistics.layers)} layers of {statistics.model_name} on {statistics.images} "
        f"{statistics.faces}, {kept} faces as nearest neighbours, {fitted}"
    )
    return report_left_out(left_out, strict=given.strict)
