"""What reads and writes Parquet refuses in one line where pyarrow is missing."""

import sys

import pytest

from arcinvert.templates.parquet import read_parquet
from recognition.data.parquet import open_parquet_file, parquet_library
from recognition.data.parquet_images import ParquetFaces
from recognition.data.writers import write_parquet
from recognition.errors import InputError


@pytest.mark.parametrize(
    "use",
    [
        parquet_library,
        open_parquet_file,
        ParquetFaces,
        lambda path: write_parquet(path, []),
        lambda path: list(read_parquet(path, 4, template_column="template", id_column="identity")),
    ],
)
def test_a_missing_pyarrow_is_named(use, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    (tmp_path / "t.parquet").write_bytes(b"PAR1")
    with pytest.raises(InputError, match=r"t\.parquet: Parquet needs pyarrow.*'arcinvert\[parquet\]'"):
        use(tmp_path / "t.parquet")
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"PAR1"]


def test_a_file_with_more_metadata_than_is_allowed_is_not_opened(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    library = parquet_library(tmp_path)
    table = pyarrow.table({"a": [1]}).replace_schema_metadata({"text": "x" * (17 << 20)})
    library.write_table(table, tmp_path / "t.parquet")
    with pytest.raises(OSError, match="size limit"):
        open_parquet_file(tmp_path / "t.parquet")
