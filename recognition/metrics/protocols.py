"""A recogniser on the field's protocols: verification sets, films, and identification among distractors."""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recognition.data.dataset import read_aligned
from recognition.data.embedding import embed_blocks, embed_readable
from recognition.data.faces import read_face
from recognition.data.keys import labelled
from recognition.data.sources import FaceSource, open_source
from recognition.data.verification_sets import open_verification_set
from recognition.data.videos import read_film_pairs, read_films
from recognition.errors import InputError
from recognition.images import to_tensor
from recognition.metrics.distractors import DistractorCurve, identify_among, read_distractors
from recognition.metrics.pair_lists import PairList, PairVerification, people_of, verify_pairs
from recognition.metrics.similarities import pair_similarities
from recognition.metrics.templates import TemplateSums
from recognition.recogniser import Flip, Recogniser
from recognition.runtime import Device, choose_device, choose_dtype


@dataclass(frozen=True)
class Computation:
    """How faces are embedded.

    Args:
        device: Where.
        flip: How the mirrored image is used, see `embed`.
        progress: Whether to show a progress bar.
    """

    device: Device = "auto"
    flip: Flip = "average"
    progress: bool = True

    def on(self, recogniser: Recogniser) -> tuple[Recogniser, torch.dtype]:
        """Return the recogniser on the device, and the precision of its inner computation."""
        target = choose_device(self.device)
        return recogniser.to(target), choose_dtype(target)


#: With the default device and the mean of both mirror images.
_DEFAULT = Computation()


@dataclass(frozen=True)
class ComparedSet:
    """The pairs of a verification set with their similarities.

    Args:
        similarities: Shape (pairs,).
        pairs: The pairs whose images can both be read; their items are images.
        keys: Key of each image.
        left_out: Keys of images that cannot be read.
    """

    similarities: NDArray[np.float32]
    pairs: PairList
    keys: list[Path]
    left_out: list[Path]


def compare_verification_set(
    recogniser: Recogniser, path: str | os.PathLike[str], *, computation: Computation = _DEFAULT
) -> ComparedSet:
    """Return the pairs of a `.bin` file with their similarities.

    Equal images are embedded once. Pairs with an image that cannot be read are left out.

    Args:
        recogniser: The network.
        path: The file.
        computation: Where and how to embed.

    Raises:
        InputError: If it is no such file, or none of its images can be read.
    """
    pairs = open_verification_set(Path(path))
    keys = pairs.keys
    first_of: dict[bytes, int] = {}
    image_of = np.zeros(len(keys), dtype=np.int64)
    chosen: list[Path] = []
    for number, key in enumerate(keys):
        digest = hashlib.blake2b(pairs.image(number), digest_size=16).digest()
        if digest not in first_of:
            first_of[digest] = len(chosen)
            chosen.append(key)
        image_of[number] = first_of[digest]
    embeddings, readable, left_out = _embed(recogniser, chosen, computation)
    first, second = image_of[0::2], image_of[1::2]
    kept = readable[first] & readable[second]
    listed = PairList(
        first[kept],
        second[kept],
        pairs.mated[kept],
        people_of(len(chosen), first[pairs.mated], second[pairs.mated]),
        pairs.folds[kept],
    )
    similarities = pair_similarities(embeddings, np.stack([listed.first, listed.second], axis=1))
    return ComparedSet(similarities, listed, chosen, left_out)


def evaluate_verification_set(
    recogniser: Recogniser,
    path: str | os.PathLike[str],
    *,
    fmrs: Sequence[float] | None = None,
    computation: Computation = _DEFAULT,
) -> tuple[PairVerification, list[Path]]:
    """Return the metrics of a `.bin` file over its ten folds, and the images that cannot be read.

    Args:
        recogniser: The network.
        path: The file.
        fmrs: False match rates, see `verify_pairs`.
        computation: Where and how to embed.

    Raises:
        InputError: If it is no such file, or too few pairs are left.
    """
    compared = compare_verification_set(recogniser, path, computation=computation)
    return verify_pairs(compared.similarities, compared.pairs, fmrs=fmrs), compared.left_out


def _embed(
    recogniser: Recogniser, keys: Sequence[Path], computation: Computation
) -> tuple[NDArray[np.float32], NDArray[np.bool_], list[Path]]:
    """Return embeddings, shape (keys, dim), which faces can be read, and the keys of the others.

    The embedding of a face that cannot be read is zero.
    """
    placed, dtype = computation.on(recogniser)
    rows, readable = embed_readable(
        placed, keys, dtype=dtype, flip=computation.flip, progress=computation.progress
    )
    embeddings = np.zeros((len(keys), rows.shape[1]), dtype=np.float32)
    embeddings[readable] = rows
    return embeddings, readable, [keys[number] for number in np.flatnonzero(~readable).tolist()]


