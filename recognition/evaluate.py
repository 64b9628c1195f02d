"""Verification figures of a recogniser on aligned folders or on a pair list."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import DataLoader
from tqdm import tqdm

from recognition.data.dataset import AlignedFaces, labelled
from recognition.data.folders import read_folders
from recognition.data.pairs import read_pairs
from recognition.errors import InputError
from recognition.options import DeviceName
from recognition.recogniser import EMBEDDING_BATCH, Recogniser, embed
from recognition.runtime import choose_device, choose_dtype
from recognition.verification import Pairs, Verification, verify


def evaluate(
    recogniser: Recogniser,
    data: str | os.PathLike[str],
    *,
    only: frozenset[str] | None = None,
    pairs: str | os.PathLike[str] | None = None,
    device: DeviceName = "auto",
) -> Verification:
    """Figures on aligned folders, flip averaged.

    Args:
        data: a folder per identity, as `align` makes it.
        only: the identities to use, such as the held-out ones; all by default.
        pairs: a pair list in LFW's format, in place of pairs made of the folders. Pairs with a
            photograph that alignment left out are left out.

    Raises:
        InputError: none of the identities is there, or there are too few for the figures.
    """
    identities = read_folders(data)
    if pairs is not None:
        listed, missing = read_pairs(pairs, identities)
        needed = sorted({path for first, second, _, _ in listed for path in (first, second)})
        if missing:
            tqdm.write(f"{missing} pairs left out: a photograph of theirs was not aligned")
        number = {path: index for index, path in enumerate(needed)}
        names = sorted({path.parent.name for path in needed})
        samples = [(path, names.index(path.parent.name)) for path in needed]
        chosen = Pairs(
            np.array([(number[first], number[second]) for first, second, _, _ in listed]),
            np.array([mated for _, _, mated, _ in listed]),
            np.array([fold for _, _, _, fold in listed]),
        )
    else:
        kept = {name: paths for name, paths in identities.items() if only is None or name in only}
        if not kept:
            raise InputError(f"{data}: expected the held-out identities of the model, found none of them")
        samples, chosen = labelled(kept), None
    embeddings = _embed_all(recogniser, samples, device)
    return verify(embeddings, np.array([label for _, label in samples]), pairs=chosen)


def _embed_all(
    recogniser: Recogniser, samples: list[tuple[Path, int]], device: DeviceName
) -> NDArray[np.float32]:
    target = choose_device(device)
    recogniser = recogniser.to(target)
    loader = DataLoader(AlignedFaces(samples), batch_size=EMBEDDING_BATCH)
    batches = (images for images, _ in tqdm(loader, desc="embed", unit="batch"))
    return embed(recogniser, batches, dtype=choose_dtype(target))
