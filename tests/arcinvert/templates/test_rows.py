"""Rows of databases of templates: unusable ones, their identities, and the order of their bytes."""

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from arcinvert.templates.table import read_templates
from recognition.errors import InputError
from recognition.vectors import decode_vector
from tests.arcinvert.templates.test_forms import DIM, FORMS, ROW, UNIT, write_parquet, write_sqlite

BAD: list[tuple[object, object]] = [
    ("Ann", FORMS["float32"]),
    ("Bob", None),
    (None, FORMS["float32"]),
    ("", FORMS["float32"]),
    ("Cat", FORMS["float32"]),
    ("Dan", bytes(4 * DIM)),
    ("Eve", FORMS["JSON"]),
    ("Fay", "[1, 2]"),
]


def lists(rows: list[tuple[object, object]]) -> list[tuple[object, Any]]:
    stored: dict[object, Any] = {None: None, "[1, 2]": [1.0, 2.0], bytes(4 * DIM): [0.0] * DIM}
    return [(name, stored.get(cell, ROW.tolist())) for name, cell in rows]


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: write_sqlite(folder / "t.db", BAD),
        lambda folder: write_parquet(folder / "t.parquet", lists(BAD)),
    ],
)
def test_rows_that_cannot_be_used(write: Callable[[Path], Path], tmp_path: Path) -> None:
    path = write(tmp_path)
    table = read_templates(path, dim=DIM, skip=True)
    assert table.identities == ("Ann", "Cat", "Eve")
    assert np.array_equal(table.templates, np.stack([UNIT] * 3))
    assert [(row.identity, row.place) for row in table.skipped] == [
        ("Bob", "row 1 ('Bob')"),
        ("row 2", "row 2"),
        ("row 3", "row 3"),
        ("Dan", "row 5 ('Dan')"),
        ("Fay", "row 7 ('Fay')"),
    ]
    assert [row.reason.partition(", got ")[2] for row in table.skipped] == [
        "NULL",
        "NULL",
        "an empty text",
        "another",
        "2",
    ]
    assert table.first_of_each().skipped == table.skipped
    with pytest.raises(InputError, match=r"row 1 \('Bob'\): expected a vector of 6 numbers, got NULL"):
        read_templates(path, dim=DIM)


def test_a_file_of_unusable_rows(tmp_path: Path) -> None:
    path = write_sqlite(tmp_path / "t.db", [("a", FORMS["JSON"])])
    with pytest.raises(InputError, match=r"got none \(row 0 \('a'\): expected a list of 7 numbers, got 6\)"):
        read_templates(path, dim=DIM + 1, skip=True)


def test_unusable_rows_of_an_array_keep_their_names_apart(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.stack([ROW, np.full(DIM, np.nan), ROW]))
    (tmp_path / "ids.txt").write_bytes("\ufeffAnn\nBob\nCat\n".encode())
    table = read_templates(tmp_path / "t.npy", dim=DIM, ids=tmp_path / "ids.txt", skip=True)
    assert table.identities == ("Ann", "Cat")
    assert [row.identity for row in table.skipped] == ["Bob"]
    (tmp_path / "ids.txt").write_text("Ann\nBob\n\n")
    table = read_templates(tmp_path / "t.npy", dim=DIM, ids=tmp_path / "ids.txt", skip=True)
    assert [row.reason for row in table.skipped][1] == "expected an identity, got an empty text"


def test_a_byte_order_mark_is_no_part_of_an_identity(tmp_path: Path) -> None:
    path = write_sqlite(
        tmp_path / "t.db", [("\ufeffAnn", FORMS["JSON"]), ("\ufeff", FORMS["JSON"]), (" ", FORMS["JSON"])]
    )
    table = read_templates(path, dim=DIM, skip=True)
    assert table.identities == ("Ann",)
    assert [row.reason for row in table.skipped] == ["expected an identity, got an empty text"] * 2


