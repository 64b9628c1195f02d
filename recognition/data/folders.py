"""One folder of photographs per identity, and the split into identities to train on and held-out ones."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognition.errors import InputError
from recognition.images import list_images

#: Identities with at least this many photographs have their last one kept out of training, so that a
#: reconstruction of their class centre can be compared with a photograph that the network was not trained on.
RESERVE_FROM = 10


@dataclass(frozen=True)
class Split:
    """Photographs by identity.

    Args:
        train: The photographs to train on.
        held_out: Photographs of identities that `train` does not have.
        reserved: One further photograph of each identity of `train` that has at least `RESERVE_FROM`.
    """

    train: dict[str, Sequence[Path]]
    held_out: dict[str, Sequence[Path]]
    reserved: dict[str, Path]


def read_folders(root: str | os.PathLike[str]) -> dict[str, list[Path]]:
    """Return the image files of each identity, both sorted by name.

    Raises:
        InputError: If `root` is not a folder, or has no folder with an image in it.
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
            f"{root}: expected one folder per identity with images in it, found none; check the path and how "
            "it is laid out"
        )
    return identities


def by_photographs(photographs: Mapping[str, int]) -> list[str]:
    """Return identities in the order of their classes: most photographs first, equal ones by name.

    Small class numbers are then people whom a network has seen often.

    Args:
        photographs: The number of training photographs of each identity.
    """
    return sorted(photographs, key=lambda name: (-photographs[name], name))


def split_identities(identities: Mapping[str, Sequence[Path]], *, held_out: int, seed: int) -> Split:
    """Return a split with `held_out` identities chosen at random.

    Args:
        identities: Keys by identity.
        held_out: Number of identities to hold out.
        seed: Seed of the choice.

    Raises:
        InputError: If fewer than two identities would be left to train on.
    """
    names = sorted(identities)
    if not 0 <= held_out <= len(names) - 2:
        raise InputError(
            f"held-out identities: expected 0 to {len(names) - 2} of {len(names)}, got {held_out}"
        )
    order = np.random.default_rng(seed).permutation(len(names))
    out = {names[index] for index in order[:held_out]}
    train = {name: identities[name] for name in names if name not in out}
    reserved = {name: keys[-1] for name, keys in train.items() if len(keys) >= RESERVE_FROM}
    train |= {name: train[name][:-1] for name in reserved}
    return Split(train, {name: identities[name] for name in names if name in out}, reserved)
