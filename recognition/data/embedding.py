"""Embeddings of many faces by their keys, for training, metrics and cleaning."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from recognition.data.dataset import AlignedFaces, read_aligned
from recognition.errors import InputError
from recognition.recogniser import EMBEDDING_BATCH, Flip, Recogniser, embed

#: Whatever a face is read by: mostly a key, or a number.
Key = TypeVar("Key")


def embed_blocks(
    recogniser: Recogniser,
    keys: Sequence[Key],
    *,
    read: Callable[[Key], Tensor],
    left_out: list[Key],
    dtype: torch.dtype = torch.float32,
    flip: Flip = "average",
    progress: bool = True,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    """Yield the embeddings of faces batch by batch, so that any number of faces takes the memory of a batch.

    Args:
        recogniser: The network; its device is used.
        keys: Keys of the faces.
        read: Returns the float image, shape (3, 112, 112) in [0, 1], of a key.
        left_out: Takes the keys of faces that cannot be read.
        dtype: Precision of the network's inner computation.
        flip: How the mirrored image is used, see `embed`.
        progress: Whether to show a progress bar.

    Yields:
        Which of the keys they are, rising, shape (n,), and their unit-norm embeddings, shape (n, dim).

    Raises:
        InputError: At the end if no face can be read, with the first one's error.
    """
    images: list[Tensor] = []
    numbers: list[int] = []
    first: InputError | None = None
    read_any = False
    for number in tqdm(range(len(keys)), desc="embed", unit="image", disable=not progress):
        try:
            images.append(read(keys[number]))
            numbers.append(number)
        except InputError as error:
            first = first or error
            left_out.append(keys[number])
        if len(images) == EMBEDDING_BATCH or (images and number + 1 == len(keys)):
            yield np.array(numbers), embed(recogniser, [torch.stack(images)], dtype=dtype, flip=flip)
            images, numbers, read_any = [], [], True
    if first is not None and not read_any:
        raise first


def embed_files(
    recogniser: Recogniser,
    keys: Sequence[Path],
    *,
    read: Callable[[Path], Tensor] = read_aligned,
    dtype: torch.dtype = torch.float32,
    flip: Flip = "average",
    progress: bool = False,
) -> NDArray[np.float32]:
    """Return unit-norm embeddings of aligned faces, shape (faces, dim).

    Args:
        recogniser: The network; its device is used.
        keys: Files, or whatever keys `read` takes.
        read: Returns the float image, shape (3, 112, 112) in [0, 1], of a key.
        dtype: Precision of the network's inner computation.
        flip: How the mirrored image is used, see `embed`.
        progress: Whether to show a progress bar.
    """
    faces = AlignedFaces([(key, 0) for key in keys], read=read)
    loader = DataLoader(faces, batch_size=EMBEDDING_BATCH)
    batches = (images for images, _ in tqdm(loader, desc="embed", unit="batch", disable=not progress))
    return embed(recogniser, batches, dtype=dtype, flip=flip)


def embed_readable(
    recogniser: Recogniser,
    keys: Sequence[Path],
    *,
    read: Callable[[Path], Tensor] = read_aligned,
    dtype: torch.dtype = torch.float32,
    flip: Flip = "average",
    progress: bool = True,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return the embeddings of those faces that can be read, and which they are.

    The arguments are those of `embed_files`.

    Returns:
        Unit-norm embeddings, shape (readable faces, dim), and whether each key could be read, shape (keys,).

    Raises:
        InputError: If none of them can be read, with the first one's error.
    """
    readable = np.zeros(len(keys), dtype=np.bool_)
    rows = []
    for numbers, block in embed_blocks(
        recogniser, keys, read=read, left_out=[], dtype=dtype, flip=flip, progress=progress
    ):
        readable[numbers] = True
        rows.append(block)
    return np.concatenate(rows), readable
