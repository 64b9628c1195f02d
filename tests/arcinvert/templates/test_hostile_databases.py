"""Databases of templates that were made to hang, to fill the memory, or to run what they like."""

# ruff: noqa: S608 - the statements are made of constants
import json
import os
import pickle
import resource
import signal
import sqlite3
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from arcinvert.templates import parquet as parquet_reader
from arcinvert.templates import sqlite as sqlite_reader
from arcinvert.templates.table import read_templates
from recognition.data.parquet_pages import largest_page
from recognition.errors import InputError

DIM = 6
GOOD = np.arange(1, DIM + 1, dtype="<f4").tobytes()
ENDLESS = (
    "CREATE VIEW templates AS WITH RECURSIVE endless(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM endless) "
    "SELECT n AS identity, randomblob(24) AS template FROM endless ORDER BY template"
)


def database(path: Path, *statements: str) -> Path:
    with sqlite3.connect(path) as base:
        for statement in statements:
            base.execute(statement)
    base.close()
    return path


@pytest.fixture(autouse=True)
def little_memory() -> Any:
    """Let a test take 1.5 GiB more than the process has: a file of kilobytes that takes more fails."""
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (3 << 29), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        ((ENDLESS,), "view or virtual"),
        (("CREATE VIEW templates AS SELECT 'a' AS identity, hex(zeroblob(450000000)) AS template",), "view"),
        (("CREATE VIRTUAL TABLE templates USING fts5(identity, template)",), "view or virtual"),
        (
            (
                "CREATE TABLE templates (identity TEXT, n, template AS (hex(zeroblob(450000000))))",
                "INSERT INTO templates (identity) VALUES ('a')",
            ),
            "'template', which is a generated column",
        ),
        (
            (
                "CREATE TABLE templates (template BLOB, identity AS (hex(zeroblob(450000000))) STORED)",
                "PRAGMA user_version = 1",
            ),
            "'identity', which is a generated column",
        ),
        (
            ("CREATE TABLE templates (template BLOB)",),
            "expected the column 'identity' in 'templates', got 'template'; ch",
        ),
        (
            (
                "CREATE TABLE templates (identity TEXT, template BLOB)",
                "INSERT INTO templates VALUES ('a', zeroblob(20000000))",
            ),
            "too big",
        ),
        (
            (
                "CREATE TABLE templates (identity TEXT, template BLOB)",
                f"INSERT INTO templates VALUES (NULL, x'{GOOD.hex()}')",
            ),
            "row 0: expected an identity, got NULL",
        ),
        (
            (
                "CREATE TABLE templates (identity TEXT, template BLOB)",
                f"INSERT INTO templates VALUES ('{'a' * 2000}', x'{GOOD.hex()}')",
            ),
            "at most 1000 characters",
        ),
    ],
)
def test_only_stored_cells_are_read(statements: tuple[str, ...], said: str, tmp_path: Path) -> None:
    base = database(tmp_path / "t.db", *statements)
    before = base.read_bytes()
    with pytest.raises(InputError, match=said):
        read_templates(base, dim=DIM)
    assert base.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["t.db"]


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ('{"a": 1}', "got an object with 0 lists"),
        ('{"a": [1], "b": [2]}', "got an object with 2 lists"),
        ("[" * 100_000, "got a text of 100,000 characters"),
        ("[" * 1000, "expected a vector of 6 numbers"),
        ("[" + "1" * 400 + ", 2, 3, 4, 5, 6]", "finite, non-zero"),
        ("[" + "1" * 5000 + "]", "got a text of 5,002 characters"),
        ("[true, 2, 3, 4, 5, 6]", "got true or false in it"),
        ('["1", 2, 3, 4, 5, 6]', "got a text in it"),
        ("[[1], 2, 3, 4, 5, 6]", "got a list in it"),
        ("[[1, 2, 3, 4, 5, 6], [1, 2, 3, 4, 5, 6]]", "list of 6 numbers, got 2"),
        ("[1, 2, 3, 4, 5]", "list of 6 numbers, got 5"),
        ("[1, 2, 3, 4, 5, 6" + " " * 100_000 + "]", "got a text of 100,018 characters"),
        ("[0, 0, 0, 0, 0, 0]", "finite, non-zero"),
        ("null", "got null"),
        ("7", "got a number"),
        ("", "list of 6 numbers, got 0"),
        ("1_0 2 3 4 5 6", "as JSON, with commas between them, or in base64"),
        ("no template at all", "as JSON, with commas between them, or in base64"),
        (None, "got NULL"),
        (1.5, "got a single float"),
        (b"", "list of 6 numbers, got 0"),
        (bytes(7), "or float64 numbers .12, 24 or 48 bytes., got 7 bytes"),
        (pickle.dumps([1.0] * 6), "got a pickle"),
    ],
)
def test_cells_without_a_template(cell: object, said: str, tmp_path: Path) -> None:
    base = database(tmp_path / "t.db", "CREATE TABLE templates (identity TEXT, template)")
    with sqlite3.connect(base) as connection:
        connection.execute("INSERT INTO templates VALUES ('a', ?)", (cell,))
    connection.close()
    with pytest.raises(InputError, match=rf"row 0 \('a'\): .*{said}"):
        read_templates(base, dim=DIM)


