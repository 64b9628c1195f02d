"""Files with many faces, made byte by byte as their formats say, and not by the project's writers."""

import io
import struct
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

MAGIC = struct.pack("<I", 0xCED7230A)


def face(shade: int, *, size: int = 112) -> bytes:
    """Return a PNG of one colour."""
    file = io.BytesIO()
    Image.fromarray(np.full((size, size, 3), shade, dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def record(labels: Sequence[float], image: bytes = b"") -> bytes:
    """Return a record of MXNet: one label in the header, several after it."""
    if len(labels) == 1:
        data = struct.pack("<IfQQ", 0, labels[0], 0, 0) + image
    else:
        data = struct.pack("<IfQQ", len(labels), 0, 0, 0) + struct.pack(f"<{len(labels)}f", *labels) + image
    assert MAGIC not in data
    return MAGIC + struct.pack("<I", len(data)) + data + bytes(-len(data) % 4)


def write_records(folder: Path, records: Sequence[bytes], *, text: str | None = "2,112,112") -> list[int]:
    """Write records, their index and the property, and return where each record begins."""
    folder.mkdir(parents=True, exist_ok=True)
    places = np.cumsum([0, *map(len, records)])[:-1].tolist()
    (folder / "train.rec").write_bytes(b"".join(records))
    (folder / "train.idx").write_text("".join(f"{n}\t{place}\n" for n, place in enumerate(places)))
    if text is not None:
        (folder / "property").write_text(text)
    return places


def record_set(folder: Path, *, text: str | None = "2,112,112") -> list[int]:
    """Write a set of two identities, of two and of one image, as InsightFace does; see `write_records`."""
    return write_records(
        folder,
        [
            record([4, 6]),
            record([0], face(10)),
            record([0], face(20)),
            record([1], face(30)),
            record([1, 3]),
            record([3, 4]),
        ],
        text=text,
    )


def write_tar(path: Path, members: Mapping[str, bytes]) -> None:
    """Write a tar file."""
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
