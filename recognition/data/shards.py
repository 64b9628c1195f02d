"""WebDataset shards: tar files in which the files of one face have one name with different endings.

`000001.jpg` with `000001.cls`, a text, or `000001.json`, an object with the field `identity`, `label` or
`class`, is a face and its identity. Without either of them the identity is the folder in the member's name,
as in `Ann_Able/0001.jpg`. Shards are read where they lie, so that they must not be compressed.

Source: WebDataset's format, https://github.com/webdataset/webdataset; POSIX.1-1988 (ustar) and its extensions
by Python's tarfile.
"""

import re
import tarfile
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognition.data.keys import NumberedKeys
from recognition.errors import InputError, one_line
from recognition.files import is_file, open_regular, parse_json, printable
from recognition.image_formats import READ_SUFFIXES
from recognition.images import MAX_IMAGE_BYTES

#: Bytes of a member's header, which is before its data.
BLOCK = tarfile.BLOCKSIZE
#: Fields of a `.json` member that name the identity, the first that there is.
IDENTITY_FIELDS = ("identity", "label", "class")
#: Largest `.cls` and `.json` in bytes.
_MAX_LABEL = 1 << 20
#: A range of numbers in the name of shards, such as {000000..000011}, and the most shards of one.
_RANGE = re.compile(r"\{(\d{1,9})\.\.(\d{1,9})\}")
_MAX_SHARDS = 1_000_000


@dataclass
class _Face:
    """The face that the members of one name describe.

    Args:
        name: The name without an ending.
        offset: Where the image begins, in bytes; None before its member.
        is_part: Whether that image's name has a further ending, as the mask's in `1.mask.png`.
        identity: Its identity; None before its member.
    """

    name: str
    offset: int | None = None
    is_part: bool = False
    identity: str | None = None


def list_shards(path: Path) -> tuple[dict[str, Sequence[Path]], dict[Path, InputError]]:
    """Return the keys of the faces in shards by their identity, and what could not be listed.

    Args:
        path: A shard, a name of shards with a range of numbers in it, or a folder of shards.

    Returns:
        The keys of the faces by identity, and the errors of the shards that are damaged, whose first faces
        are listed.

    Raises:
        InputError: If there is no shard, or no face in them.
    """
    shards = _shards(path)
    found: dict[str, dict[int, array[int]]] = {}
    damaged: dict[Path, InputError] = {}
    for number, shard in enumerate(shards):
        try:
            for offset, identity in _faces(shard):
                found.setdefault(identity, {}).setdefault(number, array("q")).append(offset)
        except InputError as error:
            damaged[shard] = error
    if not found:
        reason = next(iter(damaged.values()), None)
        raise reason or InputError(f"{printable(path)}: expected shards with faces, found none in them")
    identities: dict[str, Sequence[Path]] = {}
    for identity in sorted(found):
        parts = [
            NumberedKeys(shards[number], np.array(offsets, dtype=np.int64))
            for number, offsets in found[identity].items()
        ]
        # An identity in several shards has few faces; only their keys are made.
        identities[identity] = parts[0] if len(parts) == 1 else [key for part in parts for key in part]
    return identities, damaged


def read_member(shard: Path, offset: int) -> bytes:
    """Return the image whose data begin at this byte of a shard.

    Raises:
        InputError: If no member begins there, or it is cut off.
    """
    name = f"{printable(shard)}, member at byte {offset}"
    with open_regular(shard, "a shard") as file:
        try:
            if offset < BLOCK:
                raise ValueError("no member can begin there")
            file.seek(offset - BLOCK)
            member = tarfile.TarInfo.frombuf(file.read(BLOCK), "utf-8", "surrogateescape")
        except (tarfile.TarError, ValueError, OverflowError, OSError) as error:
            raise InputError(f"{name}: damaged ({one_line(error)}); get an intact copy") from None
        if not member.isreg() or not 0 <= member.size <= MAX_IMAGE_BYTES:
            raise InputError(f"{name}: expected an image, got another member; list the shard again")
        data = file.read(member.size)
    if len(data) < member.size:
        raise InputError(
            f"{name}: expected {member.size:,} bytes, got {len(data):,}: the shard is truncated; get an "
            f"intact "
            "copy"
        )
    return data


