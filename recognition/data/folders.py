"""A folder per identity, and its split into disjoint people."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognition.errors import InputError
from recognition.images import list_images

#: From this many photographs on, an identity's last is kept out of training, so that a
#: reconstruction of its class centre meets a photograph that the network never saw.
RESERVE_FROM = 10


@dataclass(frozen=True)
class Split:
    """Photographs by identity: people to train on, people held out, and reserved photographs.

    `held_out` shares no identity with `train`; `reserved` holds one further photograph of each
    identity of `train` that has at least `RESERVE_FROM`.
    """

    train: dict[str, list[Path]]
    held_out: dict[str, list[Path]]
    reserved: dict[str, Path]


def read_folders(root: str | os.PathLike[str]) -> dict[str, list[Path]]:
    """Identity to its image files, both sorted by name.

    Raises:
        InputError: `root` is no folder, or has no folder with an image in it.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: expected a folder of one folder per identity, found none; check the path")
    identities = {
        folder.name: images
        for folder in sorted(root.iterdir())
        if folder.is_dir() and (images := list_images(folder))
    }
    if not identities:
        raise InputError(
            f"{root}: expected one folder per identity with images in it, found no image; "
            "run 'python -m recognition align' first"
        )
    return identities


def split_identities(identities: dict[str, list[Path]], *, held_out: int, seed: int) -> Split:
    """Choose `held_out` identities at random, by a fixed seed.

    Raises:
        InputError: fewer than two identities would be left to train on.
    """
    names = sorted(identities)
    if not 0 <= held_out <= len(names) - 2:
        raise InputError(
            f"held-out identities: expected 0 to {len(names) - 2} of {len(names)}, got {held_out}"
        )
    order = np.random.default_rng(seed).permutation(len(names))
    out = {names[index] for index in order[:held_out]}
    train = {name: list(identities[name]) for name in names if name not in out}
    reserved = {name: train[name].pop() for name in train if len(train[name]) >= RESERVE_FROM}
    return Split(train, {name: list(identities[name]) for name in names if name in out}, reserved)
