"""`arcinvert from-image`: faces from the templates of photographs."""

import argparse
from pathlib import Path
from typing import Any

from arcinvert.access.options import AccessOptions
from arcinvert.cli.attacks import (
    AttackProgress,
    access_options,
    add_allow_overlap,
    add_attack_arguments,
    add_photos_argument,
    attack_arguments,
    finish,
    load_attacker,
    load_black_box_attacker,
    out_folder,
)
from arcinvert.cli.model_options import opened_workers
from recognition.cli.arguments import add_detector
from recognition.config import add_arguments
from recognition.errors import InputError
from recognition.terminal import StageBars, add_strict, report_left_out


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("from-image", help="reconstruct faces from the templates of photographs")
    parser.add_argument(
        "photographs", nargs="+", metavar="PHOTO", help="a photograph, which is aligned and embedded"
    )
    parser.add_argument(
        "--face",
        type=int,
        default=1,
        metavar="N",
        help="which face of each photograph, the largest is 1 (default: 1)",
    )
    add_detector(parser)
    add_strict(parser)
    add_photos_argument(parser)
    add_allow_overlap(parser)
    parser.add_argument(
        "--person",
        metavar="NAME",
        help="with --black-box and scores or decisions: the name under which it has enrolled the person "
        "(default: that of the photograph's folder)",
    )
    add_arguments(parser, AccessOptions)
    add_attack_arguments(parser)
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    options = attack_arguments(given)
    access = access_options(given)
    common: dict[str, Any] = options | {
        "face": given.face,
        "detector": given.detector,
        "photos": given.photos,
        "out": out_folder(given, Path(given.photographs[0]).stem),
        "allow_overlap": given.allow_overlap,
    }
    if access.access == "weights":
        if given.person is not None:
            raise InputError("person: expected it with --black-box and scores or decisions, got it without")
        with opened_workers(given) as workers, AttackProgress() as progress:
            attacker = load_attacker(given, workers)
            run = attacker.from_image(given.photographs, resume=given.resume, progress=progress, **common)
    else:
        with StageBars() as bars, AttackProgress() as progress:
            black_box = load_black_box_attacker(given, access, bars)
            run = black_box.from_image(given.photographs, person=given.person, progress=progress, **common)
    code = finish(run)
    left_out = [one["photograph"] for one in run.result["inputs"]["left_out"]]
    return code or report_left_out(left_out, strict=given.strict)
