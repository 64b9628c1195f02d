"""The forms in which projects store templates: cells, archives, indexes, rows that cannot be used."""

import base64
import io
import json
import sqlite3
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from arcinvert.templates.table import read_templates
from recognition.errors import InputError
from recognition.vectors import decode_vector

DIM = 6
ROW = np.array([0.5, -0.25, 1.5, 2.0, -3.0, 0.125])
UNIT = (ROW / np.linalg.norm(ROW)).astype(np.float32)


def saved(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


#: One template as projects store it; every number is exact in float16.
FORMS: dict[str, bytes | str] = {
    "float16": ROW.astype("<f2").tobytes(),
    "float32": ROW.astype("<f4").tobytes(),
    "float64": ROW.astype("<f8").tobytes(),
    "numpy.save": saved(ROW.astype(np.float32)),
    "numpy.save of a batch": saved(ROW[None]),
    "numpy.save of float16, big-endian": saved(ROW.astype(">f2")),
    "numpy.save in Fortran's order": saved(np.asfortranarray(ROW[:, None])),
    "JSON": json.dumps(ROW.tolist()),
    "JSON bytes": json.dumps(ROW.tolist()).encode(),
    "JSON in a list": json.dumps([ROW.tolist()]),
    "JSON of an object": json.dumps({"model": "arcface", "embedding": ROW.tolist()}),
    "JSON of an object with other lists": json.dumps({"embedding": ROW.tolist(), "bbox": [1, 2, 30, 40]}),
    "JSON of a list of an object": json.dumps([{"embedding": ROW.tolist(), "area": {"x": 1, "eye": [2, 3]}}]),
    "JSON of an object in an object": json.dumps({"data": {"embedding": [ROW.tolist()]}, "tags": []}),
    "JSON bytes with a byte order mark": b"\xef\xbb\xbf" + json.dumps(ROW.tolist()).encode(),
    "JSON bytes with other letters": json.dumps(
        {"name": "José", "embedding": ROW.tolist()}, ensure_ascii=False
    ).encode(),
    "JSON of an object with base64": json.dumps(
        {"name": "Ann", "box": [1, 2], "embedding": base64.b64encode(ROW.astype("<f4").tobytes()).decode()}
    ),
    "JSON of base64": json.dumps(base64.b64encode(ROW.astype("<f4").tobytes()).decode()),
    "big-endian float16": ROW.astype(">f2").tobytes(),
    "big-endian float32": ROW.astype(">f4").tobytes(),
    "big-endian float64": ROW.astype(">f8").tobytes(),
    "base64 in lines": base64.encodebytes(saved(ROW)).decode(),
    "base64 in lines, bytes": base64.encodebytes(ROW.astype("<f8").tobytes()).replace(b"\n", b"\r\n"),
    "hexadecimal digits": ROW.astype("<f4").tobytes().hex().upper(),
    "hexadecimal digits with 0x": "0x" + ROW.astype("<f8").tobytes().hex(),
    "commas with one at the end": "0.5,-0.25,1.5,2,-3,.125,",
    "lines": "0.5\n-0.25\n1.5\n2\n-3\n0.125\n",
    "base64 of float32": base64.b64encode(ROW.astype("<f4").tobytes()).decode(),
    "base64 of numpy.save": base64.b64encode(saved(ROW)),
    "base64 for addresses": base64.urlsafe_b64encode(ROW.astype("<f8").tobytes()).decode().rstrip("="),
    "bytea": "\\x" + ROW.astype("<f4").tobytes().hex(),
    "commas": "0.5,-0.25,1.5,2,-3,.125",
    "commas in as many bytes as float32": b"+.5,-.25,1.5,2,-3,0.1250",
    "pgvector": "[0.5,-0.25,1.5,2,-3,0.125]",
    "PostgreSQL's array": "{0.5,-0.25,1.5,2,-3,0.125}",
    "Python's tuple": str(tuple(ROW.tolist())),
    "numpy's print": str(ROW),
    "byte order mark": "\ufeff0.5; -0.25; 1.5; 2; -3; 1.25e-1",
}


@pytest.mark.parametrize("form", FORMS)
def test_a_cell_in_every_form(form: str) -> None:
    assert decode_vector(FORMS[form], DIM).tolist() == ROW.tolist()


def test_as_many_bytes_of_text_as_of_numbers() -> None:
    assert len(FORMS["commas in as many bytes as float32"]) == 4 * DIM


def write_sqlite(
    path: Path, rows: list[tuple[object, object]], definition: str = "(identity, template)"
) -> Path:
    with sqlite3.connect(path) as base:
        base.execute(f"CREATE TABLE templates {definition}")
        base.executemany("INSERT INTO templates (identity, template) VALUES (?, ?)", rows)
    base.close()
    return path


def write_parquet(path: Path, rows: list[tuple[Any, Any]], kind: Any = None) -> Path:
    names, templates = zip(*rows, strict=True)
    table = pyarrow.table({"identity": list(names), "template": pyarrow.array(templates, kind)})
    pyarrow.parquet.write_table(table, path)
    return path


def test_cells_of_sqlite(tmp_path: Path) -> None:
    table = read_templates(write_sqlite(tmp_path / "t.db", list(FORMS.items())), dim=DIM)
    assert table.identities == tuple(FORMS)
    assert np.array_equal(table.templates, np.stack([UNIT] * len(FORMS)))


def test_a_table_without_row_numbers(tmp_path: Path) -> None:
    rows = [("c", FORMS["JSON"]), ("a", FORMS["float32"]), ("b", FORMS["float64"])]
    path = write_sqlite(tmp_path / "t.db", rows, "(template, identity PRIMARY KEY) WITHOUT ROWID")
    table = read_templates(path, dim=DIM)
    assert table.identities == ("a", "b", "c")
    assert np.array_equal(table.templates, np.stack([UNIT] * 3))


BYTES = [(name, cell) for name, cell in FORMS.items() if isinstance(cell, bytes)]
TEXTS = [(name, cell) for name, cell in FORMS.items() if isinstance(cell, str)]


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        (BYTES, pyarrow.binary()),
        (BYTES, pyarrow.large_binary()),
        (TEXTS, pyarrow.string()),
        (TEXTS, pyarrow.large_string()),
        (TEXTS * 20, pyarrow.dictionary(pyarrow.int32(), pyarrow.string())),
        ([("a", FORMS["float32"])], pyarrow.binary(4 * DIM)),
        ([("a", ROW.tolist())] * 2, pyarrow.list_(pyarrow.float32())),
        ([("a", ROW.tolist())] * 2, pyarrow.list_(pyarrow.float32(), DIM)),
        ([("a", ROW.astype(np.float16))] * 2, pyarrow.list_(pyarrow.float16())),
        ([("a", [ROW.tolist()])], pyarrow.list_(pyarrow.list_(pyarrow.float64()))),
    ],
)
def test_columns_of_parquet(rows: list[tuple[str, Any]], kind: Any, tmp_path: Path) -> None:
    table = read_templates(write_parquet(tmp_path / "t.parquet", rows, kind), dim=DIM)
    assert table.identities == tuple(name for name, _ in rows)
    assert np.array_equal(table.templates, np.stack([UNIT] * len(rows)))


