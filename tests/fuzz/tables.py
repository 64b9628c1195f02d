"""Sound databases of templates, in every form that is read."""

import base64
import contextlib
import io
import json
import sqlite3
import struct
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet

from arcinvert.templates.table import read_templates


def saved(array: np.ndarray) -> bytes:
    """Return what `numpy.save` writes of an array."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


#: Tables of templates: an ordinary one, and those whose rows are in an index of one or two columns.
_TABLES = (
    "(identity TEXT, template BLOB)",
    "(number INTEGER PRIMARY KEY, template BLOB, identity TEXT) WITHOUT ROWID",
    "(number INTEGER, template, identity TEXT COLLATE NOCASE, PRIMARY KEY (identity, number)) WITHOUT ROWID",
)


def sqlite_bytes(folder: Path) -> list[bytes]:
    """Return databases of SQLite."""
    path = folder / "templates.db"
    rows = np.random.default_rng(0).normal(size=(3, 4)).astype("<f4")
    cells = [("p0", rows[0].tobytes()), ("p1", rows[1].tobytes()), ("p2", rows[2].tobytes())]
    texts = ["[1, 2, 3, 4.5]", "{1,2,3,4}", base64.b64encode(rows[0].tobytes()).decode(), saved(rows[1])]
    found = []
    for table in _TABLES:
        path.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(path)) as base:
            base.execute(f"CREATE TABLE templates {table}")
            names = ("number", "identity", "template") if "number" in table else ("identity", "template")
            values = [
                (number, *cell) for number, cell in enumerate(cells + [("cell", text) for text in texts])
            ]
            marks = ", ".join("?" * len(names))
            base.executemany(
                f"INSERT INTO templates ({', '.join(names)}) VALUES ({marks})",  # noqa: S608 - of constants
                [value[-len(names) :] for value in values],
            )
            base.commit()
        found.append(path.read_bytes())
    return found


def parquet_bytes(folder: Path) -> list[bytes]:
    """Return Parquet files."""
    rows = np.random.default_rng(0).normal(size=(3, 4)).tolist()
    cells = [np.array(row, dtype="<f4").tobytes() for row in rows]
    found = []
    for column in (rows, cells, [str(row) for row in rows]):
        table = pyarrow.table({"identity": ["a", "b", "c"], "template": column})
        pyarrow.parquet.write_table(table, folder / "templates.parquet")
        found.append((folder / "templates.parquet").read_bytes())
    return found


def npz_bytes(folder: Path) -> list[bytes]:
    """Return archives of NumPy."""
    rows = np.random.default_rng(0).normal(size=(3, 4))
    found = []
    for save in (np.savez, np.savez_compressed):
        save(folder / "templates.npz", embeddings=rows, names=np.array(["a", "b", "c"]))
        found.append((folder / "templates.npz").read_bytes())
    return found


def faiss_bytes(_: Path) -> list[bytes]:
    """Return flat indexes of FAISS."""
    vectors = np.random.default_rng(0).normal(size=(3, 4)).astype("<f4")
    header = struct.pack("<iqqq?i", 4, 3, 1 << 20, 1 << 20, True, 0)
    flat = b"IxFI" + header + struct.pack("<Q", vectors.size) + vectors.tobytes()
    return [flat, b"IxMp" + header + flat + struct.pack("<Qqqq", 3, 5, 6, 7)]


def text_bytes(_: Path) -> list[bytes]:
    """Return tables of text."""
    rows = np.random.default_rng(0).normal(size=(3, 4))
    listed, coded = rows.tolist(), [base64.b64encode(row.tobytes()).decode() for row in rows]
    tables = [
        "identity,template\n" + "".join(f'p{number},"{row}"\n' for number, row in enumerate(listed)),
        "".join(f"p{number};{row}\n" for number, row in enumerate(coded)),
        ",name,a,b,c,d\n" + "".join(f"0,p{n},{','.join(map(str, row))}\n" for n, row in enumerate(listed)),
        "".join(f"p {number}\t{row}\n" for number, row in enumerate(listed)),
    ]
    return [table.encode() for table in tables]


def json_bytes(_: Path) -> list[bytes]:
    """Return values of JSON."""
    rows = np.random.default_rng(0).normal(size=(3, 4)).tolist()
    records = [{"id": number, "payload": {"name": "Ann"}, "vector": row} for number, row in enumerate(rows)]
    values = [
        {"result": {"points": records}, "status": "ok"},
        {"ids": ["a", "b", "c"], "embeddings": rows, "metadatas": [{"name": "Ann"}] * 3},
        {"identity": {"0": "Ann", "1": "Bob"}, "template": {"0": rows[0], "1": rows[1]}},
        {"Ann": [rows[0], rows[1]], "Bob": {"embedding": rows[2]}},
        records[0],
    ]
    return [json.dumps(value).encode() for value in values]


def json_line_bytes(_: Path) -> list[bytes]:
    """Return records of JSON on lines."""
    rows = np.random.default_rng(0).normal(size=(3, 4)).tolist()
    lines = [{"_id": str(number), "_source": {"name": "Ann", "v": row}} for number, row in enumerate(rows)]
    return ["\n".join(json.dumps(line) for line in found).encode() for found in (lines, rows)]


def read_table(path: Path) -> None:
    """Read a database, without its unusable rows and with them."""
    read_templates(path, dim=4, skip=True)
    read_templates(path, dim=4)
