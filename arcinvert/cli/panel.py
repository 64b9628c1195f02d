"""`arcinvert panel`: one identity in several poses and expressions, or at several ages."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from arcinvert.cli.attacks import AttackProgress, load_attacker
from arcinvert.cli.model_options import add_model_arguments
from arcinvert.inversion.appearance import MAX_AGE, MAX_YAW, MIN_AGE
from arcinvert.templates.options import TemplateOptions
from recognition.appearance.expressions import Expression
from recognition.config import add_arguments, gather
from recognition.errors import InputError
from recognition.files import safe_name

if TYPE_CHECKING:
    from arcinvert.panel import Source


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "panel", help="show one identity in several poses and expressions, or at ages"
    )
    identity = parser.add_mutually_exclusive_group(required=True)
    identity.add_argument("--class-id", type=int, metavar="N", help="the class number, from 0")
    identity.add_argument("--class-name", metavar="NAME", help="the class name")
    identity.add_argument("--photograph", metavar="PHOTO", help="a photograph, whose template is attacked")
    identity.add_argument("--template", metavar="FILE", help="a file of templates, of which one is attacked")
    across = parser.add_mutually_exclusive_group()
    across.add_argument(
        "--yaws",
        type=float,
        nargs="+",
        metavar="DEGREES",
        help=f"the poses from left to right, from {-MAX_YAW:g} to {MAX_YAW:g} (default: -30 -15 0 15 30)",
    )
    across.add_argument(
        "--ages",
        type=float,
        nargs="+",
        metavar="YEARS",
        help=f"ages from left to right in place of poses, from {MIN_AGE:g} to {MAX_AGE:g}",
    )
    parser.add_argument(
        "--expressions",
        nargs="+",
        choices=get_args(Expression),
        default=get_args(Expression),
        help="the expressions from top to bottom (default: all)",
    )
    parser.add_argument("--pitch", type=float, metavar="DEGREES", help="the pitch of all pictures")
    parser.add_argument("--steps", type=int, metavar="N", help="the optimiser steps of each picture")
    parser.add_argument(
        "--seed", type=int, metavar="N", default=0, help="the seed of all random numbers (default: 0)"
    )
    parser.add_argument(
        "--out", metavar="FILE.png", help="the picture to write (default: arcinvert-results/panel-NAME.png)"
    )
    add_arguments(parser, TemplateOptions)
    add_model_arguments(parser)
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    source, wanted = _identity(given)
    out = Path(given.out or Path("arcinvert-results", safe_name(f"panel-{Path(str(wanted)).stem}", ".png")))
    if out.suffix != ".png":
        raise InputError(f"out: expected a file that ends with .png, got {out}")
    where = TemplateOptions(**gather(TemplateOptions, given))
    if source != "template" and where != TemplateOptions():
        names = ", ".join(f"--{name.replace('_', '-')}" for name in gather(TemplateOptions, given))
        raise InputError(f"panel: expected {names} with --template, got it with a {source}; leave it out")
    attacker = load_attacker(given)
    from arcinvert.panel import make_panel

    make_panel(
        attacker,
        source,
        wanted,
        out=out,
        yaws=given.yaws,
        ages=given.ages,
        expressions=given.expressions,
        on_step=AttackProgress(),
        where=where,
        **{name: getattr(given, name) for name in ("pitch", "steps", "seed")},
    )
    print(f"Wrote {out}")
    return 0


def _identity(given: argparse.Namespace) -> "tuple[Source, Any]":
    """Return what the identity is given by, and its value."""
    if given.class_id is not None:
        return "class", given.class_id
    if given.class_name is not None:
        return "class", given.class_name
    if given.photograph is not None:
        return "photograph", given.photograph
    return "template", given.template
