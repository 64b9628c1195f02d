"""Class centres in lists, in JSON, in word2vec's text and in encoded rows; all with the same numbers."""

import base64
import csv
import io
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from recognition.errors import InputError
from recognition.json_records import MAX_DOCUMENT
from recognition.loading.centres import read_centres
from recognition.recogniser import Recogniser

DIM = 8
CENTRES = np.random.default_rng(3).normal(size=(11, DIM)).astype(np.float32)
NAMES = [f"Ann-{letter}" for letter in "ABCDEFGHIJK"]
LISTS = CENTRES.tolist()
ORDER = [3, 1, 0, 2, 10, 9, 8, 7, 6, 5, 4]


def read(path: Path) -> tuple[torch.Tensor, tuple[str, ...] | None]:
    centres, subcentres, names = read_centres(path, cast(Recogniser, None), DIM)
    assert subcentres is None
    return centres, names


def text_of(rows: list[str]) -> str:
    return "\n".join(rows) + "\n"


def paired(*columns: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    return zip(*columns, strict=True)


def csv_of(rows: list[list[Any]], delimiter: str = ",") -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter).writerows(rows)
    return file.getvalue()


def spaced(row: list[float]) -> str:
    return " ".join(map(repr, row))


def encoded(row: np.ndarray) -> str:
    return base64.b64encode(row.tobytes()).decode()


JSON_ROWS = [json.dumps(row) for row in LISTS]
#: Rows as numpy prints them, in several lines each.
PRINTED = [np.array2string(row, max_line_width=40, precision=9, floatmode="fixed") for row in CENTRES]

