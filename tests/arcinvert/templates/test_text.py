"""Databases of templates in text: the forms in which they are exported, damaged rows, and what is refused."""

import base64
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest

from arcinvert.templates.table import read_templates
from recognition.errors import InputError
from recognition.json_records import MAX_DOCUMENT

DIM = 8
ROWS = np.random.default_rng(5).normal(size=(5, DIM))
NAMES = ["Ann Able", "José, jr.", "Ann Able", 'Bob "B"', "42"]
LISTS: list[list[float]] = ROWS.tolist()
JSON_ROWS = [json.dumps(row) for row in LISTS]
WIDE = [f"v{number}" for number in range(DIM)]


def csv_of(*rows: list[Any], delimiter: str = ",", end: str = "\n") -> str:
    file = io.StringIO()
    csv.writer(file, delimiter=delimiter, lineterminator=end).writerows(rows)
    return file.getvalue()


def paired(*columns: Any) -> list[list[Any]]:
    return [list(row) for row in zip(*columns, strict=True)]


def lines_of(*records: Any) -> str:
    return "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records)


def encoded(row: np.ndarray) -> str:
    return base64.b64encode(row.astype("<f8").tobytes()).decode()


def frame(*, wide: bool = False) -> pandas.DataFrame:
    if wide:
        return pandas.DataFrame(ROWS, columns=WIDE).assign(identity=NAMES)
    return pandas.DataFrame({"identity": NAMES, "template": LISTS})


POINTS = [
    {"id": number, "version": 3, "payload": {"name": name, "city": "Rome"}, "vector": row}
    for number, name, row in paired(range(5), NAMES, LISTS)
]
HITS = [
    {"_index": "faces", "_id": f"x{number}", "_score": 1.0, "_source": {"name": name, "embedding": row}}
    for number, name, row in paired(range(5), NAMES, LISTS)
]
MATCHES = [{"id": name, "values": row, "metadata": {"age": 30}} for name, row in paired(NAMES, LISTS)]
MONGO = [
    {
        "_id": {"$oid": f"{number:024x}"},
        "person": name,
        "emb": {"$binary": {"base64": encoded(row), "subType": "00"}},
    }
    for number, name, row in paired(range(5), NAMES, ROWS)
]

