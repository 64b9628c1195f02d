"""`fit-deformations`: how faces change with pose and expression, from aligned photographs."""

import argparse
from typing import Any

from recognition.cli.arguments import STYLE
from recognition.cli.fitted_faces import add_faces, draw


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "fit-deformations",
        help="fit how faces change with pose and expression, by the landmarks of aligned photographs",
        **STYLE,
    )
    parser.add_argument(
        "aligned", metavar="ALIGNED", help="a folder of one folder per person, as the align command writes it"
    )
    add_faces(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from recognition.appearance.deformations import save_deformations
    from recognition.appearance.fitting import fit_deformations, labelled

    paths = draw(options.aligned, options)
    faces = labelled(paths)
    notes = f"{len(paths):,} faces of {len(set(faces.people)):,} people"
    save_deformations(options.out, fit_deformations(faces), notes)
    print(f"Wrote {options.out}, fitted on {notes}")
    return 0