#: Forms without names, and how far their numbers may be off.
UNNAMED: dict[str, str] = {
    "JSON lists": text_of(JSON_ROWS),
    "pgvector": text_of([row.replace(" ", "") for row in JSON_ROWS]),
    "PostgreSQL's arrays": text_of(["{" + row[1:-1].replace(" ", "") + "}" for row in JSON_ROWS]),
    "Python's tuples": text_of([str(tuple(row)) for row in LISTS]),
    "numpy's print": text_of([f"[ {spaced(row)} ]" for row in LISTS]),
    "quoted lists with a header": csv_of([["embedding"], *([row] for row in JSON_ROWS)]),
    "lists by number, shuffled": text_of([f"{number},{JSON_ROWS[number]}" for number in ORDER]),
    "hexadecimal digits": text_of([row.tobytes().hex() for row in CENTRES]),
    "bytea": text_of([r"\x" + row.tobytes().hex() for row in CENTRES]),
    "base64": text_of([encoded(row) for row in CENTRES]),
    "base64 with a header": text_of(["template", *map(encoded, CENTRES)]),
    "objects": text_of([json.dumps({"embedding": row, "bbox": [1, 2, 3, 4]}) for row in LISTS]),
    "a list of lists": json.dumps(LISTS),
    "a list of lists in lines": json.dumps(LISTS, indent=1),
    "a matrix across": json.dumps(CENTRES.T.tolist()),
    "lists in a list": json.dumps([[row] for row in LISTS]),
    "texts in a list": json.dumps([encoded(row) for row in CENTRES]),
    "objects in a list": json.dumps([{"embedding": row} for row in LISTS]),
    "an object with a matrix": json.dumps({"epoch": 3, "weight": LISTS, "loss": [0.5, 0.25]}),
    "a matrix by its name, beside vectors": json.dumps({"mean": LISTS[0], "centres": LISTS}),
    "vectors by number": json.dumps({str(number): LISTS[number] for number in ORDER}),
    "byte order mark": "\ufeff" + json.dumps(LISTS),
}
#: Forms with the names of the classes.
NAMED: dict[str, str] = {
    "word2vec": text_of([f"11 {DIM}", *(f"{name} {spaced(row)} " for name, row in paired(NAMES, LISTS))]),
    "word2vec without its header": text_of([f"{name} {spaced(row)}" for name, row in paired(NAMES, LISTS)]),
    "pandas of lists": csv_of([["name", "embedding"], *map(list, paired(NAMES, JSON_ROWS))]),
    "pandas of arrays": csv_of([["name", "embedding"], *map(list, paired(NAMES, PRINTED))]),
    "pandas of lists with its index": csv_of(
        [["", "name", "embedding"], *map(list, paired(range(11), NAMES, JSON_ROWS))]
    ),
    "pandas of numbers with its index": csv_of(
        [["", "name", *map(str, range(DIM))], *([0, name, *row] for name, row in paired(NAMES, LISTS))]
    ),
    "semicolons": csv_of([["name", "embedding"], *map(list, paired(NAMES, JSON_ROWS))], ";"),
    "COPY of PostgreSQL": text_of([f"{name}\t{row}" for name, row in paired(NAMES, JSON_ROWS)]),
    "Pinecone": json.dumps({"vectors": [{"id": name, "values": row} for name, row in paired(NAMES, LISTS)]}),
    "Qdrant": json.dumps(
        {
            "result": {
                "points": [
                    {"id": number, "payload": {"name": name}, "vector": row}
                    for number, (name, row) in enumerate(paired(NAMES, LISTS))
                ]
            },
            "status": "ok",
        }
    ),
    "names before lists": text_of([f"{name}: {row}" for name, row in paired(NAMES, JSON_ROWS)]),
    "names and lists with commas": text_of([f"{name},{row}" for name, row in paired(NAMES, JSON_ROWS)]),
    "names and base64": text_of([f"{name},{encoded(row)}" for name, row in paired(NAMES, CENTRES)]),
    "names and digits": text_of([f"{name} {row.tobytes().hex()}" for name, row in paired(NAMES, CENTRES)]),
    "names and objects": text_of(
        [f"{name}\t{json.dumps({'vector': row})}" for name, row in paired(NAMES, LISTS)]
    ),
    "objects": text_of(
        [json.dumps({"id": 7, "name": name, "vector": row}) for name, row in paired(NAMES, LISTS)]
    ),
    "objects in a list": json.dumps(
        [{"vector": encoded(row), "identity": name} for name, row in paired(NAMES, CENTRES)]
    ),
    "vectors by name": json.dumps(dict(paired(NAMES, LISTS)), indent=2),
    "vectors by name, in lists": json.dumps({name: [row] for name, row in paired(NAMES, LISTS)}),
    "vectors by name, in objects": json.dumps({name: {"mean": row} for name, row in paired(NAMES, LISTS)}),
    "vectors by name, in base64": json.dumps({name: encoded(row) for name, row in paired(NAMES, CENTRES)}),
    "Chroma": json.dumps({"ids": NAMES, "embeddings": LISTS, "documents": [None] * 11, "metadatas": None}),
    "pandas, split": json.dumps({"columns": list(range(DIM)), "index": NAMES, "data": LISTS}),
}


#: Forms in brackets that are no JSON; a file of this name is nothing else.
NO_JSON = ("PostgreSQL's arrays", "numpy's print")
CASES = [
    (form, text, named, ending)
    for forms, named in ((UNNAMED, False), (NAMED, True))
    for form, text in forms.items()
    for ending in (".txt", ".csv", ".json", ".jsonl")
    if ending != ".json" or form not in NO_JSON
]


