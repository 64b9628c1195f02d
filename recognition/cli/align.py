"""`align`: photographs to aligned crops."""

import argparse
import os
from typing import Any

from recognition.cli.arguments import STYLE, add_detector
from recognition.terminal import add_strict, report_left_out

#: How many endings of files that were not read are printed.
_SHOWN = 8


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("align", help="align photographs to 112x112 crops", **STYLE)
    parser.add_argument("source", metavar="SRC", help="a folder with one folder of photographs per identity")
    parser.add_argument("destination", metavar="DST", help="the folder of the crops, one folder per identity")
    parser.add_argument(
        "--workers", type=int, metavar="N", default=2, help="number of processes; 1 aligns in this one"
    )
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
    if report.others:
        endings = sorted({os.path.splitext(name)[1].lower() or "none" for name in report.others})  # noqa: PTH122
        shown = ", ".join(endings[:_SHOWN]) + (" and more" if len(endings) > _SHOWN else "")
        print(
            f"{len(report.others)} other files were not read (endings: {shown}); expected photographs in one "
            "folder per identity"
        )
    return report_left_out([*report.unreadable, *report.without_face], strict=options.strict)
