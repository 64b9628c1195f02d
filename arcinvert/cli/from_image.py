"""`arcinvert from-image`: faces from the templates of photographs."""

import argparse
from pathlib import Path
from typing import Any

from arcinvert.cli.attacks import (
    AttackProgress,
    add_allow_overlap,
    add_attack_arguments,
    add_photos_argument,
    attack_arguments,
    finish,
    load_attacker,
    out_folder,
)
from recognition.cli.arguments import add_detector
from recognition.terminal import add_strict, report_left_out


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
    add_attack_arguments(parser)
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    options = attack_arguments(given)
    attacker = load_attacker(given)
    with AttackProgress() as progress:
        run = attacker.from_image(
            given.photographs,
            face=given.face,
            detector=given.detector,
            photos=given.photos,
            out=out_folder(given, Path(given.photographs[0]).stem),
            resume=given.resume,
            allow_overlap=given.allow_overlap,
            progress=progress,
            **options,
        )
    code = finish(run)
    left_out = [one["photograph"] for one in run.result["inputs"]["left_out"]]
    return code or report_left_out(left_out, strict=given.strict)