def evaluate_films(
    recogniser: Recogniser,
    root: str | os.PathLike[str],
    pairs: str | os.PathLike[str],
    *,
    frames: int | None = None,
    fmrs: Sequence[float] | None = None,
    computation: Computation = _DEFAULT,
) -> tuple[PairVerification, list[Path], int]:
    """Return the metrics of pairs of films, each of which is the mean of its frames' embeddings.

    Frames of 112x112 pixels are taken as aligned; in others the most central face is detected.

    Args:
        recogniser: The network.
        root: Folders of frames, see `recognition.data.videos`.
        pairs: The list of pairs.
        frames: Most frames of a film, evenly spaced; None takes all.
        fmrs: False match rates, see `verify_pairs`.
        computation: Where and how to embed.

    Returns:
        The metrics, the frames that cannot be read or have no face, and the number of pairs that are left out
        because a film has no other frame or is missing.

    Raises:
        InputError: If the films or the list cannot be used, or too few pairs are left.
    """
    if frames is not None and frames < 1:
        raise InputError(f"frames: expected 1 or more, got {frames}")
    listed = read_film_pairs(pairs)
    films = read_films(root)
    names = sorted({name for first, second, _, _ in listed for name in (first, second)} & set(films))
    chosen = {name: _spaced(films[name], frames) for name in names}
    samples = labelled(chosen, names)
    placed, dtype = computation.on(recogniser)
    left_out: list[Path] = []
    # Each film is a template of one medium.
    sums = TemplateSums(samples.labels, np.zeros(len(samples), np.int64)) if len(samples) else None
    if sums is None:
        raise InputError(f"{pairs}: expected pairs of the films in {root}, found none of them")
    for numbers, block in embed_blocks(
        placed,
        samples.keys,
        read=_read_frame,
        left_out=left_out,
        dtype=dtype,
        flip=computation.flip,
        progress=computation.progress,
    ):
        sums.add(numbers, block)
    templates, found = sums.finish()
    number = {name: place for place, name in enumerate(names) if found[place]}
    kept = [pair for pair in listed if pair[0] in number and pair[1] in number]
    if not kept:
        raise InputError(f"{pairs}: expected pairs of films with a face in them, found none")
    first = np.array([number[name] for name, _, _, _ in kept])
    second = np.array([number[name] for _, name, _, _ in kept])
    _, people = np.unique([name.partition("/")[0] for name in names], return_inverse=True)
    wanted = PairList(
        first,
        second,
        np.array([mated for _, _, mated, _ in kept]),
        people.astype(np.int64),
        np.array([fold for *_, fold in kept]),
    )
    similarities = pair_similarities(templates, np.stack([first, second], axis=1))
    return verify_pairs(similarities, wanted, fmrs=fmrs), left_out, len(listed) - len(kept)


def _spaced(frames: Sequence[Path], most: int | None) -> Sequence[Path]:
    """Return at most so many frames, evenly spaced from the first on."""
    if most is None or len(frames) <= most:
        return frames
    return [frames[number * len(frames) // most] for number in range(most)]


def _read_frame(path: Path) -> Tensor:
    return to_tensor(read_face(path))


def evaluate_distractors(
    recogniser: Recogniser,
    probes: str | os.PathLike[str],
    distractors: str | os.PathLike[str],
    *,
    sizes: Sequence[int] | None = None,
    only: frozenset[str] | None = None,
    computation: Computation = _DEFAULT,
) -> tuple[DistractorCurve, list[Path]]:
    """Return the rank-one rate of probes among distractors, and the faces that cannot be read.

    Args:
        recogniser: The network.
        probes: Faces of people with two images or more: what `open_source` reads.
        distractors: Faces of other people, whose identities do not matter, or a .npy file of their templates.
        sizes: Numbers of distractors, see `identify_among`.
        only: The identities to use of the probes; None uses all.
        computation: Where and how to embed.

    Raises:
        InputError: If faces of either kind cannot be used, or are too few.
    """
    source = open_source(probes)
    chosen = {
        name: keys
        for name, keys in source.identities.items()
        if len(keys) > 1 and (only is None or name in only)
    }
    if not chosen:
        raise InputError(f"{os.fspath(probes)}: expected people with two images or more, found none")
    path = Path(distractors)
    # Opened before the probes are embedded, so that a wrong path is found at once.
    others = None if path.suffix.lower() == ".npy" else open_source(path)
    samples = labelled(chosen)
    embeddings, readable, left_out = _embed(recogniser, samples.keys, computation)
    left_out += source.unlisted
    blocks = (
        read_distractors(path, embeddings.shape[1])
        if others is None
        else _blocks(recogniser, others, left_out, computation)
    )
    curve = identify_among(embeddings[readable], samples.labels[readable], blocks, sizes=sizes)
    return curve, left_out


def _blocks(
    recogniser: Recogniser, source: FaceSource, left_out: list[Path], computation: Computation
) -> Iterator[NDArray[np.float32]]:
    placed, dtype = computation.on(recogniser)
    left_out += source.unlisted
    keys = labelled(source.identities).keys
    for _, block in embed_blocks(
        placed,
        keys,
        read=read_aligned,
        left_out=left_out,
        dtype=dtype,
        flip=computation.flip,
        progress=computation.progress,
    ):
        yield block