def test_rows_come_in_the_tables_order_whatever_its_indexes(tmp_path: Path) -> None:
    names = ["d", "a", "c", "b"]
    base = database(
        tmp_path / "t.db",
        "CREATE TABLE Templates (Identity TEXT, template BLOB, more TEXT)",
        "CREATE INDEX sorted ON templates (identity, template)",
        *(f"INSERT INTO templates VALUES ('{name}', x'{GOOD.hex()}', '')" for name in names),
    )
    assert read_templates(base, dim=DIM).identities == tuple(names)
    other = database(
        tmp_path / "u.db",
        "CREATE TABLE templates (identity INTEGER PRIMARY KEY, template BLOB) WITHOUT ROWID",
        *(f"INSERT INTO templates VALUES ({number}, x'{GOOD.hex()}')" for number in (3, 1, 2)),
    )
    assert read_templates(other, dim=DIM).identities == ("1", "2", "3")


def test_a_table_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = database(tmp_path / "t.db", "CREATE TABLE templates (identity TEXT, template BLOB)")
    with sqlite3.connect(base) as connection:
        connection.executemany("INSERT INTO templates VALUES (?, ?)", [("a", GOOD)] * 20_000)
    connection.close()
    assert len(read_templates(base, dim=DIM).identities) == 20_000
    monkeypatch.setattr(sqlite_reader, "_DEADLINE", 0.0)
    with pytest.raises(InputError, match="takes more than 0 seconds"):
        read_templates(base, dim=DIM)


def test_a_table_with_more_data_than_bytes(tmp_path: Path) -> None:
    base = database(tmp_path / "t.db", "CREATE TABLE templates (identity TEXT, template BLOB)")
    with sqlite3.connect(base) as connection:
        connection.executemany("INSERT INTO templates VALUES (?, ?)", [("a", GOOD * 20)] * 2000)
    connection.close()
    data = bytearray(base.read_bytes())
    # All entries of the table's root point to its first leaf: the same rows again and again.
    size = int.from_bytes(data[16:18], "big")
    root = 1 * size
    assert data[root] == 5
    cells = int.from_bytes(data[root + 3 : root + 5], "big")
    pointers = [
        root + int.from_bytes(data[at : at + 2], "big") for at in range(root + 12, root + 12 + 2 * cells, 2)
    ]
    first = bytes(data[pointers[0] : pointers[0] + 4])
    for at in pointers:
        data[at : at + 4] = first
    base.write_bytes(bytes(data[: 4 * size]))
    with pytest.raises(InputError, match=r"more templates than bytes|malformed"):
        read_templates(base, dim=DIM * 20)


