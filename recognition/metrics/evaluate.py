"""A recogniser on aligned faces or on a pair list: embeddings, and verification metrics of them."""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recognition.data.dataset import read_aligned
from recognition.data.embedding import embed_readable
from recognition.data.keys import labelled
from recognition.data.pairs import read_pairs
from recognition.data.sources import open_source
from recognition.errors import InputError
from recognition.metrics.verification import Pairs, Verification, verify
from recognition.recogniser import Flip, Recogniser
from recognition.runtime import Device, choose_device, choose_dtype

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledEmbeddings:
    """Embeddings of identities.

    Args:
        embeddings: Shape (images, dim), unit norm.
        labels: Shape (images,), indices of `names`.
        names: Name of each identity.
        keys: Key of each image.
        pairs: Pairs of these images, if a pair list was given.
        left_out: Keys of what could not be read.
        read: Returns the float image, shape (3, 112, 112) in [0, 1], of a key.
    """

    embeddings: NDArray[np.float32]
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    keys: Sequence[Path]
    pairs: Pairs | None = None
    left_out: tuple[Path, ...] = ()
    read: Callable[[Path], Tensor] = read_aligned


def embed_identities(
    recogniser: Recogniser,
    data: str | os.PathLike[str],
    *,
    only: frozenset[str] | None = None,
    pairs: str | os.PathLike[str] | None = None,
    device: Device = "auto",
    flip: Flip = "average",
) -> LabelledEmbeddings:
    """Return the embeddings of aligned faces; files that cannot be read are left out.

    Args:
        recogniser: The network.
        data: A folder with one folder of aligned crops per identity, or a list.
        only: The identities to use, such as the held-out ones; None uses all.
        pairs: A pair list in LFW's format, whose photographs alone are embedded. Pairs with a photograph that
            is missing are left out, with a warning in the log.
        device: Where to compute.
        flip: How the mirrored image is used, see `embed`.

    Raises:
        InputError: If the data has none of the identities, or none of its files can be read.
    """
    source = open_source(data)
    chosen = None
    if pairs is not None:
        listed, missing = read_pairs(pairs, source.identities)
        needed = sorted({path for first, second, _, _ in listed for path in (first, second)})
        shown = set(needed)
        name_of = {key: name for name, keys in source.identities.items() for key in keys if key in shown}
        if missing:
            _LOGGER.warning("%d pairs are left out: a photograph of theirs was not aligned", missing)
        number = {path: index for index, path in enumerate(needed)}
        names = sorted(set(name_of.values()))
        place_of = {name: place for place, name in enumerate(names)}
        samples = [(path, place_of[name_of[path]]) for path in needed]
        chosen = Pairs(
            np.array([(number[first], number[second]) for first, second, _, _ in listed]),
            np.array([mated for _, _, mated, _ in listed]),
            np.array([fold for _, _, _, fold in listed]),
        )
    else:
        kept = {name: paths for name, paths in source.identities.items() if only is None or name in only}
        if not kept:
            raise InputError(f"{data}: expected the held-out identities of the model, found none of them")
        samples, names = list(labelled(kept)), sorted(kept)
    target = choose_device(device)
    keys = [path for path, _ in samples]
    embeddings, readable = embed_readable(
        recogniser.to(target),
        keys,
        read=source.read,
        dtype=choose_dtype(target),
        flip=flip,
    )
    return LabelledEmbeddings(
        embeddings,
        np.array([label for _, label in samples])[readable],
        tuple(names),
        [key for key, sound in zip(keys, readable, strict=True) if sound],
        None if chosen is None else _pairs_of(chosen, readable),
        (*source.unlisted, *(key for key, sound in zip(keys, readable, strict=True) if not sound)),
        source.read,
    )


def _pairs_of(pairs: Pairs, readable: NDArray[np.bool_]) -> Pairs:
    """Return the pairs of readable images, by their numbers among these."""
    kept = readable[pairs.indices].all(1)
    numbers = np.cumsum(readable) - 1
    return Pairs(numbers[pairs.indices[kept]], pairs.mated[kept], pairs.folds[kept])


def evaluate(
    recogniser: Recogniser,
    data: str | os.PathLike[str],
    *,
    only: frozenset[str] | None = None,
    pairs: str | os.PathLike[str] | None = None,
    device: Device = "auto",
    flip: Flip = "average",
    fmrs: tuple[float, ...] | None = None,
) -> Verification:
    """Return verification metrics of aligned faces.

    The arguments are those of `embed_identities` and `verify`.

    Raises:
        InputError: If the data has none of the identities, or too few for the metrics.
    """
    embedded = embed_identities(recogniser, data, only=only, pairs=pairs, device=device, flip=flip)
    return verify(embedded.embeddings, embedded.labels, pairs=embedded.pairs, fmrs=fmrs)
