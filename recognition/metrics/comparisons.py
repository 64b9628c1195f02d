"""Comparisons of images one by one: which pairs there are, how similar they are, and who is in them.

Verification metrics need numbers of comparisons only. Figures of single pairs need the pairs: histograms of
their angles, and the photographs of those that a network mistakes.

Abbreviations: FMR, false match rate; TAR, true accept rate; EER, equal error rate.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from recognition.data.dataset import read_aligned
from recognition.errors import InputError
from recognition.metrics.evaluate import LabelledEmbeddings, embed_identities
from recognition.metrics.intervals import Estimate, estimate
from recognition.metrics.pair_lists import PairedPeople, PairList
from recognition.metrics.protocols import Computation, compare_verification_set
from recognition.metrics.similarities import count_nonmated, pair_similarities
from recognition.metrics.verification import make_pairs
from recognition.recogniser import Recogniser

#: Most pairs of two identities that are compared; of more, so many are drawn. The ArcFace paper's histograms
#: have about half a million (arXiv:1801.07698v3, figure 6).
MOST_NONMATED = 1_000_000
#: All pairs are listed, and some of them drawn, if they are at most so many times those wanted.
_LISTED = 4


@dataclass(frozen=True)
class Comparisons:
    """Pairs of images with their similarities.

    Args:
        name: Name of the data.
        similarities: Shape (pairs,).
        pairs: The pairs; their items are images.
        keys: Key of each image.
        names: Name of each person; None if the data has none.
        left_out: Keys of images that cannot be read.
        read: Returns the float image, shape (3, 112, 112) in [0, 1], of a key.
    """

    name: str
    similarities: NDArray[np.float32]
    pairs: PairList
    keys: Sequence[Path]
    names: tuple[str, ...] | None = None
    left_out: Sequence[Path] = ()
    read: Callable[[Path], Tensor] = read_aligned

    def rates(self, threshold: float) -> tuple[Estimate, Estimate]:
        """Return TAR and FMR of accepting similarities above a threshold, with intervals over people."""
        mated, people = self.pairs.mated, self.pairs.people
        owners = people[self.pairs.first[mated]]
        others = PairedPeople(people[self.pairs.first[~mated]], people[self.pairs.second[~mated]])
        return (
            estimate(self.similarities[mated] > threshold, owners, pooled=True),
            others.rate(self.similarities[~mated] > threshold),
        )


def compare(
    recogniser: Recogniser,
    data: str | os.PathLike[str],
    *,
    only: frozenset[str] | None = None,
    pairs: str | os.PathLike[str] | None = None,
    computation: Computation,
    most_nonmated: int = MOST_NONMATED,
) -> Comparisons:
    """Return the comparisons of a verification set (`.bin`), of a pair list, or of labelled faces.

    Args:
        recogniser: The network.
        data: A verification set, or what `open_source` reads.
        only: The identities to use; None uses all. A verification set has none.
        pairs: A pair list in LFW's format for labelled faces; None compares the mated pairs of `make_pairs`
            and `draw_nonmated`'s.
        computation: Where and how to embed.
        most_nonmated: Most pairs of two identities.

    Raises:
        InputError: If the data cannot be used, or has too few people.
    """
    path = Path(data)
    if path.suffix.lower() == ".bin":
        if pairs is not None:
            raise InputError(
                "pairs: expected none with a verification set, which has its own; leave out --pairs"
            )
        found = compare_verification_set(recogniser, path, computation=computation)
        return Comparisons(path.stem, found.similarities, found.pairs, found.keys, left_out=found.left_out)
    embedded = embed_identities(
        recogniser, path, only=only, pairs=pairs, device=computation.device, flip=computation.flip
    )
    return compare_embedded(path.stem, embedded, most_nonmated=most_nonmated)


def compare_embedded(
    name: str, embedded: LabelledEmbeddings, *, most_nonmated: int = MOST_NONMATED
) -> Comparisons:
    """Return the comparisons of labelled embeddings: of their pair list, or of all; see `compare`."""
    labels = embedded.labels
    if embedded.pairs is not None:
        first, second = embedded.pairs.indices.T
        listed = PairList(first, second, embedded.pairs.mated, labels, embedded.pairs.folds)
    else:
        made = make_pairs(labels)
        mated = made.indices[made.mated]
        nonmated = draw_nonmated(labels, most_nonmated)
        both = np.concatenate([mated, nonmated])
        is_mated = np.arange(len(both)) < len(mated)
        listed = PairList(both[:, 0], both[:, 1], is_mated, labels)
    similarities = pair_similarities(embedded.embeddings, np.stack([listed.first, listed.second], axis=1))
    return Comparisons(
        name,
        similarities,
        listed,
        embedded.keys,
        embedded.names,
        embedded.left_out,
        embedded.read,
    )


def draw_nonmated(labels: NDArray[np.integer], most: int, *, seed: int = 0) -> NDArray[np.int64]:
    """Return pairs of images of two identities, shape (pairs, 2): all, or `most` drawn at random.

    No pair is there twice. The first image of a pair comes before the second.

    Args:
        labels: Shape (images,), identities.
        most: Most pairs, 1 or more.
        seed: Seed of the draw.

    Raises:
        InputError: If `most` is below 1.
    """
    if most < 1:
        raise InputError(f"nonmated pairs: expected 1 or more, got {most}")
    total, count = count_nonmated(labels), len(labels)
    generator = np.random.default_rng(seed)
    if total <= _LISTED * most:
        after = [row + 1 + np.flatnonzero(labels[row + 1 :] != labels[row]) for row in range(count)]
        first = np.repeat(np.arange(count), [len(part) for part in after])
        found = np.stack([first, np.concatenate([*after, np.empty(0, np.int64)])], axis=1).astype(np.int64)
        if total <= most:
            return found
        return found[np.sort(generator.choice(total, most, replace=False))]
    codes = np.empty(0, np.int64)
    while len(codes) < most:
        drawn = generator.integers(0, count, (most, 2))
        drawn = drawn[labels[drawn[:, 0]] != labels[drawn[:, 1]]]
        codes = np.unique(np.concatenate([codes, drawn.min(1) * count + drawn.max(1)]))
    codes = np.sort(generator.choice(codes, most, replace=False))
    return np.stack(np.divmod(codes, count), axis=1)
