"""InsightFace's record sets: `train.rec` with its index `train.idx` and the text `property`.

A record is a magic number, a length, the data, and zeros up to a multiple of four bytes. Data in which the
magic number occurs at such a multiple are stored in parts, without it. The data of a face are a header (how
many labels there are, a label, and two numbers of the image), further labels, and the image file.

Record 0 of most sets has no image and two labels: the first record of an identity, and the end of these
records. Image records are those before; the labels of an identity's record are the first and the end of its
images. Other sets have image records only.

Source: dmlc-core, src/recordio.cc; MXNet, python/mxnet/recordio.py; InsightFace,
recognition/arcface_torch/dataset.py and src/data/face2rec2.py.
"""

import os
import struct
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from recognition.data.keys import NumberedKeys
from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError, one_line
from recognition.files import check_regular, is_file, kept_open, open_regular, read_json, read_text

#: Names in the folder of a record set.
RECORDS, INDEX, PROPERTY = "train.rec", "train.idx", "property"
#: The names of the identities, which this project writes beside records; other sets have numbers only.
NAMES = "identities.json"
MAGIC = b"\x0a\x23\xd7\xce"
#: Header of a face's data: number of further labels, the label, and the image's number, twice.
HEADER = struct.Struct("<IfQQ")
#: Bits of a length, and what the bits above say: a whole record, or a first, middle or last part of one.
LENGTH_BITS = 29
WHOLE, FIRST, MIDDLE, LAST = range(4)
#: Largest index in bytes; that of 50 million images has 1 GB.
_MAX_INDEX = 4 << 30
#: Most labels of a record; InsightFace's have two.
_MAX_LABELS = 4096
#: Whole numbers up to this one are exact in the float32 of a label.
_MAX_EXACT = 1 << 24


@dataclass(frozen=True)
class Record:
    """The data of a record.

    Args:
        labels: Its labels; those of an image begin with its identity.
        image: The image file; empty in the records of identities.
    """

    labels: tuple[float, ...]
    image: bytes


