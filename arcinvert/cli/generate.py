"""`arcinvert generate`: faces of classes that a network was trained on."""

import argparse
from typing import Any

from arcinvert.cli.attacks import (
    AttackProgress,
    add_attack_arguments,
    add_photos_argument,
    attack_arguments,
    finish,
    load_attacker,
    out_folder,
)
from arcinvert.cli.model_options import opened_workers
from recognition.errors import InputError


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "generate", help="synthesise faces of classes that the network was trained on"
    )
    parser.add_argument(
        "--class-id", type=int, nargs="+", default=[], metavar="N", help="the class numbers, from 0"
    )
    parser.add_argument("--class-name", nargs="+", default=[], metavar="NAME", help="the class names")
    parser.add_argument(
        "--subcentre",
        metavar="WHICH",
        help="attack one of the several centres of each class: dominant, all of them one by one, or "
        "a number from 0 (default: the centre that stands for the class)",
    )
    parser.add_argument(
        "--clusters",
        metavar="DATA",
        help="the faces that the network was trained on, as train takes them: with --subcentre, the sheet "
        "shows those nearest to each centre, and the judge compares with the nearest",
    )
    add_photos_argument(parser)
    add_attack_arguments(parser)
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    options = attack_arguments(given)
    wanted = [*given.class_id, *given.class_name]
    if not wanted:
        raise InputError("generate: expected --class-id or --class-name, got neither")
    with opened_workers(given) as workers, AttackProgress() as progress:
        attacker = load_attacker(given, workers)
        run = attacker.generate(
            given.class_id,
            class_name=given.class_name,
            photos=given.photos,
            subcentre=given.subcentre,
            clusters=given.clusters,
            out=out_folder(given, wanted[0]),
            resume=given.resume,
            progress=progress,
            **options,
        )
    return finish(run)
