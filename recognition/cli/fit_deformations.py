"""`fit-deformations`: how faces change with pose, expression and age, from aligned photographs."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from recognition.cli.arguments import STYLE
from recognition.cli.fitted_faces import add_faces, draw


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "fit-deformations",
        help="fit how faces change with pose, expression and age, by the landmarks of aligned photographs",
        **STYLE,
    )
    parser.add_argument(
        "aligned", metavar="ALIGNED", help="a folder of one folder per person, as the align command writes it"
    )
    parser.add_argument(
        "--labels",
        metavar="FILE.csv",
        help="labels of age and sex, with the columns identity, photograph, male and age, as 'python -m "
        "benchmarks.face_labels --photographs' writes them; without them, age is left out",
    )
    add_faces(parser)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from recognition.appearance.age_fitting import fit_ages, read_labels
    from recognition.appearance.deformations import save_deformations
    from recognition.appearance.fitting import fit_deformations, labelled

    paths = draw(options.aligned, options)
    labels = None if options.labels is None else read_labels(Path(options.labels), paths)
    faces = labelled(paths)
    found = fit_deformations(faces)
    if labels is not None:
        found = replace(found, ages=fit_ages(faces, labels))
    notes = f"{len(paths):,} faces of {len(set(faces.people)):,} people"
    save_deformations(options.out, found, notes)
    print(f"Wrote {options.out}, fitted on {notes}")
    return 0