@pytest.mark.parametrize(
    ("text", "named", "ending"), [case[1:] for case in CASES], ids=[f"{case[0]}{case[3]}" for case in CASES]
)
def test_every_form_is_read(text: str, named: bool, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"centres{ending}"
    path.write_text(text, encoding="utf-8", newline="")
    centres, found = read(path)
    # Numbers as numpy prints them have nine digits.
    torch.testing.assert_close(centres, torch.from_numpy(CENTRES), rtol=0, atol=1e-8)
    assert found == (tuple(NAMES) if named else None)


def test_a_single_class_is_read(tmp_path: Path) -> None:
    path = tmp_path / "centre.json"
    for value, names in (
        (LISTS[0], None),
        (LISTS[:1], None),
        ({"centres": LISTS[:1]}, None),
        ({"Ann": LISTS[0]}, ("Ann",)),
        ({"name": "Ann", "vector": LISTS[0]}, ("Ann",)),
    ):
        path.write_text(json.dumps(value))
        centres, found = read(path)
        assert (centres.tolist(), found) == (LISTS[:1], names)


def test_subcentres_in_json(tmp_path: Path) -> None:
    path = tmp_path / "centres.json"
    path.write_text(json.dumps(np.stack([CENTRES, CENTRES / 2], 1).tolist()))
    centres, subcentres, _ = read_centres(path, cast(Recogniser, None), DIM)
    assert centres.tolist() == LISTS
    assert subcentres is not None


def test_one_number_fewer_is_named_by_its_class(tmp_path: Path) -> None:
    path = tmp_path / "centres.json"
    path.write_text(json.dumps({"Ann": LISTS[0], "Bob": LISTS[1][1:]}))
    with pytest.raises(InputError, match=r"centres\.json: 'Bob': expected a list of 8 numbers, got 7; give"):
        read(path)


SHORT = [row[1:] for row in LISTS]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # Lists and encoded rows.
        (text_of([str(row) for row in SHORT]), r"line 1: expected a list of 8 numbers, got 7; give one row"),
        (text_of([*JSON_ROWS, "[1, 2]"]), r"line 12: expected a list of 8 numbers, got 2"),
        (
            text_of([*JSON_ROWS, "[1, 2, 3, 4, 5, 6, 7, x]"]),
            r"line 12: expected a vector of 8 numbers as JSON",
        ),
        (text_of([*JSON_ROWS, f"Ann,{JSON_ROWS[0]}"]), r"expected 1 cells in line 12, .* got 2"),
        # A damaged first row is no header.
        (
            text_of([f"Ann,{row.repeat(16).tobytes().hex()[:-1]}" for row in CENTRES]),
            r"line 1: expected 8 float16, float32 or float64 numbers",
        ),
        (
            csv_of([["0", "ERROR"], *([str(n), row] for n, row in enumerate(JSON_ROWS, 1))]),
            r"line 1: .* got a text of 5",
        ),
        (text_of([*JSON_ROWS, "1.5"]), r"line 12: expected a JSON list of 8 numbers, got a number"),
        (text_of(["name", *(row.tobytes().hex()[8:] for row in CENTRES)]), r"line 2: expected 8 float16"),
        (text_of(["name", *(encoded(row[1:]) for row in CENTRES)]), r"line 2: .* got 28 bytes"),
        (csv_of([["a", "b", "c"], *(["1", "2", row] for row in JSON_ROWS)]), r"expected numbers in line 2"),
        (csv_of([["Ann", f'"{"1 " * 80000}']]) + '"', r"field larger than field limit"),
        ('""\n', "got no row of numbers"),
        # Word2vec.
        (
            text_of(["11 7", *(f"Ann {spaced(row)}" for row in SHORT)]),
            r"vectors of 8 numbers, .*got 7 by the",
        ),
        (
            text_of([f"12 {DIM}", *(f"{name} {spaced(row)}" for name, row in paired(NAMES, LISTS))]),
            r"expected 12 rows, as the first line says, got 11; the file may be cut off",
        ),
        (text_of([f"1 {DIM}", f"{spaced(LISTS[0])}"]), r"expected 2 cells in line 2"),
        # JSON.
        (json.dumps(SHORT), r"expected class centres \(classes, 8\) or \(8, classes\), got \(11, 7\)"),
        (json.dumps([*LISTS, [1.0]]), r"row 11: expected a list of 8 numbers, got 1"),
        (
            json.dumps([*LISTS[:2], [1.0] * 7 + ["x"]]),
            r"row 2: expected a list of 8 numbers, got a text in it",
        ),
        (json.dumps([*LISTS[:2], None]), r"row 2: expected a vector of 8 numbers, got NULL"),
        (
            json.dumps([{"name": "Ann", "v": LISTS[0]}, {"v": LISTS[1]}]),
            r"a name for each of 2 rows or for none",
        ),
        (json.dumps([{"name": "Ann", "v": LISTS[0]}] * 2), r"one row for each class, got several of 'Ann'"),
        (json.dumps({"Ann": LISTS[:2], "Bob": LISTS[2:4]}), r"got 'Ann' \(2, 8\) and 'Bob' \(2, 8\)"),
        (json.dumps({"Ann": LISTS[:2], "Bob": LISTS[2]}), r"one vector for each class, got 2 for 'Ann'"),
        (json.dumps({"Ann": {"0": 1.0, "1": 2.0}}), r"'Ann': expected a JSON list .*an object with 0 lists"),
        (json.dumps([]), "got an empty list"),
        ("{}", "got an empty list"),
        ("[1, 2, 3", "expected class centres as JSON, got something else"),
        ("[" * 100_000, "expected class centres as JSON, got something else .nested too deeply"),
        (json.dumps(LISTS)[:-40], "expected class centres as JSON, got something else"),
        (json.dumps([[1.0] * 7 + [float("nan")]]), "finite, non-zero centres.*the first is class 0"),
        (json.dumps([[1.0] * 7 + [1e60]]), "finite, non-zero centres.*the first is class 0"),
        (json.dumps([[1.0] * 7 + [10**40]]), "integer of at most 18 digits"),
    ],
)
def test_other_files_are_refused_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "centres.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as error:
        read(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_a_large_file_of_one_value_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "centres.json"
    path.write_text("[[")
    with path.open("r+b") as file:
        file.truncate(MAX_DOCUMENT + 1)
    with pytest.raises(InputError, match=r"JSON of at most 268,435,456 bytes, got 268,435,457; .*\.jsonl"):
        read(path)


@pytest.mark.parametrize("value", [1.5, "a", True, None])
def test_json_without_a_list_is_refused(value: Any, tmp_path: Path) -> None:
    path = tmp_path / "centres.json"
    path.write_text(json.dumps(value))
    with pytest.raises(InputError, match=r"centres\.json: expected"):
        read(path)


@pytest.mark.parametrize("ending", [".pt", ".npz", ".safetensors"])
@pytest.mark.parametrize(
    ("labels", "names"),
    [(ORDER, None), ([number + 100 for number in ORDER], tuple(str(number + 100) for number in ORDER))],
)
def test_labels_beside_a_matrix_give_its_order(
    labels: list[int], names: tuple[str, ...] | None, ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"centres{ending}"
    arrays = {"embeddings": CENTRES[ORDER], "labels": np.array(labels)}
    tensors = {name: torch.from_numpy(one) for name, one in arrays.items()}
    if ending == ".npz":
        np.savez(path, **arrays)
    elif ending == ".pt":
        torch.save(tensors, path)
    else:
        save_file(tensors, path)
    centres, found = read(path)
    assert centres.tolist() == (LISTS if names is None else CENTRES[ORDER].tolist())
    assert found == names


def test_names_beside_a_matrix_of_torch(tmp_path: Path) -> None:
    torch.save({"names": NAMES, "features": torch.from_numpy(CENTRES), "epoch": 3}, tmp_path / "centres.pt")
    centres, found = read(tmp_path / "centres.pt")
    assert (centres.tolist(), found) == (LISTS, tuple(NAMES))


@pytest.mark.parametrize("labels", [np.arange(11.0), np.arange(11)[:, None]])
@pytest.mark.parametrize("ending", [".pt", ".npz"])
def test_labels_that_are_no_whole_numbers_are_refused(
    labels: np.ndarray, ending: str, tmp_path: Path
) -> None:
    path = tmp_path / f"centres{ending}"
    if ending == ".npz":
        np.savez(path, centres=CENTRES, labels=labels)
    else:
        torch.save({"centres": torch.from_numpy(CENTRES), "labels": torch.from_numpy(labels)}, path)
    with pytest.raises(
        InputError, match=r"classes of 11 rows as texts or whole numbers, \(11,\), got 'labels'"
    ):
        read(path)
