"""The options of commands that fit something on faces, and the photographs that they draw."""

import argparse
from pathlib import Path
from typing import Any


def add_faces(parser: argparse.ArgumentParser, count: int | None = None) -> None:
    """Add `--out`, `--split-of`, `--faces` and `--seed`.

    Args:
        parser: Where to add them.
        count: The number of photographs by default; None for all.
    """
    parser.add_argument("--out", required=True, metavar="FILE.safetensors", help="the file to write")
    parser.add_argument(
        "--split-of",
        metavar="MODEL",
        help="leave out the people and photographs that were kept out of this network's training: a bundled "
        "network's name or a .safetensors file of the train command",
    )
    parser.add_argument(
        "--faces",
        type=int,
        default=count,
        metavar="N",
        help="the number of photographs, drawn at random" + ("; all if not given" if count is None else ""),
    )
    parser.add_argument("--seed", type=int, metavar="N", default=0, help="the seed of the draw")


def draw(folder: str, options: argparse.Namespace) -> list[Path]:
    """Return the photographs of a folder that the options of `add_faces` draw.

    Raises:
        InputError: If there are too few, or the network of `--split-of` has no list of people.
    """
    from recognition.appearance.fitting import FEWEST, drawn_faces
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
    return drawn_faces(
        Path(folder),
        options.faces,
        seed=options.seed,
        without=split.get("held_out", ()),
        reserved=split.get("reserved"),
    )