#: What exports write, by the ending of their files; all have the same templates and identities.
FORMS: dict[str, tuple[str, str]] = {
    "COPY TO CSV HEADER": (".csv", csv_of(["identity", "template"], *paired(NAMES, JSON_ROWS))),
    "COPY TO CSV": (".csv", csv_of(*paired(NAMES, JSON_ROWS))),
    "COPY TO": (".tsv", "".join(f"{name}\t{row}\n" for name, row in paired(NAMES, JSON_ROWS))),
    "COPY of arrays": (
        ".csv",
        csv_of(
            ["name", "emb"], *paired(NAMES, ["{" + row[1:-1].replace(" ", "") + "}" for row in JSON_ROWS])
        ),
    ),
    "bytea": (".csv", csv_of(["who", "t"], *paired(NAMES, [r"\x" + row.tobytes().hex() for row in ROWS]))),
    "base64": (".csv", csv_of(["t", "who"], *paired(map(encoded, ROWS), NAMES))),
    "semicolons": (".csv", csv_of(["name", "t"], *paired(NAMES, JSON_ROWS), delimiter=";")),
    "Windows": (".csv", "\ufeff" + csv_of(["Name", "T"], *paired(NAMES, JSON_ROWS), end="\r\n") + "\r\n"),
    "comments": (".csv", "# faces\n\n" + csv_of(["name", "t"], *paired(NAMES, JSON_ROWS)) + "# end\n"),
    "more columns": (
        ".csv",
        csv_of(
            ["id", "created", "identity", "model", "template", "box"],
            *paired(range(5), ["2024-01-01"] * 5, NAMES, ["arcface"] * 5, JSON_ROWS, ["[1, 2, 3, 4]"] * 5),
        ),
    ),
    "more columns, by their meaning": (
        ".csv",
        csv_of(["id", "file", "person_name", "emb"], *paired(range(5), "abcde", NAMES, JSON_ROWS)),
    ),
    "a column for each number": (".csv", csv_of(["name", *WIDE], *paired(NAMES, *ROWS.T.tolist()))),
    "a column for each number, without header": (".csv", csv_of(*paired(NAMES, *ROWS.T.tolist()))),
    "a column for each number, and a file": (
        ".csv",
        csv_of(["file", "label", *WIDE], *paired("abcde", NAMES, *ROWS.T.tolist())),
    ),
    "a column for each number, and numbers of rows and people": (
        ".csv",
        csv_of(["id", "name", "label", *WIDE], *paired(range(5), NAMES, range(5), *ROWS.T.tolist())),
    ),
    "pandas": (".csv", frame().to_csv(index=False)),
    "pandas with its index": (".csv", frame().to_csv()),
    "pandas with its index, wide": (".csv", frame(wide=True).to_csv()),
    "pandas of numbered columns": (
        ".csv",
        pandas.DataFrame(ROWS).assign(identity=NAMES).to_csv(),
    ),
    "pandas of numbered columns, after others": (
        ".csv",
        pandas.concat(
            [pandas.DataFrame({"file": list("abcde"), "person": NAMES}), pandas.DataFrame(ROWS)], axis=1
        ).to_csv(),
    ),
    "pandas with two indexes": (".csv", frame(wide=True).reset_index(names="Unnamed: 0").to_csv()),
    "pandas by identity": (".csv", frame().set_index("identity").to_csv()),
    "pandas by identity, without a name": (".csv", pandas.DataFrame(ROWS, index=NAMES).to_csv()),
    "pandas to_json": (".json", frame().to_json(double_precision=15)),
    "pandas to_json, wide": (".json", frame(wide=True).to_json(double_precision=15)),
    "pandas records": (".json", frame().to_json(orient="records", double_precision=15)),
    "pandas records, wide": (".json", frame(wide=True).to_json(orient="records", double_precision=15)),
    "pandas index": (".json", frame().to_json(orient="index", double_precision=15)),
    "pandas lines": (".jsonl", frame().to_json(orient="records", lines=True, double_precision=15)),
    "R": (
        ".txt",
        " ".join(f'"V{number}"' for number in range(DIM))
        + "\n"
        + "".join(
            '"' + name.replace('"', '""') + '" ' + " ".join(map(repr, row)) + "\n"
            for name, row in paired(NAMES, LISTS)
        ),
    ),
    "MongoDB": (".json", lines_of(*MONGO)),
    "JSON lines": (".jsonl", lines_of(*({"name": name, "v": row} for name, row in paired(NAMES, LISTS)))),
    "JSON lines as text": (".txt", "\ufeff" + lines_of(*MATCHES)),
    "JSON lines of Elasticsearch": (".ndjson", lines_of(*HITS)),
    "JSON lines of faces": (
        ".jsonl",
        lines_of(
            *({"name": name, "faces": [{"embedding": row, "box": [1]}]} for name, row in paired(NAMES, LISTS))
        ),
    ),
    "Pinecone": (".json", json.dumps({"vectors": MATCHES, "namespace": ""})),
    "Qdrant": (
        ".json",
        json.dumps({"result": {"points": POINTS, "next": None}, "status": "ok", "time": 0.1}),
    ),
    "Elasticsearch": (".json", json.dumps({"took": 3, "hits": {"total": {"value": 5}, "hits": HITS}})),
    "Chroma": (
        ".json",
        json.dumps(
            {
                "ids": list("abcde"),
                "embeddings": LISTS,
                "metadatas": [{"name": name} for name in NAMES],
                "documents": None,
            }
        ),
    ),
    "arrays": (".json", json.dumps({"model": "arcface", "names": NAMES, "templates": LISTS}, indent=1)),
    "a list of records": (".json", json.dumps(MATCHES, indent=2)),
    "an answer with other lists": (
        ".json",
        json.dumps({"data": MATCHES, "errors": [{"id": "a"}, {"id": "b"}], "next": None}),
    ),
}


def check(path: Path, names: list[str] = NAMES, **options: Any) -> None:
    table = read_templates(path, dim=DIM, **options)
    assert table.identities == tuple(names)
    wanted = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
    assert table.templates == pytest.approx(wanted.astype(np.float32), abs=1e-6)
    assert table.skipped == ()


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_read(form: str, tmp_path: Path) -> None:
    ending, text = FORMS[form]
    check(write(tmp_path / f"t{ending}", text))


PEOPLE = {"Ann Able": [LISTS[0], LISTS[2]], 'Bob "B"': [LISTS[3]], "42": [LISTS[4]]}


