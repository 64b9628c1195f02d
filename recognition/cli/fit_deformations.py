"""`fit-deformations`: how faces change with pose and expression, from aligned photographs."""

import argparse
from pathlib import Path
from typing import Any

from recognition.cli.arguments import STYLE


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
    parser.add_argument("--out", required=True, metavar="FILE.safetensors", help="the file to write")
    parser.add_argument(
        "--split-of",
        metavar="MODEL",
        help="leave out the people and photographs that were kept out of this network's training: a bundled "
        "network's name or a .safetensors file of the train command",
    )
    parser.add_argument(
        "--faces", type=int, metavar="N", help="the number of photographs, drawn at random; all if not given"
    )
    parser.add_argument("--seed", type=int, default=0, help="the seed of the draw")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from recognition.appearance.deformations import save_deformations
    from recognition.appearance.fitting import FEWEST, drawn_faces, fit_deformations, labelled
    from recognition.checkpoint import load_split
    from recognition.errors import InputError
    from recognition.loading import NETWORKS, bundled_path

    if options.faces is not None and options.faces < FEWEST:
        raise InputError(f"faces: expected {FEWEST} or more, got {options.faces}")
    split: dict[str, Any] = {}
    if options.split_of is not None:
        known = options.split_of in NETWORKS
        path = bundled_path(options.split_of) if known else Path(options.split_of)
        if not path.is_file():
            raise InputError(f"{path}: expected a network, found no such file; check --split-of")
        split = load_split(path)
        if not split:
            raise InputError(f"{path}: expected a network with a list of held-out people, found none")
    paths = drawn_faces(
        Path(options.aligned),
        options.faces,
        seed=options.seed,
        without=split.get("held_out", ()),
        reserved=split.get("reserved"),
    )
    faces = labelled(paths)
    notes = f"{len(paths):,} faces of {len(set(faces.people)):,} people"
    save_deformations(options.out, fit_deformations(faces), notes)
    print(f"Wrote {options.out}, fitted on {notes}")
    return 0
