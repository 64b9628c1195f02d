"""Sets of faces made one: identities that are one person are found by the similarity of their centres.

The centre of an identity is the mean of its embeddings. Two centres that are as similar as a threshold are
taken for one person, within a set too, and so are all that are connected by such pairs. Of each such group
the identity with most images is kept, and the others are dropped or joined to it.

Sources: Zhu et al., WebFace260M, CVPR 2021, section 3, compares the centres of identities; Deng et al.,
ArcFace, IEEE TPAMI 44(10), 2022, removes the identities that the sources of IBUG-500K share by their names,
which is `same_names` here.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from recognition.data.embedding import embed_blocks
from recognition.data.keys import LabelledKeys
from recognition.data.sources import FaceSource, open_source
from recognition.errors import InputError
from recognition.metrics.pair_lists import people_of
from recognition.metrics.templates import TemplateSums
from recognition.recogniser import Recogniser
from recognition.runtime import choose_dtype

#: What happens to an identity that another one duplicates.
Duplicates = Literal["drop", "join"]
#: Centres that are compared with all others at once: 2**24 similarities of float32 are 64 MiB.
_SIMILARITIES = 1 << 24


@dataclass(frozen=True)
class Identity:
    """An identity of one of the sets.

    Args:
        source: The number of its set.
        name: Its name there.
        images: Number of images.
    """

    source: int
    name: str
    images: int


@dataclass(frozen=True)
class Merging:
    """Which identities of several sets are one person.

    Args:
        identities: All identities, set by set, sorted by name in each.
        kept_as: Shape (identities,), the index of the identity that each is one person with and that is kept;
            its own where it is kept itself.
        similarity: Shape (identities,), the similarity of its centre to that of the kept one.
    """

    identities: tuple[Identity, ...]
    kept_as: NDArray[np.int64]
    similarity: NDArray[np.float32]

    @property
    def duplicates(self) -> int:
        """Number of identities that are not kept."""
        return int((self.kept_as != np.arange(len(self.kept_as))).sum())


def similar_pairs(centres: NDArray[np.float32], threshold: float) -> NDArray[np.int64]:
    """Return the pairs of centres at least as similar as a threshold, shape (pairs, 2), block by block.

    Args:
        centres: Shape (identities, dim), unit norm, or zero for one that is similar to none.
        threshold: Cosine similarity.
    """
    rows = max(1, _SIMILARITIES // max(1, len(centres)))
    found = [np.zeros((0, 2), dtype=np.int64)]
    for begin in range(0, len(centres), rows):
        # Each pair once: only with centres from this block on.
        products = centres[begin : begin + rows] @ centres[begin:].T
        first, second = np.nonzero(products >= threshold)
        later = first < second
        found.append(np.stack([first[later], second[later]], axis=1) + begin)
    return np.concatenate(found)


def merge(
    recogniser: Recogniser,
    sources: Sequence[FaceSource],
    *,
    threshold: float,
    same_names: bool = False,
    images: int | None = None,
) -> tuple[Merging, list[Path]]:
    """Return which identities of several sets are one person, and the faces that cannot be read.

    Memory has one centre of each identity and a batch of images.

    Args:
        recogniser: The network that embeds the faces.
        sources: The sets.
        threshold: Cosine similarity of two centres, above 0 and at most 1, from which they are one person.
        same_names: Whether identities of one name in two sets are one person too.
        images: Most images of an identity that its centre is of, the first ones; None takes all.

    Raises:
        InputError: If an argument is out of range, or no face can be read.
    """
    if not 0 < threshold <= 1:
        raise InputError(f"similarity: expected a cosine above 0 and at most 1, got {threshold}")
    if images is not None and images < 1:
        raise InputError(f"images: expected 1 or more of an identity, got {images}")
    listed = [
        Identity(number, name, len(source.identities[name]))
        for number, source in enumerate(sources)
        for name in sorted(source.identities)
    ]
    centres, left_out = _centres(recogniser, sources, listed, images)
    pairs = similar_pairs(centres, threshold)
    if same_names:
        first_of: dict[str, int] = {}
        named = [(first_of.setdefault(one.name, index), index) for index, one in enumerate(listed)]
        pairs = np.concatenate([pairs, np.array(named, dtype=np.int64).reshape(-1, 2)])
    group = people_of(len(listed), pairs[:, 0], pairs[:, 1])
    counts = np.array([one.images for one in listed])
    # By group, most images first, then in the order of the sets: the first of a group is kept.
    order = np.lexsort((np.arange(len(listed)), -counts, group))
    firsts = order[np.flatnonzero(np.diff(group[order], prepend=-1))]
    kept_as = firsts[group]
    similarity = (centres * centres[kept_as]).sum(1)
    return Merging(tuple(listed), kept_as, similarity), left_out


def _centres(
    recogniser: Recogniser, sources: Sequence[FaceSource], listed: Sequence[Identity], images: int | None
) -> tuple[NDArray[np.float32], list[Path]]:
    """Return the centre of each identity, unit norm, zero where no face can be read, and the other faces."""
    parts = [sources[one.source].identities[one.name] for one in listed]
    samples = LabelledKeys([part if images is None else part[:images] for part in parts])
    # The images of an identity are one medium of its template: their mean.
    sums = TemplateSums(samples.labels, np.zeros(len(samples), dtype=np.int64))
    left_out = [key for source in sources for key in source.unlisted]
    for numbers, block in embed_blocks(
        recogniser,
        samples.keys,
        read=sources[0].read,
        left_out=left_out,
        dtype=choose_dtype(recogniser.device),
    ):
        sums.add(numbers, block)
    centres, _ = sums.finish()
    return centres, left_out


def rows_of(
    merging: Merging,
    paths: Sequence[str | os.PathLike[str]],
    sources: Sequence[FaceSource],
    duplicates: Duplicates,
) -> Iterator[dict[str, str]]:
    """Yield the rows of the merged list: every face, so that what was dropped can be looked at.

    The columns are file, identity, similarity (of the centre to that of the identity that is kept, of
    duplicates), duplicate_of (that identity) and kept. Names that several sets have get the name of their
    set in front.

    Args:
        merging: Which identities are one person.
        paths: The path of each set.
        sources: The sets.
        duplicates: Whether the faces of duplicates are dropped or join those of the identity that is kept.
    """
    names = list_names(merging, paths)
    # Sets may share files; a training takes each once.
    taken: set[str] = set()
    for index, one in enumerate(merging.identities):
        kept = int(merging.kept_as[index])
        is_duplicate = kept != index
        joins = is_duplicate and duplicates == "join"
        for key in sources[one.source].identities[one.name]:
            file = str(key)
            is_kept = (joins or not is_duplicate) and file not in taken
            if is_kept:
                taken.add(file)
            yield {
                "file": file,
                "identity": names[kept] if joins else names[index],
                "similarity": f"{merging.similarity[index]:.4f}" if is_duplicate else "",
                "duplicate_of": names[kept] if is_duplicate else "",
                "kept": "yes" if is_kept else "no",
            }


def list_names(merging: Merging, paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    """Return a name of each identity that no other one has.

    Args:
        merging: The identities.
        paths: The path of each set.
    """
    count: dict[str, int] = {}
    for one in merging.identities:
        count[one.name] = count.get(one.name, 0) + 1
    labels = _labels(paths)
    return [
        one.name if count[one.name] == 1 else f"{labels[one.source]}/{one.name}" for one in merging.identities
    ]


def _labels(paths: Sequence[str | os.PathLike[str]]) -> list[str]:
    stems = [Path(path).stem or str(number) for number, path in enumerate(paths, 1)]
    return [stem if stems.count(stem) == 1 else f"{stem}-{number}" for number, stem in enumerate(stems, 1)]


def open_sets(paths: Sequence[str | os.PathLike[str]]) -> list[FaceSource]:
    """Return several sets of faces.

    Raises:
        InputError: If there is none, one is given twice, or one cannot be read.
    """
    if not paths:
        raise InputError("sets: expected one or more sets of faces, got none")
    if len({Path(path).resolve() for path in paths}) < len(paths):
        raise InputError("sets: expected different sets, got one twice; give each once")
    return [open_source(path) for path in paths]


def describe_merging(merging: Merging, paths: Sequence[str | os.PathLike[str]]) -> Mapping[str, int]:
    """Return how many identities each set has and how many of them are kept, by the set's label."""
    described = {}
    kept = merging.kept_as == np.arange(len(merging.kept_as))
    for number, label in enumerate(_labels(paths)):
        of_set = np.array([one.source == number for one in merging.identities])
        described[f"{label}_identities"] = int(of_set.sum())
        described[f"{label}_kept"] = int((of_set & kept).sum())
    return described
