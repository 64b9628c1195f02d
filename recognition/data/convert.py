"""Faces from one form into another, and pair lists into verification sets."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from recognition.data.encoded import read_encoded
from recognition.data.faces import check_aligned
from recognition.data.pairs import read_pairs
from recognition.data.sources import open_source
from recognition.data.verification_sets import write_verification_set
from recognition.data.writers import WRITERS
from recognition.errors import InputError
from recognition.options import OnUnreadable


def convert(
    source: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    form: str,
    *,
    on_unreadable: OnUnreadable = "skip",
) -> tuple[int, list[Path]]:
    """Write the faces of a source in another form; one identity's image is in memory at a time.

    Args:
        source: What `open_source` reads.
        destination: The folder or file to write.
        form: A name in `WRITERS`.
        on_unreadable: Whether faces that cannot be read are left out or end the conversion.

    Returns:
        The number of faces written, and what was left out.

    Raises:
        InputError: If the source has no face that can be read, one cannot and the conversion is to stop, or
            the destination cannot be written.
    """
    opened = open_source(source)
    if opened.unlisted and on_unreadable == "stop":
        raise next(iter(opened.unlisted.values()))
    left_out = list(opened.unlisted)
    faces = ((name, _images(keys, left_out, on_unreadable)) for name, keys in opened.identities.items())
    count = WRITERS[form](Path(destination), faces)
    if not count:
        raise InputError(f"{os.fspath(source)}: expected aligned faces, none can be read; check the data")
    return count, left_out


def _images(keys: Sequence[Path], left_out: list[Path], on_unreadable: OnUnreadable) -> Iterator[bytes]:
    for key in keys:
        try:
            data = check_aligned(key)
        except InputError:
            if on_unreadable == "stop":
                raise
            left_out.append(key)
            continue
        yield data


def convert_pairs(
    source: str | os.PathLike[str], pairs: str | os.PathLike[str], destination: str | os.PathLike[str]
) -> tuple[int, int]:
    """Write the pairs of a list in LFW's format as a verification set.

    Args:
        source: What `open_source` reads.
        pairs: The list.
        destination: The `.bin` file to write.

    Returns:
        The number of pairs written, and of those left out because a photograph is missing.

    Raises:
        InputError: If a photograph cannot be read, or there are no such pairs.
    """
    listed, missing = read_pairs(pairs, open_source(source).identities)
    images = ((read_encoded(first), read_encoded(second), mated) for first, second, mated, _ in listed)
    return write_verification_set(Path(destination), images), missing