@pytest.mark.parametrize(
    "form",
    [lambda row: row, lambda row: {"embedding": row, "box": [1, 2]}, lambda row: encoded(np.array(row))],
)
def test_objects_of_templates_by_identity(form: Callable[[list[float]], object], tmp_path: Path) -> None:
    wanted = ROWS[[0, 2, 3, 4]]
    several = json.dumps({name: [form(row) for row in rows] for name, rows in PEOPLE.items()})
    table = read_templates(write(tmp_path / "t.json", several), dim=DIM)
    assert table.identities == ("Ann Able", "Ann Able", 'Bob "B"', "42")
    assert table.templates == pytest.approx(wanted / np.linalg.norm(wanted, axis=1, keepdims=True), abs=1e-6)
    for around in (lambda one: one, lambda one: {"people": one, "model": "arcface"}):
        one_each = json.dumps(around({name: form(rows[-1]) for name, rows in PEOPLE.items()}))
        table = read_templates(write(tmp_path / "t.json", one_each), dim=DIM)
        assert table.identities == tuple(PEOPLE)
        wanted = ROWS[[2, 3, 4]]
        assert table.templates == pytest.approx(
            wanted / np.linalg.norm(wanted, axis=1, keepdims=True), abs=1e-6
        )


def test_a_fetch_of_pinecone_and_single_records(tmp_path: Path) -> None:
    for count in (1, 2):
        vectors = {f"p{number}": {"id": f"p{number}", "values": LISTS[number]} for number in range(count)}
        content = {"namespace": "", "vectors": vectors, "usage": {"readUnits": 1}}
        table = read_templates(write(tmp_path / "t.json", json.dumps(content)), dim=DIM)
        assert table.identities == tuple(vectors)
    for one in (POINTS[0], {"result": {"points": POINTS[:1]}}, [POINTS[0]], {"Ann Able": LISTS[0]}):
        for ending in (".json", ".jsonl") if one is POINTS[0] else (".json",):
            table = read_templates(write(tmp_path / f"t{ending}", json.dumps(one)), dim=DIM)
            assert table.identities == ("Ann Able",)


def test_columns_by_their_names(tmp_path: Path) -> None:
    path = write(
        tmp_path / "t.csv",
        csv_of(["name", "code", "old", "new"], *paired("abcde", NAMES, JSON_ROWS[::-1], JSON_ROWS)),
    )
    check(path, template_column="new", id_column="code")
    with pytest.raises(InputError, match=r"one field with a template of 8 numbers, got 'old', 'new'; choose"):
        read_templates(path, dim=DIM)
    with pytest.raises(
        InputError, match=r"expected the field 'emb', got 'name', 'code', 'old', 'new'; .*--t"
    ):
        read_templates(path, dim=DIM, template_column="emb")
    with pytest.raises(InputError, match=r"expected the field 'who', got 'name', .*choose with --id-column"):
        read_templates(path, dim=DIM, template_column="new", id_column="who")
    path = write(tmp_path / "t.jsonl", lines_of(*POINTS))
    check(path, template_column="vector", id_column="payload.name")
    check(path, ["0", "1", "2", "3", "4"], id_column="id")


@pytest.mark.parametrize(
    ("ending", "text"),
    [
        (".csv", csv_of(*LISTS)),
        (".csv", csv_of(WIDE, *LISTS)),
        (".txt", "\n".join(JSON_ROWS)),
        (".jsonl", "\n".join(JSON_ROWS)),
        (".json", json.dumps(LISTS)),
        (".jsonl", lines_of(*({"embedding": row} for row in LISTS))),
    ],
)
def test_rows_without_identities_are_numbered_or_named_by_a_file(
    ending: str, text: str, tmp_path: Path
) -> None:
    path = write(tmp_path / f"t{ending}", text)
    check(path, [f"row {number}" for number in range(5)])
    ids = write(tmp_path / "ids.txt", "\n".join(NAMES))
    check(path, ids=ids)


def test_a_file_of_identities_replaces_those_of_a_table(tmp_path: Path) -> None:
    ids = write(tmp_path / "ids.txt", "\n".join(NAMES))
    texts = {
        ".csv": csv_of(*paired(range(5), *ROWS.T.tolist())),
        ".json": json.dumps(
            {"data": [{"object": "embedding", "index": 0, "embedding": row} for row in LISTS]}
        ),
    }
    for ending, text in texts.items():
        check(write(tmp_path / f"t{ending}", text), ids=ids)
    write(tmp_path / "ids.txt", "a\nb")
    with pytest.raises(InputError, match=r"expected an identity for each of 5 templates, got 2; check --ids"):
        read_templates(tmp_path / "t.csv", dim=DIM, ids=ids)


