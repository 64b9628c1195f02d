"""Sound files of sets of faces and of protocols, and their readers, for the fuzzer."""

import io
import pickle
import struct
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from PIL import Image

from recognition.data.ijb import read_people, read_protocol, read_template_pairs
from recognition.data.sources import open_source
from recognition.data.verification_sets import open_verification_set
from recognition.data.videos import read_film_pairs
from recognition.errors import InputError

_MAGIC = struct.pack("<I", 0xCED7230A)


def _image() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((112, 112, 3), 90, dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def _record(labels: tuple[float, ...], image: bytes = b"") -> bytes:
    flag, label = (0, labels[0]) if len(labels) == 1 else (len(labels), 0)
    further = b"" if len(labels) == 1 else struct.pack(f"<{len(labels)}f", *labels)
    data = struct.pack("<IfQQ", flag, label, 0, 0) + further + image
    return _MAGIC + struct.pack("<I", len(data)) + data + bytes(-len(data) % 4)


def _sets() -> list[list[bytes]]:
    """Return the records of a set with records of identities, and of one without, one of them in parts."""
    image = _image()
    parts = b"abcd" + _MAGIC + b"ef"
    split = (
        _MAGIC + struct.pack("<I", 1 << 29 | 28) + struct.pack("<IfQQ", 0, 1, 0, 0) + parts[:4]
        + _MAGIC + struct.pack("<I", 3 << 29 | 2) + parts[8:] + bytes(2)
    )  # fmt: skip
    return [
        [_record((3, 5)), _record((0,), image), _record((1,), image), _record((1, 2)), _record((2, 3))],
        [_record((7,), image), split, _record((7, 0.5), image)],
    ]


def record_bytes(_: Path) -> list[bytes]:
    """Return sound files of records."""
    return [b"".join(records) for records in _sets()]


def index_bytes(_: Path) -> list[bytes]:
    """Return sound indices of `record_bytes`."""
    found = []
    for records in _sets():
        places = np.cumsum([0, *map(len, records)])[:-1].tolist()
        found.append("".join(f"{number}\t{place}\n" for number, place in enumerate(places)).encode())
    return found


def read_all(path: Path) -> None:
    """List a source, and check and read every face that is listed; those that cannot be read are refused."""
    source = open_source(path)
    for keys in source.identities.values():
        for key in keys:
            try:
                source.check(key)
                source.read(key)
            except InputError as error:
                if "\n" in str(error):
                    raise RuntimeError(error) from None


def read_records(path: Path) -> None:
    """Read records with either sound index."""
    errors = []
    for index in index_bytes(path.parent):
        path.with_suffix(".idx").write_bytes(index)
        try:
            read_all(path)
        except InputError as error:
            errors.append(error)
    if len(errors) == 2:
        raise errors[0]


def read_index(path: Path) -> None:
    """Read an index with either sound file of records."""
    errors = []
    for records in record_bytes(path.parent):
        path.with_suffix(".rec").write_bytes(records)
        try:
            read_all(path.with_suffix(".rec"))
        except InputError as error:
            errors.append(error)
    if len(errors) == 2:
        raise errors[0]


def shard_bytes(_: Path) -> list[bytes]:
    """Return sound shards in all forms of tar."""
    found = []
    for form in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w", format=form) as archive:
            long = "x" * (80 if form == tarfile.USTAR_FORMAT else 300)
            members = {"a.png": _image(), "a.cls": b"3", "b.json": b'{"label": 4}', "b.png": _image()}
            for name, content in {**members, f"{long}/c.png": _image()}.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        found.append(file.getvalue())
    return found


def image_parquet_bytes(folder: Path) -> list[bytes]:
    """Return sound Parquet files of images."""
    found = []
    for images in ([_image()] * 3, [{"bytes": _image(), "path": "x.png"}] * 3):
        table = pyarrow.table({"image": images, "label": [0, 1, 0]})
        pyarrow.parquet.write_table(table, folder / "images.parquet", row_group_size=2)
        found.append((folder / "images.parquet").read_bytes())
    return found


def verification_set_bytes(_: Path) -> list[bytes]:
    """Return sound verification sets in all protocols of pickle."""
    images = [bytes([number]) * 300 for number in range(20)]
    arrays = [np.frombuffer(image, np.uint8).reshape(-1, 1).copy() for image in images]
    mated = [number % 2 == 0 for number in range(10)]
    kinds = [(images, mated), (arrays, [np.bool_(one) for one in mated])]
    return [pickle.dumps(kind, protocol=protocol) for kind in kinds for protocol in (2, 3, 4, 5)]


def read_verification_set(path: Path) -> None:
    """Read all images of a verification set."""
    pairs = open_verification_set(path)
    for number in range(min(len(pairs.keys), 1000)):
        pairs.image(number)


def _protocol(name: str) -> Callable[[Path], None]:
    """Return a reader of one file of a protocol of templates, beside which the others are sound."""
    points = " ".join(["1.5"] * 10)
    sound = {
        "x_face_tid_mid.txt": "1.png 10 100\n2.png 11 101\n",
        "x_name_5pts_score.txt": f"1.png {points} 0.5\n2.png {points} 0.9\n",
    }

    def read(path: Path) -> None:
        meta = path.parent / f"protocol-{name}" / "meta"
        meta.mkdir(parents=True, exist_ok=True)
        for file, text in sound.items():
            (meta / file).write_text(text)
        (meta / name).write_bytes(path.read_bytes())
        read_protocol(meta.parent)

    return read


#: Readers of text: sound content and the reader of each.
TEXTS: dict[str, tuple[bytes, Callable[[Path], object]]] = {
    "ijb-images": (b"1.png 10 100\n2.png 11 101\n", _protocol("x_face_tid_mid.txt")),
    "ijb-points": (
        b"1.png 1 2 3 4 5 6 7 8 9 10 0.5\n2.png 1.5 2 3 4 5 6 7 8 9 1e1 0.9\n",
        _protocol("x_name_5pts_score.txt"),
    ),
    "ijb-pairs": (b"10 11 0\n10 10 1\n11 12 0\n", read_template_pairs),
    "ijb-people": (b"TEMPLATE_ID,SUBJECT_ID,FILENAME\n10,7,a.png\n10,7,b.png\n11,8,c.png\n", read_people),
    "films": (b"split, pair, first, second, same\n1, 1, A/0, A/1, 1\n2, 1, A/0, B/1, 0\n", read_film_pairs),
}
