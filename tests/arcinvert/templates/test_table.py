"""Databases of templates: the three forms say the same; what cannot be used is refused."""

import json
import os
import sqlite3
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from arcinvert.templates.table import read_templates
from recognition.errors import InputError

DIM = 6
ROWS = np.random.default_rng(0).normal(size=(4, DIM))
NAMES = ("Ann", "Bob", "Ann", "O'Neill; DROP TABLE")


def write_npy(folder: Path) -> Path:
    np.save(folder / "t.npy", ROWS)
    (folder / "ids.txt").write_text("\n".join(NAMES))
    return folder / "t.npy"


def write_parquet(folder: Path) -> Path:
    table = pyarrow.table({"identity": list(NAMES), "template": ROWS.tolist()})
    pyarrow.parquet.write_table(table, folder / "t.parquet")
    return folder / "t.parquet"


def write_sqlite(folder: Path, form: str = "<f8") -> Path:
    values = [json.dumps(row.tolist()) if form == "json" else row.astype(form).tobytes() for row in ROWS]
    with sqlite3.connect(folder / "t.sqlite") as base:
        base.execute('CREATE TABLE "my templates" (who TEXT, "the template" BLOB)')
        base.executemany('INSERT INTO "my templates" VALUES (?, ?)', zip(NAMES, values, strict=True))
    base.close()
    return folder / "t.sqlite"


SQLITE = {"table": "my templates", "template_column": "the template", "id_column": "who"}


@pytest.mark.parametrize("form", ["npy", "parquet", "<f8", "<f4", "json"])
def test_every_form_says_the_same(form: str, tmp_path: Path) -> None:
    if form == "npy":
        table = read_templates(str(write_npy(tmp_path)), dim=DIM, ids=str(tmp_path / "ids.txt"))
    elif form == "parquet":
        table = read_templates(str(write_parquet(tmp_path)), dim=DIM)
    else:
        table = read_templates(str(write_sqlite(tmp_path, form)), dim=DIM, **SQLITE)
    assert table.identities == NAMES
    wanted = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    assert table.templates == pytest.approx(wanted.astype(np.float32), abs=1e-6)
    firsts = table.first_of_each()
    assert firsts.identities == ("Ann", "Bob", NAMES[3])
    assert np.array_equal(firsts.templates, table.templates[[0, 1, 3]])


def test_rows_without_identities_are_numbered(tmp_path: Path) -> None:
    table = read_templates(str(write_npy(tmp_path)), dim=DIM)
    assert table.identities == ("row 0", "row 1", "row 2", "row 3")


class Bomb:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def test_a_hostile_file_is_not_run(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.array([Bomb(tmp_path / "was-run")], dtype=object))
    with pytest.raises(InputError, match=r"expected a \.npy file of numbers"):
        read_templates(str(tmp_path / "t.npy"), dim=DIM)
    assert not (tmp_path / "was-run").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (np.ones((2, DIM + 1)), f"expected templates of {DIM} real numbers"),
        (np.ones((2, DIM), dtype=complex), "expected templates"),
        (np.zeros((2, DIM)), "finite, non-zero"),
        (np.full((2, DIM), np.nan), "finite, non-zero"),
        (np.zeros((0, DIM)), "at least one template"),
    ],
)
def test_unusable_arrays(content: np.ndarray, said: str, tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", content)
    with pytest.raises(InputError, match=said):
        read_templates(str(tmp_path / "t.npy"), dim=DIM)


def test_unusable_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_templates(str(tmp_path / "gone.npy"), dim=DIM)
    for name in ("t.csv", "t.npy", "t.parquet", "t.db"):
        (tmp_path / name).write_text("no database, but long enough to be one")
        with pytest.raises(InputError, match="expected"):
            read_templates(str(tmp_path / name), dim=DIM)
    ragged = pyarrow.table({"identity": ["a", "b"], "template": [[1.0], [1.0, 2.0]]})
    pyarrow.parquet.write_table(ragged, tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"row 0 \('a'\): expected a list of 6 numbers, got 1"):
        read_templates(str(tmp_path / "t.parquet"), dim=DIM)
    base = write_sqlite(tmp_path)
    with pytest.raises(InputError, match="table 'templates'"):
        read_templates(str(base), dim=DIM)
    with pytest.raises(InputError, match="48 bytes"):
        read_templates(str(base), dim=DIM + 1, **SQLITE)
    array = write_npy(tmp_path)
    (tmp_path / "ids.txt").write_text("Ann\nBob")
    with pytest.raises(InputError, match="an identity for each of 4 templates, got 2"):
        read_templates(str(array), dim=DIM, ids=str(tmp_path / "ids.txt"))
    with pytest.raises(InputError, match="--id-column"):
        read_templates(str(base), dim=DIM, ids=str(tmp_path / "ids.txt"), **SQLITE)
