"""InsightFace's verification sets: one `.bin` file of aligned pairs, such as those of LFW and CFP-FP.

A file is the pickle of two lists: the image files of all pairs, two by two, and whether each pair shows one
person. It is read without running the pickle (`recognition.data.pickled_pairs`).

Source: InsightFace, src/data/lfw2pack.py and recognition/arcface_torch/eval/verification.py.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.data.keys import NumberedKeys
from recognition.data.pickled_pairs import PickledPairs, spans_of
from recognition.errors import InputError, one_line
from recognition.files import kept_open, open_regular, printable
from recognition.images import MAX_IMAGE_BYTES, atomic_path

#: Folds of every verification set.
FOLDS = 10
_WHAT = "a verification set"


@dataclass(frozen=True)
class VerificationSet:
    """The pairs of a file; images 2n and 2n + 1 are pair n.

    Args:
        path: The file.
        offsets: Shape (images,), the first byte of each image.
        lengths: Shape (images,), its bytes.
        as_text: Shape (images,), whether the image is stored as text, see `Span`.
        mated: Shape (pairs,), whether a pair shows one person.
    """

    path: Path
    offsets: NDArray[np.int64]
    lengths: NDArray[np.int64]
    as_text: NDArray[np.bool_]
    mated: NDArray[np.bool_]

    @property
    def keys(self) -> NumberedKeys:
        """Keys of the images."""
        return NumberedKeys(self.path, range(len(self.offsets)))

    @property
    def folds(self) -> NDArray[np.int64]:
        """Shape (pairs,), the fold of each pair: ten runs of pairs as they follow each other.

        Source: scikit-learn's KFold without shuffling, as InsightFace uses it: the first folds have one pair
            more
        where ten do not divide the pairs.
        """
        sizes = np.full(FOLDS, len(self.mated) // FOLDS)
        sizes[: len(self.mated) % FOLDS] += 1
        return np.repeat(np.arange(FOLDS), sizes)

    def image(self, number: int) -> bytes:
        """Return an image file.

        Raises:
            InputError: If there is none of this number, or the file has changed.
        """
        name = f"{printable(self.path)}, image {number}"
        if not 0 <= number < len(self.offsets):
            raise InputError(f"{name}: expected a number below {len(self.offsets)}; check the key")
        with open_regular(self.path, _WHAT) as file:
            file.seek(int(self.offsets[number]))
            data = file.read(int(self.lengths[number]))
        if not self.as_text[number]:
            return data
        try:
            return data.decode("utf-8").encode("latin1")
        except UnicodeError:
            raise InputError(f"{name}: damaged; get an intact copy") from None


@kept_open(most=16)
def open_verification_set(path: Path) -> VerificationSet:
    """Return the pairs of a file; one that has been opened and has not changed is not read again.

    Raises:
        InputError: If it is no such file, or is damaged.
    """
    with open_regular(path, _WHAT) as file:
        try:
            size = file.seek(0, 2)
            file.seek(0)
            content = PickledPairs(file, size).read()
            if not (
                isinstance(content, tuple)
                and len(content) == 2
                and all(isinstance(part, list) for part in content)
            ):
                raise ValueError("no two lists")
            images, mated = content
            spans = spans_of(images)
            if not all(type(value) in (bool, int) and value in (0, 1) for value in mated):
                raise ValueError("something else than truths in its second list")
        except (ValueError, RecursionError, OverflowError, MemoryError) as error:
            raise InputError(
                f"{printable(path)}: expected {_WHAT} as InsightFace writes it, got something else "
                f"({one_line(error)}); get an intact copy"
            ) from None
    if len(spans) != 2 * len(mated) or len(mated) < FOLDS:
        raise InputError(
            f"{printable(path)}: expected two images of each of {FOLDS} or more pairs, got {len(spans):,} "
            f"images "
            f"and {len(mated):,} pairs; get an intact copy"
        )
    if max(span.length for span in spans) > MAX_IMAGE_BYTES:
        raise InputError(f"{printable(path)}: expected images of at most {MAX_IMAGE_BYTES:,} bytes, got more")
    return VerificationSet(
        path,
        np.array([span.offset for span in spans], dtype=np.int64),
        np.array([span.length for span in spans], dtype=np.int64),
        np.array([span.is_text for span in spans], dtype=np.bool_),
        np.array(mated, dtype=np.bool_),
    )


def write_verification_set(path: Path, pairs: Iterable[tuple[bytes, bytes, bool]]) -> int:
    """Write pairs of image files as a verification set, whole or not at all, and return their number.

    InsightFace's own reader loads it. One pair at a time is in memory.

    Args:
        path: The file.
        pairs: Two image files, and whether they show one person.

    Raises:
        InputError: If the file cannot be written.
    """
    mated = bytearray()
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        # Protocol 3: a list, its items between a mark and an append.
        file.write(b"\x80\x03](")
        for first, second, same in pairs:
            for image in (first, second):
                file.write(b"B" + struct.pack("<I", len(image)) + image)
            mated += b"\x88" if same else b"\x89"
        file.write(b"e](" + mated + b"e\x86.")
    return len(mated)