ROWS = np.stack([ROW, 2 * ROW, -ROW])


@pytest.mark.parametrize(
    ("arrays", "columns", "identities"),
    [
        ({"embeddings": ROWS}, {}, ("row 0", "row 1", "row 2")),
        ({"embeddings": ROWS, "names": np.array(["a", "b", "ö"])}, {}, ("a", "b", "ö")),
        ({"embeddings": ROWS, "names": np.array(["a", "b", "ö".encode()], dtype="S")}, {}, ("a", "b", "ö")),
        ({"arr_0": ROWS.astype(np.float16), "arr_1": np.array([3, 1, 2])}, {}, ("3", "1", "2")),
        ({"emb": ROWS, "Person_IDs": np.array([3, 1, 2]), "age": np.arange(3)}, {}, ("3", "1", "2")),
        ({"emb": ROWS, "info": np.array({"by": "Ann"}, dtype=object)}, {}, ("row 0", "row 1", "row 2")),
        ({"template": ROWS, "other": ROWS, "more": np.ones(3)}, {}, ("row 0", "row 1", "row 2")),
        (
            {"a": ROWS, "b": np.ones((3, DIM)), "c": np.arange(3), "d": np.array(["x", "y", "z"])},
            {"template_column": "a", "id_column": "d"},
            ("x", "y", "z"),
        ),
    ],
)
def test_archives(
    arrays: dict[str, np.ndarray], columns: dict[str, str], identities: tuple[str, ...], tmp_path: Path
) -> None:
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "t.npz", **arrays)  # type: ignore[arg-type]
        table = read_templates(tmp_path / "t.npz", dim=DIM, **columns)  # type: ignore[arg-type]
        assert table.identities == identities
        assert np.array_equal(table.templates, np.stack([UNIT, UNIT, -UNIT]))


