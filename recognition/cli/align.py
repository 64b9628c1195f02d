"""`align`: photographs to aligned crops."""

import argparse
from typing import Any

from recognition.cli.arguments import STYLE, add_detector
from recognition.terminal import add_strict, report_left_out


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("align", help="align photographs to 112x112 crops", **STYLE)
    parser.add_argument("source", metavar="SRC", help="a folder with one folder of photographs per identity")
    parser.add_argument("destination", metavar="DST", help="the folder of the crops, one folder per identity")
    parser.add_argument("--workers", type=int, default=2, help="number of processes; 1 aligns in this one")
    add_detector(parser)
    add_strict(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from recognition.detection.folders import align_folders
    from recognition.errors import InputError

    if not options.destination:
        raise InputError("DST: expected the name of a folder, got nothing; '.' is this folder")
    report = align_folders(
        options.source, options.destination, workers=options.workers, detector=options.detector
    )
    print(
        f"{report.aligned} aligned, {report.cached} were already, {len(report.without_face)} without a face, "
        f"{len(report.unreadable)} unreadable (listed in {options.destination}/align.json)"
    )
    return report_left_out([*report.unreadable, *report.without_face], strict=options.strict)