def damaged_csv() -> bytes:
    cells = csv_of(
        ["identity", "template", "note"],
        ["Ann", JSON_ROWS[0], ""],
        ["Bob", "", ""],
        ["Cat", "NULL", ""],
        ["Dan", json.dumps(LISTS[0][:3]), ""],
        ["", JSON_ROWS[0], ""],
        ["Eve", JSON_ROWS[0]],
        ["Fay", json.dumps([0.0] * DIM), ""],
        ["Gus", json.dumps([float("nan")] * DIM), ""],
        ["Hal", JSON_ROWS[1], ""],
    ).encode()
    return cells + "José".encode("latin-1") + b',"' + JSON_ROWS[0].encode() + b'",\nIda,"' + b'\xff\xfe",\n'


def damaged_wide() -> bytes:
    rows = [
        ["Ann", *LISTS[0]],
        ["Bob", *[""] * DIM],
        ["Cat", *LISTS[0][:-1], "0,5"],
        ["Dan", *LISTS[0][:3]],
        ["", *LISTS[0]],
        ["Eve", *LISTS[0], 1.0],
        ["Fay", *[0.0] * DIM],
        ["Gus", *["nan"] * DIM],
        ["Hal", *LISTS[1]],
    ]
    last = csv_of(LISTS[0]).encode()
    tail = "José".encode("latin-1") + b"," + last + b"Ida,\xff\xfe," + csv_of(LISTS[0][1:]).encode()
    return csv_of(["identity", *WIDE], *rows).encode() + tail


def damaged_lines() -> bytes:
    first = [
        {"identity": "Ann", "template": LISTS[0]},
        {"identity": "Bob"},
        {"identity": "Cat", "template": None},
        {"identity": "Dan", "template": LISTS[0][:3]},
        {"identity": None, "template": LISTS[0]},
        {"identity": "Eve", "template": [*LISTS[0][1:], "x"]},
        {"identity": "Fay", "template": [0.0] * DIM},
        {"identity": "Gus", "template": [float("nan")] * DIM},
        {"identity": "Hal", "template": LISTS[1]},
    ]
    tail = b'{"identity": "Jos\xe9", "template": ' + JSON_ROWS[0].encode() + b"}\n"
    return lines_of(*first).encode() + tail + b'{"identity": "Ida", "templ\n'


@pytest.mark.parametrize(
    ("ending", "content", "places", "reasons"),
    [
        (
            ".csv",
            damaged_csv(),
            {10: "row 10 ('Ida')"},
            [
                *("got NULL", "got NULL", "list of 8 numbers, got 3", "identity, got an empty text"),
                *(
                    "expected a row of 3 cells, got 2",
                    "finite, non-zero",
                    "finite, non-zero",
                    "in UTF-8",
                    "UTF-8",
                ),
            ],
        ),
        (
            ".csv",
            damaged_wide(),
            {10: "row 10 ('Ida')"},
            [
                *(
                    "numbers with decimal points, got ''",
                    "decimal points, got '0,5'",
                    "row of 9 cells, got 4",
                ),
                *("identity, got an empty text", "expected a row of 9 cells, got 10", "non-zero", "non-zero"),
                *("in UTF-8", "expected numbers with decimal points, got "),
            ],
        ),
        (
            ".jsonl",
            damaged_lines(),
            {10: "row 10"},
            [
                *("got NULL", "got NULL", "list of 8 numbers, got 3", "expected an identity, got NULL"),
                *(
                    "got a text in it",
                    "finite, non-zero",
                    "finite, non-zero",
                    "in UTF-8",
                    "expected JSON on the line",
                ),
            ],
        ),
    ],
)
def test_damaged_rows_are_skipped_or_stop(
    ending: str, content: bytes, places: dict[int, str], reasons: list[str], tmp_path: Path
) -> None:
    path = tmp_path / f"t{ending}"
    path.write_bytes(content)
    table = read_templates(path, dim=DIM, skip=True)
    assert table.identities == ("Ann", "Hal")
    wanted = ROWS[:2] / np.linalg.norm(ROWS[:2], axis=1, keepdims=True)
    assert table.templates == pytest.approx(wanted, abs=1e-6)
    usual = {
        **{number: f"row {number} ({name!r})" for number, name in enumerate(("Ann", "Bob", "Cat", "Dan"))},
        **{4: "row 4", 5: "row 5 ('Eve')", 6: "row 6 ('Fay')", 7: "row 7 ('Gus')", 9: "row 9"},
    }
    del usual[0]
    assert [row.place for row in table.skipped] == list((usual | places).values())
    for row, reason in zip(table.skipped, reasons, strict=True):
        assert reason in row.reason, row
    with pytest.raises(
        InputError, match=r"row 1 \('Bob'\): expected .*; check --model, or mend or remove the row"
    ):
        read_templates(path, dim=DIM)