@pytest.mark.parametrize("kind", ["sqlite", "parquet", "parquet, a dictionary", "npz"])
def test_texts_that_are_no_utf_8_are_the_fault_of_their_rows(kind: str, tmp_path: Path) -> None:
    names, cells = [b"Ann", "José".encode("latin-1"), b"Cat", b"Dan"], [FORMS["JSON"]] * 4
    good = str(FORMS["JSON"]).encode()
    cells = [good, good, b"\xff\xfe41", good]
    if kind == "sqlite":
        path = tmp_path / "t.db"
        with sqlite3.connect(path) as base:
            base.execute("CREATE TABLE templates (identity TEXT, template TEXT)")
            base.executemany(
                "INSERT INTO templates VALUES (CAST(? AS TEXT), CAST(? AS TEXT))",
                zip(names, cells, strict=True),
            )
        base.close()
    elif kind == "npz":
        path = tmp_path / "t.npz"
        np.savez(path, names=np.array(names), emb=np.stack([ROW, ROW, np.zeros(DIM), ROW]))
    else:
        path = tmp_path / "t.parquet"
        texts = [pyarrow.array(values, pyarrow.binary()).view(pyarrow.string()) for values in (names, cells)]
        if kind.endswith("dictionary"):
            texts = [column.dictionary_encode() for column in texts]
        table = pyarrow.table(dict(zip(("identity", "template"), texts, strict=True)))
        pyarrow.parquet.write_table(table, path)
    table = read_templates(path, dim=DIM, skip=True)
    assert table.identities == ("Ann", "Dan")
    assert [row.place for row in table.skipped] == ["row 1", "row 2 ('Cat')"]
    assert table.skipped[0].reason == "expected identities in UTF-8, got the bytes b'Jos\\xe9'"
    if kind != "npz":
        assert table.skipped[1].reason.startswith("expected a text in UTF-8, got other bytes; store numbers")
    with pytest.raises(InputError, match=r"row 1: expected identities in UTF-8, got the bytes b'Jos"):
        read_templates(path, dim=DIM)


def test_a_row_that_sqlite_cannot_read_is_no_missing_column(tmp_path: Path) -> None:
    path = write_sqlite(tmp_path / "t.db", [("a", FORMS["JSON"]), ("b", bytes(17 << 20))])
    with pytest.raises(InputError, match=r"expected rows that can be read, got others in 'templates' .*big"):
        read_templates(path, dim=DIM)


def test_numbers_of_either_order_of_bytes_and_bfloat16() -> None:
    rows = np.random.default_rng(0).normal(size=(200, 64))
    for scale, kinds in ((0.04, "f2 f4 f8"), (1, "f2 f4 f8"), (300, "f4 f8")):
        for kind in kinds.split():
            for order in "<>":
                for row in (scale * rows).astype(order + kind):
                    assert np.array_equal(decode_vector(row.tobytes(), 64), row)
    for scale in (0.04, 1, 300):
        for order in "<>":
            for row in (scale * rows).astype("<f4"):
                # The upper half of a float32 number is a bfloat16 number.
                halves = row.view("<u4") >> 16
                exact = (halves << 16).view("<f4")
                assert np.array_equal(decode_vector(halves.astype(f"{order}u2").tobytes(), 64), exact)
    # Without negative numbers and with zeros, as after a ReLU.
    row = np.maximum(rows[0], 0).astype("<f4")
    halves = row.view("<u4") >> 16
    assert np.array_equal(
        decode_vector(halves.astype("<u2").tobytes(), 64), (halves << 16).astype("<u4").view("<f4")
    )
    assert np.array_equal(decode_vector(row.astype("<f2").tobytes(), 64), row.astype("<f2"))
    # A number of a template that is damaged does not make it one of the other order.
    damaged = rows[0].astype("<f4")
    damaged[5] = np.nan
    assert np.array_equal(decode_vector(damaged.tobytes(), 64), damaged, equal_nan=True)
