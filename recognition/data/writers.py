"""Writers of faces in the forms that `recognition.data.sources` reads; images are copied as they are."""

import json
import os
import struct
import tarfile
from collections.abc import Callable, Iterable, Mapping
from io import BytesIO
from itertools import chain, islice
from pathlib import Path
from typing import IO

from recognition.data.parquet import parquet_library
from recognition.data.parquet_images import MAX_GROUP
from recognition.data.records import (
    FIRST,
    HEADER,
    INDEX,
    LAST,
    LENGTH_BITS,
    MAGIC,
    MIDDLE,
    NAMES,
    PROPERTY,
    RECORDS,
    WHOLE,
)
from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError
from recognition.files import printable, safe_name
from recognition.image_formats import suffix_of
from recognition.images import atomic_path

#: Faces of one identity: its name, and its image files.
Identities = Iterable[tuple[str, Iterable[bytes]]]
#: Faces of a shard, and of a row group of Parquet.
_SHARD, _GROUP = 10_000, 256
#: Whole numbers up to this one are exact in the float32 of a label.
_MAX_EXACT = 1 << 24


def write_records(folder: Path, identities: Identities) -> int:
    """Write a record set as InsightFace does, whole or not at all, and return the number of faces.

    Identities become the numbers 0, 1, ...; the file `identities.json` beside the records has their names.

    Args:
        folder: The folder of the set, which is created.
        identities: Faces by identity.

    Raises:
        InputError: If a file cannot be written, or there are too many faces for a set.
    """
    _make(folder)
    names: list[str] = []
    ranges: list[tuple[int, int]] = []
    with (
        atomic_path(folder / RECORDS) as records,
        atomic_path(folder / INDEX) as index,
        atomic_path(folder / PROPERTY) as described,
        atomic_path(folder / NAMES) as named,
        records.open("wb") as file,
        index.open("w", encoding="ascii") as places,
    ):
        writer = _RecordWriter(file, places)
        # The first record says where the records of identities are; its length is the same at the end.
        writer.add([0, 0])
        for name, images in identities:
            begin = writer.number
            for image in images:
                writer.add([len(names)], image)
            if writer.number > begin:
                names.append(name)
                ranges.append((begin, writer.number))
        first = writer.number
        for begin, end in ranges:
            writer.add([begin, end])
        if writer.number >= _MAX_EXACT:
            raise InputError(
                f"{printable(folder)}: expected at most {_MAX_EXACT:,} records of a set, got "
                f"{writer.number:,}; "
                "write shards"
            )
        file.seek(0)
        file.write(record_bytes(_face_data([first, writer.number], 0, b"")))
        described.write_text(f"{len(names)},{ALIGNED_SIZE},{ALIGNED_SIZE}")
        named.write_text(json.dumps({"identities": names}), encoding="utf-8", errors="surrogatepass")
    return first - 1


class _RecordWriter:
    """Writes records and their index, numbered from 0."""

    def __init__(self, file: IO[bytes], index: IO[str]) -> None:
        self._file, self._index = file, index
        self.number = 0

    def add(self, labels: list[int], image: bytes = b"") -> None:
        """Append a record."""
        self._index.write(f"{self.number}\t{self._file.tell()}\n")
        self._file.write(record_bytes(_face_data(labels, self.number, image)))
        self.number += 1


def _face_data(labels: list[int], number: int, image: bytes) -> bytes:
    if len(labels) == 1:
        return HEADER.pack(0, labels[0], number, 0) + image
    return HEADER.pack(len(labels), 0, number, 0) + struct.pack(f"<{len(labels)}f", *labels) + image


def record_bytes(data: bytes) -> bytes:
    """Return a record: its data in as many parts as the magic number in them makes necessary.

    Raises:
        ValueError: If the data have 2^29 bytes or more.

    Source: dmlc-core, src/recordio.cc.
    """
    if len(data) >= 1 << LENGTH_BITS:
        raise ValueError("a record has less than 512 MiB")
    parts, begin, at = [], 0, data.find(MAGIC)
    while at >= 0:
        if at % 4 == 0 and at + 4 <= len(data) // 4 * 4:
            parts.append(data[begin:at])
            begin = at + 4
            at = data.find(MAGIC, begin)
        else:
            at = data.find(MAGIC, at + 1)
    parts.append(data[begin:])
    kinds = [WHOLE] if len(parts) == 1 else [FIRST, *[MIDDLE] * (len(parts) - 2), LAST]
    return b"".join(
        MAGIC + struct.pack("<I", kind << LENGTH_BITS | len(part)) + part + bytes(-len(part) % 4)
        for kind, part in zip(kinds, parts, strict=True)
    )