def _shards(path: Path) -> list[Path]:
    """Return the files that a path names.

    Raises:
        InputError: If it names none.
    """
    if path.is_dir():
        return sorted(file for file in path.iterdir() if file.suffix.lower() == ".tar")
    found = _RANGE.search(path.name)
    if found is None or is_file(path):
        return [path]
    first, last = int(found[1]), int(found[2])
    if not 0 <= last - first < _MAX_SHARDS:
        raise InputError(f"{printable(path)}: expected a rising range of shards, got {found[0]}")
    names = (f"{number:0{len(found[1])}d}" for number in range(first, last + 1))
    return [path.with_name(path.name[: found.start()] + name + path.name[found.end() :]) for name in names]


def _faces(shard: Path) -> Iterator[tuple[int, str]]:
    """Yield where each image of a shard begins, and its identity.

    Raises:
        InputError: If the shard is damaged, or a face has no identity.
    """
    face = _Face("")
    with open_regular(shard, "a shard") as file:
        try:
            with tarfile.open(fileobj=file, mode="r:", errorlevel=2) as archive:
                while (member := archive.next()) is not None:
                    # tarfile keeps each member, without an end, in a list that its annotations leave out.
                    archive.members = []  # type: ignore[attr-defined]
                    if not member.isreg():
                        continue
                    folder, _, base = member.name.rpartition("/")
                    stem, _, ending = base.partition(".")
                    name = f"{folder}/{stem}" if folder else stem
                    if name != face.name:
                        if face.offset is not None:
                            yield face.offset, _identity_of(face, shard)
                        face = _Face(name)
                    first, _, last = ending.lower().rpartition(".")
                    if f".{last}" in READ_SUFFIXES and (face.offset is None or (face.is_part and not first)):
                        # Of several images of a sample, as masks are, the one without a further ending is it.
                        face.offset, face.is_part = member.offset_data, bool(first)
                    elif ending in ("cls", "json"):
                        text = _text(archive, member, shard)
                        face.identity = text.strip() if ending == "cls" else _field(text, face, shard)
        except InputError:
            raise
        except Exception as error:
            # tarfile raises more than its own errors on damaged files.
            raise InputError(
                f"{printable(shard)}: damaged or compressed shard ({one_line(error)}); get an intact copy, "
                f"or "
                "unpack it with gunzip"
            ) from None
    if face.offset is not None:
        yield face.offset, _identity_of(face, shard)


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo, shard: Path) -> str:
    content = archive.extractfile(member) if member.size <= _MAX_LABEL else None
    if content is None:
        raise InputError(f"{printable(shard)}, {printable(member.name)}: expected a label, got a larger file")
    try:
        return content.read().decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{printable(shard)}, {printable(member.name)}: expected UTF-8 text") from None


def _field(text: str, face: _Face, shard: Path) -> str | None:
    """Return the identity in a face's JSON; that of an earlier member where it has none."""
    try:
        content = parse_json(text)
    except ValueError as error:
        raise InputError(
            f"{printable(shard)}, {printable(face.name)}.json: no JSON ({one_line(error)})"
        ) from None
    if isinstance(content, dict):
        for field in IDENTITY_FIELDS:
            if isinstance(content.get(field), str | int):
                return str(content[field])
    return face.identity


def _identity_of(face: _Face, shard: Path) -> str:
    identity = face.identity or Path(face.name).parent.name
    if not identity:
        raise InputError(
            f"{printable(shard)}, {printable(face.name)}: expected its identity in a .cls or .json member, "
            f"or as "
            "its folder, found none"
        )
    return identity
