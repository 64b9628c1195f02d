"""`train-guide`: a guide from aligned faces, which attacks follow to a pose or an expression."""

import argparse
from pathlib import Path
from typing import Any

from recognition.cli.arguments import STYLE


def add_parser(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "train-guide",
        help="train the network that guides attacks to a pose or an expression, on what landmarks say",
        **STYLE,
    )
    parser.add_argument(
        "aligned", metavar="ALIGNED", help="a folder of one folder per person, as the align command writes it"
    )
    parser.add_argument("--out", required=True, metavar="FILE.safetensors", help="the file of the guide")
    parser.add_argument(
        "--split-of",
        metavar="MODEL",
        help="leave out the people and photographs that were kept out of this network's training: a bundled "
        "network's name or a .safetensors file of the train command",
    )
    parser.add_argument(
        "--faces", type=int, default=3000, metavar="N", help="the number of faces, drawn at random"
    )
    parser.add_argument("--epochs", type=int, default=30, help="how often each face is drawn, on average")
    parser.add_argument("--seed", type=int, default=0, help="the seed of all random numbers")
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> int:
    from recognition.appearance.guide import save_guide
    from recognition.appearance.training import FEWEST, drawn_faces, labelled, train_guide
    from recognition.checkpoint import load_split
    from recognition.errors import InputError
    from recognition.loading import NETWORKS, bundled_path

    if options.epochs < 1:
        raise InputError(f"epochs: expected 1 or more, got {options.epochs}")
    if options.faces < FEWEST:
        raise InputError(f"faces: expected {FEWEST} or more, got {options.faces}")
    split: dict[str, Any] = {}
    if options.split_of is not None:
        known = options.split_of in NETWORKS
        path = bundled_path(options.split_of) if known else Path(options.split_of)
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
    guide, validation = train_guide(faces, epochs=options.epochs, seed=options.seed)
    people = len(set(faces.people))
    save_guide(options.out, guide, f"{len(paths)} faces of {people} people, {options.epochs} epochs")
    print(f"{len(paths):,} faces of {people:,} people; on {validation.faces:,} faces of people left out:")
    print(f"{'':8}{'mean error':>12}{'correlation':>13}")
    for name, error in validation.error.items():
        print(f"{name:8}{error:12.3f}{validation.correlation[name]:13.3f}")
    print(f"Wrote {options.out}")
    return 0