def test_a_first_row_without_a_template_decides_nothing(tmp_path: Path) -> None:
    rows = paired(NAMES, JSON_ROWS)
    for text in (csv_of(["Zoe", ""], *rows), csv_of(["name", "t"], ["Zoe", "NULL"], *rows)):
        table = read_templates(write(tmp_path / "t.csv", text), dim=DIM, skip=True)
        assert table.identities == tuple(NAMES)
        assert [row.place for row in table.skipped] == ["row 0 ('Zoe')"]
    records = [{"id": 7, "name": None, "v": LISTS[0]}, *MATCHES]
    text = lines_of(records[0], *({"id": 8, "name": one["id"], "v": one["values"]} for one in MATCHES))
    table = read_templates(write(tmp_path / "t.jsonl", text), dim=DIM, skip=True)
    assert table.identities == tuple(NAMES)
    assert [row.reason for row in table.skipped] == ["expected an identity, got NULL"]


COMMAS = [[f"{value:.3f}".replace(".", ",") for value in row] for row in LISTS]
OPENAI = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": row} for row in LISTS]}
REFUSED: dict[str, tuple[str, str, str]] = {
    "nothing": (".csv", "", "expected rows with templates, got none; check the file"),
    "a header alone": (".csv", "identity,template\n", "expected rows with templates, got none"),
    "no lines": (".jsonl", "\n", "expected rows with templates, got none"),
    "decimal commas": (
        ".csv",
        csv_of(["name", *WIDE], *paired(NAMES, *zip(*COMMAS, strict=True)), delimiter=";"),
        r"expected numbers with decimal points, got '-?\d,\d+'; write the table anew with points",
    ),
    "other dimensions": (
        ".csv",
        csv_of(["name", *WIDE[1:]], *paired(NAMES, *ROWS.T[1:].tolist())),
        r"expected a template of 8 numbers in one field, or in a column for each number, got 'name', 'v1', "
        ".*; check --model, or choose with --template-column",
    ),
    "another number among them": (
        ".csv",
        csv_of(["name", "age", *WIDE], *paired(NAMES, [30] * 5, *ROWS.T.tolist())),
        r"in a column for each number, got 'name', 'age', 'v0', .* and 2 more; check --model",
    ),
    "no identity": (
        ".csv",
        csv_of(["file", "date", "emb"], *paired("abcde", "fghij", JSON_ROWS)),
        r"expected one field of identities beside the templates, got 'file', 'date'; choose with "
        "--id-column, or give --ids",
    ),
    "two identities": (
        ".csv",
        csv_of(["person", "subject", "emb"], *paired("abcde", "fghij", JSON_ROWS)),
        r"expected one field of identities, got 'person', 'subject'; choose with --id-column",
    ),
    "OpenAI": (
        ".json",
        json.dumps(OPENAI),
        "identities beside the templates, got 'object', 'index'; choose with",
    ),
    "one key": (
        ".json",
        json.dumps({"alice": LISTS}),
        "expected identities beside the templates, got 'alice' alone; give them in a text file with --ids",
    ),
    "no templates": (
        ".json",
        json.dumps({"people": ["a"], "count": 1}),
        "got 'people', 'count'; check --model",
    ),
    "another JSON": (".json", "3", "got '0'; check --model"),
    "damaged JSON": (".json", '{"a": [1', "expected templates as JSON, got something else"),
    "many columns": (
        ".csv",
        ",".join(map(str, range(0, 6000, 2))),
        "expected at most 1,000 fields beside a template of 8 numbers, got 3,000 in all",
    ),
    "a quote without an end": (
        ".csv",
        'identity,template\nAnn,"' + "1 " * 100_000,
        r"expected rows of cells, got others from line 2 on \(field larger than .*\); check the quotes",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_unclear_files_are_refused(case: str, tmp_path: Path) -> None:
    ending, text, message = REFUSED[case]
    with pytest.raises(InputError, match=message) as raised:
        read_templates(write(tmp_path / f"t{ending}", text), dim=DIM, skip=True)
    assert "\n" not in str(raised.value)


def test_other_encodings_and_sizes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(csv_of(["name", "t"], *paired(NAMES, JSON_ROWS)).encode("utf-16"))
    with pytest.raises(InputError, match="expected text in UTF-8, got UTF-16; save it as UTF-8"):
        read_templates(path, dim=DIM)
    path = tmp_path / "t.json"
    with path.open("wb") as file:
        file.write(b"[[")
        file.truncate(MAX_DOCUMENT + 1)
    with pytest.raises(
        InputError, match=r"expected JSON of at most .*; write one list on each line, as \.jsonl"
    ):
        read_templates(path, dim=DIM)


def test_as_many_people_with_numbers_as_a_template_has_numbers(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).normal(size=(DIM, DIM))
    content = {"ids": list(range(7, 7 + DIM)), "embeddings": rows.tolist()}
    table = read_templates(write(tmp_path / "t.json", json.dumps(content)), dim=DIM)
    assert table.identities == tuple(map(str, content["ids"]))
    assert table.templates == pytest.approx(rows / np.linalg.norm(rows, axis=1, keepdims=True), abs=1e-6)


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_rows_are_read_in_blocks(ending: str, tmp_path: Path) -> None:
    rows = np.random.default_rng(2).normal(size=(3000, DIM))
    names = [f"p{number}" for number in range(3000)]
    texts = {
        ".csv": csv_of(["name", "t"], *paired(names, map(json.dumps, rows.tolist()))),
        ".jsonl": lines_of(*({"name": name, "t": row} for name, row in paired(names, rows.tolist()))),
    }
    table = read_templates(write(tmp_path / f"t{ending}", texts[ending]), dim=DIM)
    assert table.identities == tuple(names)
    assert table.templates == pytest.approx(rows / np.linalg.norm(rows, axis=1, keepdims=True), abs=1e-6)


def test_an_identity_twice_in_one_object_is_refused(tmp_path: Path) -> None:
    # Python's parser keeps the last value without a word, so that one of two templates would be lost.
    path = tmp_path / "a.json"
    path.write_text(f'{{"Ann": {JSON_ROWS[0]}, "Bob": {JSON_ROWS[1]}, "Ann": {JSON_ROWS[2]}}}')
    with pytest.raises(InputError, match="each key once, got 'Ann' twice"):
        read_templates(path, dim=DIM)


def test_a_person_whose_name_begins_as_a_comment_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f'# faces\nidentity,template\n12,"{JSON_ROWS[0]}"\n# noted later\n#13,"{JSON_ROWS[1]}"\n')
    assert read_templates(path, dim=DIM).identities == ("12", "#13")


WORDS = ["Ann", "José", "Bob_B", "42"]


def word2vec(first: str, rows: list[list[float]] = LISTS) -> str:
    lines = [f"{name} {' '.join(map(repr, row))} " for name, row in zip(WORDS, rows, strict=False)]
    return "\n".join([first, *lines]) + "\n"


@pytest.mark.parametrize("ending", [".vec", ".txt"])
def test_text_of_word2vec(ending: str, tmp_path: Path) -> None:
    path = write(tmp_path / f"t{ending}", word2vec(f"4 {DIM}"))
    table = read_templates(path, dim=DIM)
    assert table.identities == tuple(WORDS)
    assert table.skipped == ()
    wanted = ROWS[:4] / np.linalg.norm(ROWS[:4], axis=1, keepdims=True)
    assert table.templates == pytest.approx(wanted.astype(np.float32), abs=1e-6)
    with pytest.raises(
        InputError, match="expected 5 rows, as the first line says, got 4; the file may be cut"
    ):
        read_templates(write(path, word2vec(f"5 {DIM}")), dim=DIM)
    with pytest.raises(
        InputError, match="vectors of 8 numbers, as the network makes them, got 7 by the first"
    ):
        read_templates(write(path, word2vec("4 7", [row[1:] for row in LISTS])), dim=DIM)
    damaged = word2vec(f"4 {DIM}").replace(repr(LISTS[0][3]), "x")
    table = read_templates(write(path, damaged), dim=DIM, skip=True)
    assert [row.place for row in table.skipped] == ["row 0 ('Ann')"]


LONG = np.random.default_rng(6).normal(size=(3, 64))


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[:40] + "!" + text[41:],
        lambda text: text[: len(text) // 2],
        lambda text: text + "AAAA",
        lambda _: "NA",
        lambda _: "None",
    ],
    ids=["another letter", "cut off", "longer", "NA", "None"],
)
@pytest.mark.parametrize("form", ["base64", "digits", "plain"])
def test_a_damaged_template_in_the_first_row_is_no_header(
    form: str, damage: Callable[[str], str], tmp_path: Path
) -> None:
    written = {
        "base64": encoded,
        "digits": lambda row: row.tobytes().hex(),
        "plain": lambda row: " ".join(map(str, row)),
    }[form]
    first, *rest = map(written, LONG)
    rows = paired(["Ann", "Bob", "Cat"], [damage(first), *rest])
    path = write(tmp_path / "t.csv", csv_of(*rows))
    table = read_templates(path, dim=64, skip=True)
    assert table.identities == ("Bob", "Cat")
    assert [row.place for row in table.skipped] == ["row 0 ('Ann')"]
    with pytest.raises(InputError, match=r"row 0 \('Ann'\): expected"):
        read_templates(path, dim=64)
    # With a header, the same rows have the same numbers.
    table = read_templates(write(path, csv_of(["who", "face"], *rows)), dim=64, skip=True)
    assert [row.place for row in table.skipped] == ["row 0 ('Ann')"]
    assert table.identities == ("Bob", "Cat")


