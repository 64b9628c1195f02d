"""Embeddings of many faces by their keys, for training, metrics and cleaning."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from recognition.data.dataset import AlignedFaces, read_aligned
from recognition.recogniser import EMBEDDING_BATCH, Flip, Recogniser, embed


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
