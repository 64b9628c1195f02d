"""`fit-upsampler`: the detail that larger pictures of faces have, from photographs."""

import argparse
from typing import Any

from recognition.cli.arguments import STYLE
from recognition.cli.fitted_faces import add_faces, draw

#: Photographs that are drawn if no number is given: more take longer to read than to learn from.
_FACES = 1000


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "fit-upsampler",
        help="train the small network that gives aligned crops twice the side, on photographs",
        **STYLE,
    )
    parser.add_argument(
        "photographs",
        metavar="PHOTOS",
        help="a folder of one folder per person, with photographs as they are",
    )
    add_faces(parser, count=_FACES)
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from recognition.appearance.upsampler_fitting import fit_upsampler, read_large_faces
    from recognition.appearance.upsampling import save_upsampler

    paths = draw(options.photographs, options)
    faces = read_large_faces(paths)
    notes = f"{len(faces):,} faces of {len({path.parent.name for path in paths}):,} people"
    save_upsampler(options.out, fit_upsampler(faces, seed=options.seed), notes)
    print(f"Wrote {options.out}, trained on {notes}")
    return 0
