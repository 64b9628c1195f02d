"""Footers of Parquet files: what pyarrow says of sound ones, and damaged ones that end pyarrow's process."""

import io
import subprocess
import sys

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from recognition.data.parquet_footer import ColumnChunk, column_chunks
from recognition.data.parquet_images import open_parquet
from recognition.data.thrift import CompactStructure
from recognition.errors import InputError

ROWS = 40
TABLE = {
    "image": [{"bytes": bytes([row]) * 50, "path": f"{row}.jpg"} for row in range(ROWS)],
    "label": [row // 4 for row in range(ROWS)],
    "vector": np.random.default_rng(0).normal(size=(ROWS, 6)).tolist(),
    "a.b": ["same"] * ROWS,
    "none": [None] * ROWS,
}


def described(one) -> ColumnChunk:
    """Return what pyarrow says of a column in a row group."""
    name = "a.b" if one.path_in_schema == "a.b" else one.path_in_schema.split(".")[0]
    begin = one.dictionary_page_offset or one.data_page_offset
    return ColumnChunk(name, one.num_values, one.total_uncompressed_size, one.total_compressed_size, begin)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"row_group_size": 7, "compression": "zstd"},
        {"use_dictionary": False, "compression": "none", "write_statistics": False},
        {"use_dictionary": ["a.b"], "data_page_version": "2.0", "write_page_index": True},
    ],
)
def test_columns_are_those_that_pyarrow_finds(options, tmp_path):
    path = tmp_path / "t.parquet"
    pyarrow.parquet.write_table(pyarrow.table(TABLE), path, **options)
    metadata = pyarrow.parquet.read_metadata(path)
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    with path.open("rb") as file:
        found = column_chunks(file)
    assert found == [[described(one.column(number)) for number in range(one.num_columns)] for one in groups]


def written(path, repetition):
    """Write images in a column of a given repetition: 1 is optional, as pyarrow writes them, 0 required."""
    images = pyarrow.array([b"one", b"two"], pyarrow.binary())
    pyarrow.parquet.write_table(pyarrow.table({"image": images, "label": ["a", "b"]}), path)
    data = path.read_bytes()
    # Field 3 (the repetition, zigzag) and field 4 (the name) of the column's element in the schema.
    name = b"\x18\x05image"
    assert data.count(b"\x25\x02" + name) == 1
    path.write_bytes(data.replace(b"\x25\x02" + name, bytes([0x25, 2 * repetition]) + name))
    return path


def test_statistics_of_sizes_that_do_not_fit_the_schema_do_not_end_the_process(tmp_path):
    assert open_parquet(written(tmp_path / "sound.parquet", 1)).image(1) == b"two"
    path = written(tmp_path / "damaged.parquet", 0)
    code = (
        "import sys, pathlib\n"
        "from recognition.data.parquet_images import list_parquet, open_parquet\n"
        "from recognition.errors import InputError\n"
        "path = pathlib.Path(sys.argv[1])\n"
        "list_parquet(path)\n"
        "try: print(open_parquet(path).image(0))\n"
        "except InputError: print('refused')\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "refused"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0" * 20,
        b"\xff" * 20,
        # Lists in each other, of more numbers than there are bytes, of nothing, and of an empty structure.
        b"\x99" * 400,
        b"\x49\xf7" + b"\xff" * 8 + b"\x01",
        b"\x49\xf6" + b"\xff" * 8 + b"\x01",
        b"\x49\x1c\x00\x00",
    ],
)
def test_damaged_footers_are_refused(data):
    with pytest.raises(ValueError, match=r"footer|structure|nested|field"):
        column_chunks(io.BytesIO(b"PAR1" + data + len(data).to_bytes(4, "little") + b"PAR1"))


def test_a_footer_longer_than_the_file_is_refused():
    with pytest.raises(ValueError, match=r"a footer of 1,000 bytes"):
        column_chunks(io.BytesIO(b"PAR1" + (1000).to_bytes(4, "little") + b"PAR1"))


def test_numbers_of_structures_are_read():
    structure = CompactStructure(bytes([0x15, 0x03, 0x18, 0x02, 65, 66, 0x19, 0x25, 0x02, 0x04, 0x11, 0x00]))
    assert structure.fields() == {1: -2, 2: b"AB", 3: [1, 2], 4: None}


def test_a_damaged_file_of_images_is_one_line(tmp_path):
    path = written(tmp_path / "cut.parquet", 1)
    data = path.read_bytes()
    path.write_bytes(data[:-40] + b"\xff" * 32 + data[-8:])
    with pytest.raises(InputError, match=r"cut\.parquet: damaged"):
        open_parquet(path)
