"""`arcinvert from-embedding`: faces from templates alone."""

import argparse
from pathlib import Path
from typing import Any

from arcinvert.cli.attacks import (
    AttackProgress,
    add_attack_arguments,
    attack_arguments,
    finish,
    load_attacker,
    out_folder,
)


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("from-embedding", help="reconstruct faces from templates alone")
    parser.add_argument(
        "templates", metavar="FILE.npy", help="one template, shape (dim,), or several, shape (n, dim)"
    )
    add_attack_arguments(parser)
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    options = attack_arguments(given)
    attacker = load_attacker(given)
    with AttackProgress() as progress:
        run = attacker.from_embedding(
            given.templates,
            out=out_folder(given, Path(given.templates).stem),
            resume=given.resume,
            progress=progress,
            **options,
        )
    return finish(run)