def write_shards(folder: Path, identities: Identities, *, faces: int = _SHARD) -> int:
    """Write WebDataset shards, each whole or not at all, and return the number of faces.

    Args:
        folder: The folder of the shards `faces-000000.tar` and following, which exists.
        identities: Faces by identity.
        faces: Faces of a shard.

    Raises:
        InputError: If a file cannot be written.
    """
    rows = ((name, image) for name, images in identities for image in images)
    count = 0
    for number in range(1_000_000):
        part = list(islice(rows, 1))
        if not part:
            break
        with (
            atomic_path(folder / f"faces-{number:06d}.tar") as temporary,
            tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for name, image in chain(part, islice(rows, faces - 1)):
                # The names of all faces are different, and those of one face follow each other.
                for ending, content in ((suffix_of(image), image), (".cls", _text_of(name).encode())):
                    member = tarfile.TarInfo(f"{count:09d}{ending}")
                    member.size = len(content)
                    archive.addfile(member, BytesIO(content))
                count += 1
    return count


def write_parquet(path: Path, identities: Identities) -> int:
    """Write a Parquet file as Hugging Face's datasets are, whole or not at all, and return the number of
    faces.

    The columns are `image`, a structure with the image file in `bytes` and no `path`, and `identity`.

    Args:
        path: The file.
        identities: Faces by identity.

    Raises:
        InputError: If pyarrow is missing, an image is too large, or the file cannot be written.
    """
    parquet = parquet_library(path)
    import pyarrow

    image = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    schema = pyarrow.schema([("image", image), ("identity", pyarrow.string())])
    rows = ((name, data) for name, images in identities for data in images)
    count = 0
    # Image files are compressed already.
    with (
        atomic_path(path) as temporary,
        parquet.ParquetWriter(temporary, schema, compression="none", use_dictionary=["identity"]) as file,
    ):
        while part := list(islice(rows, _GROUP)):
            if sum(len(data) for _, data in part) > MAX_GROUP // 2:
                raise InputError(
                    f"{printable(path)}: expected aligned faces, got larger images; write shards"
                )
            columns = [
                [{"bytes": data, "path": None} for _, data in part],
                [_text_of(name) for name, _ in part],
            ]
            file.write_table(pyarrow.table(columns, schema=schema))
            count += len(part)
    return count


def _text_of(name: str) -> str:
    """Return a name as text; bytes that are no UTF-8 become escapes, so that names that differ still do."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def write_folders(folder: Path, identities: Identities) -> int:
    """Write a folder per identity, each file whole or not at all, and return the number of faces.

    Files are named as those of LFW are, so that pair lists find them.

    Args:
        folder: The folder of folders, which exists.
        identities: Faces by identity.

    Raises:
        InputError: If a file cannot be written.
    """
    count = 0
    for name, images in identities:
        own = folder / safe_name(name, max_bytes=200)
        for number, image in enumerate(images, 1):
            if number == 1:
                _make(own)
            path = own / f"{own.name}_{number:04d}{suffix_of(image)}"
            with atomic_path(path) as temporary:
                temporary.write_bytes(image)
            count += 1
    return count


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"{printable(folder)}: cannot be created ({error.strerror}); choose another folder"
        ) from None


def _into_folder(write: Callable[[Path, Identities], int]) -> Callable[[Path, Identities], int]:
    """Return a writer of a folder that creates it first, and writes in no folder that has files."""

    def written(folder: Path, identities: Identities) -> int:
        _make(folder)
        with os.scandir(folder) as entries:
            if any(not entry.name.startswith(".") for entry in entries):
                raise InputError(
                    f"{printable(folder)}: expected an empty folder, got one with files; choose another"
                )
        return write(folder, identities)

    return written


#: Writers by the name of the form.
WRITERS: Mapping[str, Callable[[Path, Identities], int]] = {
    "records": _into_folder(write_records),
    "shards": _into_folder(write_shards),
    "parquet": write_parquet,
    "folders": _into_folder(write_folders),
}
