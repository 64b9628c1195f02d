"""Templates as subjects: files and arrays, each template a subject; and what is refused."""

import contextlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from numpy.typing import NDArray

from arcinvert.subjects import TemplateSubjects
from arcinvert.templates.options import TemplateOptions
from recognition.checkpoint import sha256
from recognition.errors import InputError
from recognition.recogniser import Recogniser


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.folder),)


def save_templates(path: Path, templates: NDArray) -> Path:
    np.save(path / "templates.npy", templates)
    return path / "templates.npy"


def test_one_template(tiny: Recogniser, tmp_path: Path) -> None:
    template = np.arange(1.0, 33.0)
    path = save_templates(tmp_path, template)
    (subject,) = TemplateSubjects(tiny.embedding_size, path)
    assert subject.template.dtype == torch.float32
    expected = template / np.sqrt((template**2).sum())
    assert subject.template.numpy() == pytest.approx(expected, rel=1e-6)
    assert subject.label is None
    assert subject.picture is None
    assert subject.reference.second is None
    assert subject.sha256 == sha256(path)


@pytest.mark.parametrize("dtype", ["<f2", "<f4", "<f8", ">f4", "<i4", "u1"])
def test_several_templates(tiny: Recogniser, tmp_path: Path, dtype: str) -> None:
    templates = np.random.default_rng(0).integers(1, 100, (3, 32)).astype(dtype)
    subjects = TemplateSubjects(tiny.embedding_size, save_templates(tmp_path, templates))
    assert len(subjects) == 3
    assert len({subject.name for subject in subjects}) == 3
    for subject, template in zip(subjects, templates.astype(np.float64), strict=True):
        expected = template / np.linalg.norm(template)
        assert subject.template.numpy() == pytest.approx(expected, rel=1e-5)


def test_length_of_a_template_does_not_matter(tiny: Recogniser, tmp_path: Path) -> None:
    template = np.random.default_rng(0).normal(size=32)
    scaled = np.stack([template, template * 1e30, template * 1e-30, template * 1e200, template * 1e-200])
    subjects = TemplateSubjects(tiny.embedding_size, save_templates(tmp_path, scaled))
    expected = torch.tensor(template / np.linalg.norm(template), dtype=torch.float32)
    for subject in subjects:
        torch.testing.assert_close(subject.template, expected)


@pytest.mark.parametrize("shape", [(31,), (2, 33), (2, 2, 32), (), (0,), (32, 1)])
def test_wrong_dimension(tiny: Recogniser, tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="expected templates of 32 numbers"):
        TemplateSubjects(tiny.embedding_size, save_templates(tmp_path, np.ones(shape)))


def test_no_templates(tiny: Recogniser, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one"):
        TemplateSubjects(tiny.embedding_size, save_templates(tmp_path, np.ones((0, 32))))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_not_finite(tiny: Recogniser, tmp_path: Path, value: float) -> None:
    templates = np.ones((3, 32))
    templates[1, 5] = value
    with pytest.raises(InputError, match=r"finite.*number 1"):
        TemplateSubjects(tiny.embedding_size, save_templates(tmp_path, templates))


def test_zero_template(tiny: Recogniser, tmp_path: Path) -> None:
    templates = np.ones((3, 32))
    templates[2] = 0
    with pytest.raises(InputError, match=r"zero.*number 2"):
        TemplateSubjects(tiny.embedding_size, save_templates(tmp_path, templates))


@pytest.mark.parametrize("dtype", ["c8", "U4", "?", "M8[s]"])
def test_no_real_numbers(tiny: Recogniser, tmp_path: Path, dtype: str) -> None:
    with pytest.raises(InputError, match="real numbers"):
        TemplateSubjects(tiny.embedding_size, save_templates(tmp_path, np.ones(32, dtype="i8").astype(dtype)))


def test_pickled_objects_are_refused_unread(tiny: Recogniser, tmp_path: Path) -> None:
    trace = tmp_path / "was-run"
    path = save_templates(tmp_path, np.array([Bomb(trace)], dtype=object))
    with pytest.raises(InputError, match=r"templates\.npy: expected a \.npy file of numbers"):
        TemplateSubjects(tiny.embedding_size, path)
    assert not trace.exists()
    # The same file does run when it is unpickled, so the refusal is what kept it from it.
    np.load(path, allow_pickle=True)
    assert trace.exists()


def npy_header(shape: str, *, descr: str = "<f4", key: str = "'shape'") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, {key}: {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"0.1 0.2 0.3\n0.4 0.5 0.6\n",
        b"\x80\x04K\x01.",
        b"PK\x03\x04 not really an archive",
        npy_header("(32,)") + b"\x00" * 64,
        npy_header("(1000000000000, 32)"),
        npy_header("(-1, 32)"),
        npy_header("(32,"),
        npy_header("(32,)", descr=",f4"),
        npy_header("(32,)", key="b'shape'"),
        npy_header("(" + "9" * 30 + ",)"),
    ],
    ids=[
        "empty",
        "text",
        "pickle",
        "zip",
        "truncated",
        "huge",
        "negative",
        "open-bracket",
        "no-type",
        "no-name",
        "astronomic",
    ],
)
def test_files_that_are_something_else(tiny: Recogniser, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "templates.npy"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"templates\.npy: expected"):
        TemplateSubjects(tiny.embedding_size, path)


