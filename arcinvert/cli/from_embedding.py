"""`arcinvert from-embedding`: faces from templates alone."""

import argparse
from pathlib import Path
from typing import Any

from arcinvert.access.options import AccessOptions
from arcinvert.cli.attacks import (
    AttackProgress,
    access_options,
    add_attack_arguments,
    attack_arguments,
    finish,
    load_attacker,
    load_black_box_attacker,
    out_folder,
)
from arcinvert.cli.model_options import opened_workers
from arcinvert.templates.options import FORMS, TemplateOptions
from recognition.config import add_arguments, gather
from recognition.terminal import StageBars


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser("from-embedding", help="reconstruct faces from templates alone")
    parser.add_argument(
        "templates",
        metavar="FILE",
        help=f"the templates: {FORMS}; .npy has one, shape (dim,), or several, shape (n, dim)",
    )
    add_arguments(parser, TemplateOptions)
    add_arguments(parser, AccessOptions)
    add_attack_arguments(parser)
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    where = gather(TemplateOptions, given)
    TemplateOptions(**where)
    options = attack_arguments(given) | where
    access = access_options(given)
    out = out_folder(given, Path(given.templates).stem)
    if access.access != "weights":
        with StageBars() as bars, AttackProgress() as progress:
            black_box = load_black_box_attacker(given, access, bars)
            return finish(black_box.from_embedding(given.templates, out=out, progress=progress, **options))
    with opened_workers(given) as workers, AttackProgress() as progress:
        attacker = load_attacker(given, workers)
        run = attacker.from_embedding(
            given.templates, out=out, resume=given.resume, progress=progress, **options
        )
    return finish(run)