def test_a_database_that_is_being_written(tmp_path: Path) -> None:
    base = database(
        tmp_path / "t.db",
        "CREATE TABLE templates (identity TEXT, template BLOB)",
        f"INSERT INTO templates VALUES ('a', x'{GOOD.hex()}')",
    )
    (tmp_path / "t.db-wal").write_bytes(b"pages that are not in the database yet")
    with pytest.raises(InputError, match="expected a database that is closed"):
        read_templates(base, dim=DIM)


@pytest.mark.skipif(os.name == "nt", reason="signals are of POSIX")
def test_ctrl_c_ends_the_reading(tmp_path: Path) -> None:
    base = database(tmp_path / "t.db", "CREATE TABLE templates (identity TEXT, template BLOB)")
    with sqlite3.connect(base) as connection:
        connection.executemany("INSERT INTO templates VALUES (?, ?)", [("a", GOOD)] * 1000)
    connection.close()
    program = (
        "import signal\nfrom pathlib import Path\nfrom arcinvert.templates import sqlite\n"
        # Jobs in the background ignore Ctrl-C, and so do the processes that they start.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        # An endless query in the place of the table's, as in a database that SQLite works on for long.
        "sqlite._blocks = lambda path, cursor, dim, clock: cursor.connection.execute(\n"
        "    'WITH RECURSIVE e(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM e) '\n"
        "    'SELECT max(n) FROM e').fetchall()\n"
        f"rows = sqlite.read_sqlite(Path({str(base)!r}), {DIM}, table='templates', "
        "template_column='template', id_column='identity')\n"
        "print('reading', flush=True)\n"
        "try:\n    list(rows)\nexcept KeyboardInterrupt:\n    print('interrupted')\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout is not None
        assert reader.stdout.readline() == "reading\n"
        signal.sigtimedwait([], 0.5)
        reader.send_signal(signal.SIGINT)
        assert reader.communicate(timeout=15)[0] == "interrupted\n"


def parquet(path: Path, identity: Any, template: Any, **options: Any) -> Path:
    pyarrow.parquet.write_table(pyarrow.table({"identity": identity, "template": template}), path, **options)
    return path


def test_a_small_file_of_a_million_rows(tmp_path: Path) -> None:
    dim, rows = 256, 1_000_000
    # Batches of one value each: the writer needs little memory, as its reader must.
    values = pyarrow.FixedSizeListArray.from_arrays(
        pyarrow.repeat(pyarrow.scalar(1, "float"), dim * 1000), dim
    )
    ids = pyarrow.repeat("a", 1000)
    schema = pyarrow.schema({"identity": pyarrow.string(), "template": values.type})
    batch = pyarrow.record_batch([ids, values], schema=schema)
    with pyarrow.parquet.ParquetWriter(tmp_path / "t.parquet", schema, compression="zstd") as writer:
        table = pyarrow.Table.from_batches([batch] * 100)
        for _ in range(rows // 100_000):
            writer.write_table(table)
    assert (tmp_path / "t.parquet").stat().st_size < 1 << 20
    with pytest.raises(InputError, match="templates in a file of this size, got 1,000,000"):
        read_templates(tmp_path / "t.parquet", dim=dim)


@pytest.mark.parametrize(
    ("identity", "template", "said"),
    [
        (
            [datetime(2020, 1, 1)],
            [[1.0] * DIM],
            "expected texts or whole numbers in 'identity', got timestamp",
        ),
        ([b"a"], [[1.0] * DIM], "got binary"),
        ([None], [[1.0] * DIM], "got null"),
        (["a"], [["1"] * DIM], "expected lists of numbers"),
        (["a"], [datetime(2020, 1, 1)], "expected lists of numbers"),
        (["a"], [None], "expected lists of numbers"),
        (["a", "b"], [[1.0] * DIM, None], r"row 1 \('b'\): expected a vector of 6 numbers, got NULL"),
        (
            ["a"],
            [[1.0, None, 1.0, 1.0, 1.0, 1.0]],
            r"row 0 \('a'\): expected a list of 6 numbers, got null in it",
        ),
        (["a"], [[1.0] * (DIM + 1)], "7 numbers in 1 rows"),
        (["a"], [[1.0] * (DIM - 1)], "got 5"),
        (["a", None], [[1.0] * DIM] * 2, "row 1: expected an identity, got NULL"),
    ],
)
def test_parquet_of_other_types(identity: Any, template: Any, said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        read_templates(parquet(tmp_path / "t.parquet", identity, template), dim=DIM)


@pytest.mark.parametrize("options", [{}, {"use_dictionary": False}, {"data_page_version": "2.0"}])
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_the_largest_page_of_parquet_is_known(options: Any, compression: str, tmp_path: Path) -> None:
    """Uncompressed columns end where their pages end, and the sizes are those that the metadata adds up."""
    rows = np.random.default_rng(0).normal(size=(3000, DIM)).astype(np.float32)
    path = parquet(
        tmp_path / "t.parquet",
        [f"name {number}" for number in range(3000)],
        rows.tolist(),
        compression=compression,
        data_page_size=4096,
        **options,
    )
    metadata = pyarrow.parquet.ParquetFile(path).metadata
    assert len(read_templates(path, dim=DIM).templates) == 3000
    for number in range(2):
        column = metadata.row_group(0).column(number)
        begin = column.dictionary_page_offset or column.data_page_offset
        with path.open("rb") as file:
            largest = largest_page(file, [(begin, column.total_compressed_size)])
            assert 0 < largest < column.total_uncompressed_size
            with pytest.raises(ValueError, match=r"page|type|nested|bytes"):
                largest_page(file, [(0, path.stat().st_size)])


def test_parquet_whose_pages_are_larger_than_its_rows_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page's header decides what its reader allocates, and not the number of rows."""
    path = parquet(tmp_path / "t.parquet", ["a"] * 9000, [[1.0] * DIM] * 9000, use_dictionary=False)
    assert len(read_templates(path, dim=DIM).templates) == 9000
    monkeypatch.setattr(parquet_reader, "MAX_PAGE", 1000)
    with pytest.raises(
        InputError, match=r"t\.parquet: expected pages of at most .* got one of \d+,\d{3}; write"
    ):
        read_templates(path, dim=DIM)


def test_parquet_columns_that_are_not_asked_for_are_not_read(tmp_path: Path) -> None:
    far = pyarrow.array([2**62], pyarrow.timestamp("us"))
    table = pyarrow.table({"identity": ["a"], "template": [[1.0] * DIM], "when": far})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet", version="2.6")
    assert read_templates(tmp_path / "t.parquet", dim=DIM).identities == ("a",)


def npy(header: str) -> bytes:
    text = header.encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(64)


@pytest.mark.parametrize(
    "content",
    [
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 6), }"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 6), }"),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1, 6), }"),
        npy("{'descr': '<U1000000000', 'fortran_order': False, 'shape': (1, 6), }"),
        npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 6), }"),
        npy("(" * 100),
        b"\x93NUMPY\x03\x00" + (2**32 - 1).to_bytes(4, "little") + b"(" * 100,
        b"PK\x03\x04" + bytes(100),
        b"",
    ],
)
def test_npy_headers(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "t.npy").write_bytes(content)
    with pytest.raises(InputError, match=r"expected (a \.npy file of numbers|templates of 6 real numbers)"):
        read_templates(tmp_path / "t.npy", dim=DIM)


@pytest.mark.parametrize("name", ["t.npy", "t.parquet", "t.db"])
def test_pipes_are_refused(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match="got a pipe or a device"):
        read_templates(tmp_path / name, dim=DIM)


def test_identities_of_a_text_file_are_its_lines(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.ones((2, DIM)))
    (tmp_path / "ids.txt").write_bytes("Ann\u2028Able\r\nBob\x0bBaker\n".encode())
    table = read_templates(tmp_path / "t.npy", dim=DIM, ids=tmp_path / "ids.txt")
    assert table.identities == ("Ann\u2028Able", "Bob\x0bBaker")
    assert json.dumps(table.identities)