ROWS = np.random.default_rng(3).normal(size=(4, 32))
NAMES = ["Ann Lee", "Bob", "Ann Lee", "Dée/1"]
#: How the rows are called: those of one identity are numbered.
SHOWN = ["Ann Lee[0]", "Bob", "Ann Lee[1]", "Dée/1"]


def write_sqlite(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as base:
        base.execute("CREATE TABLE people (who TEXT, face BLOB)")
        cells = [row.astype("<f4").tobytes() for row in ROWS]
        base.executemany("INSERT INTO people VALUES (?, ?)", zip(NAMES, cells, strict=True))
        base.commit()


def write_csv(path: Path) -> None:
    lines = [f"{name};{row.tolist()}" for name, row in zip(NAMES, ROWS, strict=True)]
    path.write_text("\n".join(["name;template", *lines]), encoding="utf-8")


def write_parquet(path: Path) -> None:
    pyarrow.parquet.write_table(pyarrow.table({"identity": NAMES, "template": ROWS.tolist()}), path)


def write_npy(path: Path) -> None:
    np.save(path, ROWS)
    path.with_name("ids.txt").write_text("\n".join(NAMES), encoding="utf-8")


DATABASES: dict[str, tuple[str, Callable[[Path], None], dict[str, Any]]] = {
    "sqlite": (
        "t.db",
        write_sqlite,
        {"table": "people", "template_column": "face", "id_column": "who"},
    ),
    "csv": ("t.csv", write_csv, {}),
    "parquet": ("t.parquet", write_parquet, {}),
    "npz": ("t.npz", lambda path: np.savez(path, embeddings=ROWS, names=np.array(NAMES)), {}),
    "npy with names": ("t.npy", write_npy, {"ids": "ids.txt"}),
}


@pytest.mark.parametrize("form", DATABASES)
def test_databases_of_every_form(tiny: Recogniser, tmp_path: Path, form: str) -> None:
    name, write, where = DATABASES[form]
    write(tmp_path / name)
    where = {key: tmp_path / value if key == "ids" else value for key, value in where.items()}
    subjects = TemplateSubjects(tiny.embedding_size, tmp_path / name, TemplateOptions(**where))
    assert [subject.name for subject in subjects] == SHOWN
    assert [subject.stem for subject in subjects] == SHOWN
    assert {subject.sha256 for subject in subjects} == {sha256(tmp_path / name)}
    expected = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    found = np.stack([subject.template.numpy() for subject in subjects])
    assert found == pytest.approx(expected.astype(np.float32), abs=1e-6)
    chosen = TemplateSubjects(
        tiny.embedding_size, tmp_path / name, TemplateOptions(**where, identities=("Ann Lee", "Dée/1"))
    )
    assert [subject.name for subject in chosen] == [SHOWN[0], SHOWN[2], SHOWN[3]]
    assert chosen[2].template.numpy() == pytest.approx(found[3])
    with pytest.raises(InputError, match=r"identities of t\..*'Ann Lee', 'Bob'.*got 'bob'"):
        TemplateSubjects(
            tiny.embedding_size, tmp_path / name, TemplateOptions(**where, identities=("Bob", "bob"))
        )


def test_rows_without_identities_are_chosen_by_their_numbers(tiny: Recogniser, tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", ROWS)
    np.savez(tmp_path / "t.npz", ROWS)
    for name in ("t.npy", "t.npz"):
        path, chosen = tmp_path / name, TemplateOptions(identities=("3", "1"))
        subjects = TemplateSubjects(tiny.embedding_size, path, chosen)
        assert [(one.name, one.stem) for one in subjects] == [(f"{name}[1]", "t-1"), (f"{name}[3]", "t-3")]
        expected = ROWS[3] / np.linalg.norm(ROWS[3])
        assert subjects[-1].template.numpy() == pytest.approx(expected, rel=1e-5)
        with pytest.raises(InputError, match=r"numbers of rows .*, from 0 to 3, got '4'"):
            TemplateSubjects(tiny.embedding_size, path, TemplateOptions(identities=("4",)))
    with pytest.raises(InputError, match="identities: expected at least one, got none"):
        TemplateSubjects(tiny.embedding_size, path, TemplateOptions(identities=()))


def test_a_damaged_row_is_named(tiny: Recogniser, tmp_path: Path) -> None:
    rows = ROWS.copy()
    rows[1, 4] = np.nan
    np.savez(tmp_path / "t.npz", embeddings=rows, names=np.array(NAMES))
    with pytest.raises(InputError, match=r"t\.npz: row 1 \('Bob'\): expected a finite, non-zero template"):
        TemplateSubjects(tiny.embedding_size, tmp_path / "t.npz")


def test_identities_are_of_files(tiny: Recogniser) -> None:
    with pytest.raises(
        InputError, match="ids: expected it with a file of templates, got it with templates in"
    ):
        TemplateSubjects(tiny.embedding_size, ROWS, TemplateOptions(ids=Path("ids.txt")))


def test_missing_templates(tiny: Recogniser, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        TemplateSubjects(tiny.embedding_size, tmp_path / "nowhere.npy")
    with pytest.raises(InputError, match="expected"):
        TemplateSubjects(tiny.embedding_size, tmp_path)


@pytest.mark.parametrize("kind", ["array", "tensor", "half", "row"])
def test_templates_in_memory(tiny: Recogniser, kind: str) -> None:
    template = np.random.default_rng(0).normal(size=32).astype(np.float32)
    given: dict[str, Any] = {
        "array": template,
        "tensor": torch.from_numpy(template),
        "half": torch.from_numpy(template).half(),
        "row": template[None],
    }
    (subject,) = TemplateSubjects(tiny.embedding_size, given[kind])
    expected = template / np.linalg.norm(template)
    assert subject.template.numpy() == pytest.approx(expected, abs=1e-3)
    assert (subject.name, subject.stem) == ("template[0]", "template")
    assert len(str(subject.sha256)) == 64


def test_templates_by_slices(tiny: Recogniser) -> None:
    subjects = TemplateSubjects(tiny.embedding_size, np.random.default_rng(0).normal(size=(5, 32)))
    assert [subject.name for subject in subjects[1:4:2]] == ["template[1]", "template[3]"]
    assert subjects[-1].name == "template[4]"
    with pytest.raises(IndexError):
        _ = subjects[5]


def test_a_shape_that_overflows_is_one_error(tiny: Recogniser, tmp_path: Path) -> None:
    path = tmp_path / "huge.npy"
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "<f4", "fortran_order": False, "shape": (2**62, 128)}
        )
    # A warning would be an error here.
    with pytest.raises(InputError, match=r"expected a \.npy file of numbers"):
        TemplateSubjects(tiny, path)