class RecordFile:
    """A file of records, read one at a time by their numbers; memory has 16 bytes of each record.

    Args:
        path: The records; their index is beside them, with the ending `.idx`.

    Raises:
        InputError: If there are no such files, or the index is not one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = check_regular(path, "a record file")
        index = path.with_suffix(".idx")
        self.numbers, self._offsets = _read_index(index)
        # Most sets number their records from 0 without a gap: then the number is the place.
        self._dense = bool(self.numbers[-1] == len(self.numbers) - 1)

    def read(self, number: int) -> Record:
        """Return a record.

        Raises:
            InputError: If there is none of this number, or it is damaged or cut off.
        """
        with open_regular(self.path, "a record file") as file:
            return self.read_from(file, number)

    def read_from(self, file: IO[bytes], number: int) -> Record:
        """Return what `read` does, of the records opened for reading bytes."""
        return _unpack(self._data(file, number), self._name(number))

    def labels(self, file: IO[bytes], number: int) -> tuple[float, ...] | None:
        """Return the labels of an image's record without reading the image; None for a record without one.

        Args:
            file: The records, opened for reading bytes.
            number: The record's number.

        Raises:
            InputError: As `read` does.
        """
        name = self._name(number)
        kind, length = self._begin(file, number)
        if kind != WHOLE:
            record = self.read_from(file, number)
            return record.labels if record.image else None
        data = file.read(min(length, HEADER.size))
        if len(data) < HEADER.size:
            raise _damaged(name, "a header that is cut off")
        count = HEADER.unpack_from(data)[0]
        if length <= HEADER.size + 4 * count:
            return None
        return _unpack(data + file.read(4 * count), name).labels

    def _name(self, number: int) -> str:
        return f"{self.path}, record {number}"

    def _begin(self, file: IO[bytes], number: int) -> tuple[int, int]:
        place = number if self._dense else int(np.searchsorted(self.numbers, number))
        if not 0 <= place < len(self.numbers) or self.numbers[place] != number:
            raise InputError(
                f"{self._name(number)}: expected a number of the index, found none; check the key"
            )
        offset = int(self._offsets[place])
        if offset >= self.size:
            raise InputError(
                f"{self._name(number)}: expected {offset + 8:,} bytes or more in the file, got "
                f"{self.size:,}: "
                "it is truncated; get an intact copy"
            )
        file.seek(offset)
        return self._part(file, number)

    def _part(self, file: IO[bytes], number: int) -> tuple[int, int]:
        """Return the kind and the length of the part of a record that begins here."""
        head = file.read(8)
        if len(head) < 8 or head[:4] != MAGIC:
            raise _damaged(self._name(number), "no record begins where the index says")
        bits = int.from_bytes(head[4:], "little")
        kind, length = bits >> LENGTH_BITS, bits & ((1 << LENGTH_BITS) - 1)
        if kind > LAST or file.tell() + length > self.size:
            raise _damaged(self._name(number), f"{length:,} bytes that the file does not have")
        return kind, length

    def _data(self, file: IO[bytes], number: int) -> bytes:
        kind, length = self._begin(file, number)
        data = file.read(length)
        if kind == WHOLE:
            return data
        if kind != FIRST:
            raise _damaged(self._name(number), "it begins with a later part")
        parts = [data]
        while kind != LAST:
            file.seek(-length % 4, os.SEEK_CUR)
            kind, length = self._part(file, number)
            if kind in (WHOLE, FIRST):
                raise _damaged(self._name(number), "a part is missing")
            parts.append(file.read(length))
        return MAGIC.join(parts)


def _unpack(data: bytes, name: str) -> Record:
    if len(data) < HEADER.size:
        raise _damaged(name, "a header that is cut off")
    count, label, _, _ = HEADER.unpack_from(data)
    if not count:
        return Record((label,), data[HEADER.size :])
    begin = HEADER.size + 4 * count
    if count > _MAX_LABELS or begin > len(data):
        raise _damaged(name, f"{count:,} labels")
    return Record(struct.unpack_from(f"<{count}f", data, HEADER.size), data[begin:])


def _damaged(name: str, found: str) -> InputError:
    return InputError(f"{name}: damaged ({found}); get an intact copy")


def _read_index(path: Path) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the numbers of the records, rising, and where each begins, in bytes."""
    try:
        with open_regular(path, "the index of a record file", _MAX_INDEX) as file, warnings.catch_warnings():
            # numpy warns of a file without lines.
            warnings.simplefilter("ignore")
            table = np.loadtxt(file, dtype=np.int64, comments=None, ndmin=2, encoding="utf-8")
    except InputError:
        raise
    except (OSError, ValueError, OverflowError) as error:
        raise _no_index(path, one_line(error)) from None
    if table.size == 0 or table.shape[1] != 2 or table.min() < 0:
        raise _no_index(path, "no lines, or other ones")
    table = table[np.argsort(table[:, 0], kind="stable")]
    if (np.diff(table[:, 0]) == 0).any():
        raise _no_index(path, "a number twice")
    return table[:, 0].copy(), table[:, 1].copy()


def _no_index(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path}: expected lines of a record's number and its first byte, got something else ({reason}); get "
        "an intact copy"
    )


@kept_open(most=16, beside=[".idx"])
def open_records(path: Path) -> RecordFile:
    """Return a file of records; one that has been opened and has not changed is not read again.

    Raises:
        InputError: As `RecordFile` does.
    """
    return RecordFile(path)


def list_records(path: Path) -> tuple[dict[str, Sequence[Path]], dict[Path, InputError]]:
    """Return the keys of the images of a record file by their identity, and what could not be listed.

    The name of an identity is the number that is its label, or its name in `identities.json`. Where the
    records of identities can be read, the images between them are not looked at; otherwise each image's
    header is read.

    Args:
        path: The records, or the folder of a record set.

    Returns:
        The keys of the images by identity, and the errors of the records whose identity is not known.

    Raises:
        InputError: If it is no record file, has no image, or has images of another size.
    """
    if path.is_dir():
        path = path / RECORDS
    _check_property(path.with_name(PROPERTY))
    names = _read_names(path.with_name(NAMES))
    records = open_records(path)
    damaged: dict[Path, InputError] = {}
    with open_regular(path, "a record file") as file:
        try:
            identities = _by_ranges(records, file)
        except InputError:
            identities = None
        if identities is None:
            identities, damaged = _by_labels(records, file)
    if not identities:
        reason = next(iter(damaged.values()), None)
        raise reason or InputError(f"{path}: expected records of faces, found none in it")
    if names is not None:
        if any(int(label) >= len(names) for label in identities):
            raise InputError(
                f"{path.with_name(NAMES)}: expected a name of each of the {len(identities):,} identities, "
                f"got "
                f"{len(names):,}; remove it, or get an intact copy"
            )
        identities = {names[int(label)]: keys for label, keys in identities.items()}
    return identities, damaged


