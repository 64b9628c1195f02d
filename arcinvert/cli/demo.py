"""`arcinvert demo`: one picture and three sentences on what a face recogniser gives away."""

import argparse
from typing import Any

from arcinvert.cli.attacks import AttackProgress, load_attacker
from arcinvert.cli.model_options import add_model_arguments


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "demo", help="show what a face recogniser gives away: three people, one picture, three sentences"
    )
    parser.add_argument(
        "--out",
        metavar="DIR",
        default="arcinvert-results/demo",
        help="the folder for the picture and both results (default: %(default)s)",
    )
    add_model_arguments(parser)
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    attacker = load_attacker(given)
    from arcinvert.demo import PICTURE_NAME, run_demo

    with AttackProgress() as progress:
        demo = run_demo(attacker, given.out, progress=progress)
    print("\n".join([*demo.sentences, "", *demo.people]))
    print(f"Wrote {given.out}/{PICTURE_NAME}")
    return 0