def test_identities_of_a_text_file_go_before_those_of_an_archive(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", emb=ROWS, quality=np.array([90, 80, 90]), names=np.array(["a", "b", "c"]))
    (tmp_path / "ids.txt").write_text("Ann\nBob\nCat\n")
    table = read_templates(tmp_path / "t.npz", dim=DIM, ids=tmp_path / "ids.txt")
    assert table.identities == ("Ann", "Bob", "Cat")


def test_as_many_templates_as_dimensions(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", emb=np.eye(DIM), labels=np.arange(DIM))
    assert read_templates(tmp_path / "t.npz", dim=DIM).identities == tuple("012345")


def archive(path: Path, *members: tuple[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (
            [("a.npy", saved(ROWS)), ("b.npy", saved(ROWS))],
            "one array of templates of 6 numbers, got 'a' float64",
        ),
        (
            [("a.npy", saved(ROWS)), ("b.npy", saved([1, 2, 3])), ("c.npy", saved([1, 2, 3]))],
            "expected 3 identities in 'identity', got 'b' int64 .3,., 'c' int64 .3,., which may be anything",
        ),
        (
            [("emb.npy", saved(ROWS)), ("quality.npy", saved([90, 80, 90]))],
            "got 'quality' int64 .3,., which may be anything; name the identities with --id-column",
        ),
        (
            [("emb.npy", saved(ROWS)), ("dates.npy", saved(["1.1.", "2.1.", "1.1."]))],
            "got 'dates' <U4 .3,., which may be anything",
        ),
        (
            [("emb.npy", saved(ROWS)), ("id.npy", saved([1, 2, 3])), ("labels.npy", saved([1, 2, 3]))],
            "one array of 3 identities, got 'id' int64",
        ),
        (
            [("emb.npy", saved(ROWS)), ("names.npy", saved(np.array(["a", "b", "c"], dtype=object)))],
            "'names': expected numbers, got pickled objects, which are never read",
        ),
        (
            [("template.npy", saved(np.array([None]))), ("b.npy", saved(ROWS))],
            "'template': expected numbers, got pickled objects",
        ),
        ([("a.npy", saved(np.ones((3, DIM + 1))))], r"got 'a' float64 \(3, 7\); check --model"),
        ([("template.npy", saved(np.ones(3)))], r"got 'template' float64 \(3,\)"),
        ([("a.npy", saved(np.array([None])))], "pickled objects, which are never read"),
        ([("a.npy", saved(ROWS)[:-8])], "as its header says, got 136 bytes"),
        ([("a.npy", b"\x93NUMPY\x01\x00\xff\xff")], "got damaged ones"),
        ([("a.txt", b"")], "got no array"),
        ([(f"{number}.npy", b"") for number in range(1001)], "at most 1,000 arrays"),
    ],
)
def test_unusable_archives(members: list[tuple[str, bytes]], said: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=said):
        read_templates(archive(tmp_path / "t.npz", *members), dim=DIM)


def test_an_archive_that_says_it_is_large(tmp_path: Path) -> None:
    path = archive(tmp_path / "t.npz", ("a.npy", saved(ROWS)))
    data = bytearray(path.read_bytes())
    # The size of the member in the archive's directory.
    at = data.index(b"PK\x01\x02") + 24
    data[at : at + 4] = (1 << 30).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match="bytes of templates in a file of this size, got 1,073,741,824"):
        read_templates(path, dim=DIM)


@pytest.mark.parametrize(("code", "said"), [(0x110000, "got damaged ones"), (0xD800, "half a character")])
def test_characters_that_are_none(code: int, said: str, tmp_path: Path) -> None:
    names = np.array([code, ord("b"), ord("c")], dtype="<u4").view("<U1")
    np.savez(tmp_path / "t.npz", embeddings=ROWS, names=names)
    with pytest.raises(InputError, match=said):
        read_templates(tmp_path / "t.npz", dim=DIM)


#: What faiss.write_index of FAISS 1.15.1 writes of the vectors (1, 2, 3) and (4, 5, 6).
_VECTORS = "06000000000000000000803f0000004000004040000080400000a0400000c040"
_SIZE = "0300000002000000000000000000100000000000000010000000000001"
FLAT = {
    "IndexFlatIP": f"49784649{_SIZE}00000000{_VECTORS}",
    "IndexFlatL2": f"49784632{_SIZE}01000000{_VECTORS}",
    "IndexFlat of L1": f"4978466c{_SIZE}0200000000000000{_VECTORS}",
    "IndexFlat of Lp": f"4978466c{_SIZE}0400000000004040{_VECTORS}",
}
_IDS = "020000000000000007000000000000000000000000010000"
WITH_IDS = {
    "IndexIDMap": f"49784d70{_SIZE}00000000{FLAT['IndexFlatIP']}{_IDS}",
    "IndexIDMap2": f"49784d32{_SIZE}01000000{FLAT['IndexFlatL2']}{_IDS}",
}


@pytest.mark.parametrize("kind", [*FLAT, *WITH_IDS])
def test_flat_indexes_of_faiss(kind: str, tmp_path: Path) -> None:
    (tmp_path / "t.faiss").write_bytes(bytes.fromhex((FLAT | WITH_IDS)[kind]))
    table = read_templates(tmp_path / "t.faiss", dim=3)
    assert table.identities == (("7", str(1 << 40)) if kind in WITH_IDS else ("row 0", "row 1"))
    rows = np.array([[1, 2, 3], [4, 5, 6]]) / np.sqrt([[14], [77]])
    assert table.templates == pytest.approx(rows, abs=1e-7)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"IxFI", "it ends too early"),
        (bytes.fromhex(FLAT["IndexFlatIP"])[:-1], "it ends too early"),
        (
            bytes.fromhex(FLAT["IndexFlatIP"].replace("06000000", "05000000")),
            "it has 5 numbers for 2 vectors",
        ),
        (bytes.fromhex(WITH_IDS["IndexIDMap"].replace(_IDS, "01" + _IDS[2:])), "it has 1 identities for 2"),
        (b"IHNf" + bytes(100), r"expected a flat index .* got b'IHNf'; save its vectors with numpy\.save"),
    ],
)
def test_unusable_indexes(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "t.index").write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_templates(tmp_path / "t.index", dim=3)