def _by_ranges(records: RecordFile, file: IO[bytes]) -> dict[str, Sequence[Path]] | None:
    """Return the keys by identity, by the records of identities; None without them.

    Raises:
        InputError: If one of them is damaged.
    """
    ends = records.read_from(file, 0).labels if records.numbers[0] == 0 else ()
    if len(ends) < 2:
        return None
    first, end = _whole(ends[0]), _whole(ends[1])
    if not 1 < first < end <= _MAX_EXACT:
        return None
    identities: dict[str, Sequence[Path]] = {}
    for number in range(first, end):
        labels = records.read_from(file, number).labels
        begin, after = (_whole(labels[0]), _whole(labels[1])) if len(labels) == 2 else (0, 0)
        if not 0 < begin <= after <= first:
            raise _damaged(f"{records.path}, record {number}", "no range of images")
        if begin == after:
            continue
        name = _identity(records.labels(file, begin), f"{records.path}, record {begin}")
        if name in identities:
            return None
        identities[name] = NumberedKeys(records.path, range(begin, after))
    return identities


def _by_labels(
    records: RecordFile, file: IO[bytes]
) -> tuple[dict[str, Sequence[Path]], dict[Path, InputError]]:
    """Return the keys by identity, by the label of each record, and the errors of damaged ones."""
    damaged: dict[Path, InputError] = {}
    place_of: dict[str, int] = {}
    kept = np.zeros(len(records.numbers), dtype=np.int32)
    for place, number in enumerate(records.numbers.tolist()):
        try:
            labels = records.labels(file, number)
            name = None if labels is None else _identity(labels, f"{records.path}, record {number}")
        except InputError as error:
            damaged[records.path / str(number)] = error
            name = None
        kept[place] = -1 if name is None else place_of.setdefault(name, len(place_of))
    order = np.argsort(kept, kind="stable")[int((kept < 0).sum()) :]
    ends = np.cumsum(np.bincount(kept[order], minlength=len(place_of)))
    groups = np.split(records.numbers[order], ends[:-1]) if len(place_of) else []
    return {
        name: NumberedKeys(records.path, group) for name, group in zip(place_of, groups, strict=True)
    }, damaged


def _read_names(path: Path) -> list[str] | None:
    """Return the names of identities by their labels; None without the file.

    Raises:
        InputError: If it is another file, or has a name twice.
    """
    if not is_file(path):
        return None
    names = read_json(path, "names of identities", 1 << 30).get("identities")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{path}: expected a list of names as 'identities', got something else; remove it")
    if len(set(names)) < len(names):
        raise InputError(f"{path}: expected each name once, got one again; remove the file")
    return names


def _whole(label: float) -> int:
    return int(label) if np.isfinite(label) else -1


def _identity(labels: tuple[float, ...] | None, name: str) -> str:
    """Return the name of an image's identity."""
    if not labels or not float(labels[0]).is_integer() or labels[0] < 0:
        raise _damaged(name, "no whole number as its label")
    return str(int(labels[0]))


def _check_property(path: Path) -> None:
    """Check the text beside the records, if there is one: number of identities, height and width.

    Raises:
        InputError: If it is another text, or the images are not aligned ones.
    """
    if not is_file(path):
        return
    text = read_text(path, "the property of a record set", 1 << 12).strip()
    fields = text.split(",")
    if len(fields) != 3 or not all(field.strip().isdecimal() for field in fields):
        raise InputError(f"{path}: expected identities,height,width, got {text[:40]!r}; get an intact copy")
    if {int(fields[1]), int(fields[2])} != {ALIGNED_SIZE}:
        raise InputError(
            f"{path}: expected images of {ALIGNED_SIZE}x{ALIGNED_SIZE}, got {fields[1]}x{fields[2]}; use a "
            f"set "
            "of aligned faces"
        )