def with_first(*cells: str) -> str:
    """A table of lists whose first row is given, and the others are of Bob and Cat."""
    rest = paired(["Bob", "Cat"], [json.dumps(row) for row in LONG[1:].tolist()])
    before = [[str(number)] for number in range(7, 9)] if len(cells) > 2 else [[], []]
    return csv_of(list(cells), *(more + row for more, row in zip(before, rest, strict=True)))


@pytest.mark.parametrize(
    "cells",
    [
        # A number is no name of a column, unless all columns have one.
        ("42", "ERROR"),
        ("42", "AbCdEf"),
        # No name has these signs.
        ("Ann", "#REF!"),
        ("Ann", "-"),
        ("Ann", "AbC+/"),
        # Names of columns differ.
        ("ERROR", "ERROR"),
    ],
)
def test_a_short_damaged_template_in_the_first_row_is_no_header(
    cells: tuple[str, ...], tmp_path: Path
) -> None:
    table = read_templates(write(tmp_path / "t.csv", with_first(*cells)), dim=64, skip=True)
    assert table.identities == ("Bob", "Cat")
    assert [row.place for row in table.skipped] == [f"row 0 ({cells[0]!r})"]


def test_a_damaged_first_row_of_a_column_for_each_number_is_no_header(tmp_path: Path) -> None:
    rows = [[name, *row] for name, row in zip(["Bob", "Cat"], LONG[1:].tolist(), strict=True)]
    for first in (["Ann", *["x"] * 64], ["Ann", *["x"] * 32, *LONG[0].tolist()[32:]]):
        table = read_templates(write(tmp_path / "t.csv", csv_of(first, *rows)), dim=64, skip=True)
        assert [row.place for row in table.skipped] == ["row 0 ('Ann')"]


@pytest.mark.parametrize(
    ("cells", "is_certain"),
    [
        (("identity", "t"), True),
        (("who", "face_embedding"), True),
        (("User", "data"), True),
        (("0", "person", "data"), True),
        (("who", "t"), False),
        (("Ann", "ERROR"), False),
        (("user1", "ERROR"), False),
    ],
)
def test_a_first_row_that_may_be_a_persons_is_named(
    cells: tuple[str, ...], is_certain: bool, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    table = read_templates(write(tmp_path / "t.csv", with_first(*cells)), dim=64)
    assert table.identities == ("Bob", "Cat")
    said = [str(one.message) for one in recwarn]
    assert len(said) == (not is_certain)
    if said:
        assert f"its first row, {cells[0]!r}, {cells[1]!r}, is taken for the names of columns" in said[0]