def test_what_a_database_has_is_listed_where_its_parts_have_other_names(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "t.db") as base:
        base.execute("CREATE TABLE faces (name, embedding)")
    base.close()
    with pytest.raises(InputError, match=r"table 'templates', .* got 'faces'; choose with --table$"):
        read_templates(tmp_path / "t.db", dim=DIM)
    pyarrow.parquet.write_table(
        pyarrow.table({"name": ["a"], "embedding": [ROW.tolist()]}), tmp_path / "t.parquet"
    )
    message = (
        r"one column 'template', got 'name', 'embedding'; choose with --template-column and --id-column$"
    )
    with pytest.raises(InputError, match=message):
        read_templates(tmp_path / "t.parquet", dim=DIM)
    table = read_templates(tmp_path / "t.parquet", dim=DIM, template_column="embedding", id_column="name")
    assert (table.identities, table.templates.tolist()) == (("a",), [UNIT.tolist()])


@pytest.mark.parametrize("ending", [".xlsx", ".pkl", ".h5", ""])
def test_other_databases_are_refused_with_what_to_do(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"t{ending}"
    path.write_text("a,1,2,3,4,5,6\n")
    with pytest.raises(
        InputError, match=r"expected a database that ends in one of \.npy, .*; save them as \.npy"
    ):
        read_templates(path, dim=DIM)


def test_identities_as_views_of_texts(tmp_path: Path) -> None:
    names = pyarrow.array(["a", "a name of more than twelve bytes"], pyarrow.string_view())
    table = pyarrow.table({"identity": names, "template": [ROW.tolist()] * 2})
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    assert read_templates(tmp_path / "t.parquet", dim=DIM).identities == tuple(names.to_pylist())


@pytest.mark.parametrize("labels", [np.arange(3.0), np.arange(3)[:, None]])
def test_labels_that_are_no_whole_numbers_are_no_rows_without_identities(
    labels: np.ndarray, tmp_path: Path
) -> None:
    np.savez(tmp_path / "t.npz", embeddings=np.stack([ROW] * 3), labels=labels)
    message = r"3 identities as texts or whole numbers, \(3,\), got 'labels' .*; save them so, or .* --ids"
    with pytest.raises(InputError, match=message):
        read_templates(tmp_path / "t.npz", dim=DIM)
    (tmp_path / "ids.txt").write_text("a\nb\nc\n")
    table = read_templates(tmp_path / "t.npz", dim=DIM, ids=tmp_path / "ids.txt")
    assert table.identities == ("a", "b", "c")
