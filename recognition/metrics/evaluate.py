"""A recogniser on aligned faces or on a pair list: embeddings, and from them the figures."""

import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from recognition.data.dataset import labelled
from recognition.data.embedding import embed_files
from recognition.data.pairs import read_pairs
from recognition.data.sources import open_source
from recognition.errors import InputError
from recognition.metrics.verification import FMRS, Pairs, Verification, verify
from recognition.options import DeviceName
from recognition.recogniser import Flip, Recogniser
from recognition.runtime import choose_device, choose_dtype


@dataclass(frozen=True)
class Embedded:
    """Unit-norm embeddings, (images, dim), with labels, (images,), and the name of each label."""

    embeddings: NDArray[np.float32]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    pairs: Pairs | None = None


def embed_people(
    recogniser: Recogniser,
    data: str | os.PathLike[str],
    *,
    only: frozenset[str] | None = None,
    pairs: str | os.PathLike[str] | None = None,
    device: DeviceName = "auto",
    flip: Flip = "average",
) -> Embedded:
    """Embeddings of aligned faces.

    Args:
        data: a folder per identity, as `align` makes it, or a list.
        only: the identities to use, such as the held-out ones; all by default.
        pairs: a pair list in LFW's format: only its photographs are embedded. Pairs with a photograph
            that alignment left out are left out.
        flip: what becomes of the mirror image.

    Raises:
        InputError: none of the identities is there.
    """
    source = open_source(data)
    chosen = None
    if pairs is not None:
        listed, missing = read_pairs(pairs, source.identities)
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
        kept = {name: paths for name, paths in source.identities.items() if only is None or name in only}
        if not kept:
            raise InputError(f"{data}: expected the held-out identities of the model, found none of them")
        samples, names = labelled(kept), sorted(kept)
    target = choose_device(device)
    embeddings = embed_files(
        recogniser.to(target),
        [path for path, _ in samples],
        read=source.read,
        dtype=choose_dtype(target),
        flip=flip,
        progress=True,
    )
    return Embedded(embeddings, np.array([label for _, label in samples]), tuple(names), chosen)


def evaluate(
    recogniser: Recogniser,
    data: str | os.PathLike[str],
    *,
    only: frozenset[str] | None = None,
    pairs: str | os.PathLike[str] | None = None,
    device: DeviceName = "auto",
    flip: Flip = "average",
    fmrs: tuple[float, ...] = FMRS,
) -> Verification:
    """Verification figures on aligned faces; the arguments are those of `embed_people` and `verify`.

    Raises:
        InputError: none of the identities is there, or there are too few for the figures.
    """
    embedded = embed_people(recogniser, data, only=only, pairs=pairs, device=device, flip=flip)
    return verify(embedded.embeddings, embedded.labels, pairs=embedded.pairs, fmrs=fmrs)
