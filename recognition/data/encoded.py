"""The bytes of a face's image file, wherever it lies: in a file of its own, or inside another one."""

from collections.abc import Callable
from pathlib import Path

from recognition.data.keys import number_of
from recognition.data.parquet_images import open_parquet
from recognition.data.records import open_records
from recognition.data.shards import read_member
from recognition.data.verification_sets import open_verification_set
from recognition.errors import InputError
from recognition.files import read_bytes
from recognition.images import MAX_IMAGE_BYTES


def _record(path: Path, number: int) -> bytes:
    image = open_records(path).read(number).image
    if not image:
        raise InputError(f"{path}, record {number}: expected an image, got a record without one")
    return image


def _row(path: Path, number: int) -> bytes:
    return open_parquet(path).image(number)


def _pair_image(path: Path, number: int) -> bytes:
    return open_verification_set(path).image(number)


#: Readers of one face by the ending of the file that it is in.
CONTAINERS: dict[str, Callable[[Path, int], bytes]] = {
    ".rec": _record,
    ".tar": read_member,
    ".parquet": _row,
    ".bin": _pair_image,
}


def is_inside(key: Path) -> bool:
    """Return whether a key is of a face inside another file."""
    return key.parent.suffix.lower() in CONTAINERS and number_of(key) is not None


def read_encoded(key: Path) -> bytes:
    """Return the image file of a key.

    Raises:
        InputError: If there is none, or the file that it is in is damaged there.
    """
    number = number_of(key)
    read = CONTAINERS.get(key.parent.suffix.lower())
    if number is None or read is None:
        return read_bytes(key, "a photograph", MAX_IMAGE_BYTES)
    return read(key.parent, number)
