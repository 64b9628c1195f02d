"""audit.json of an unknown source: complete and consistent, or refused in one line."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from arcinvert.audit.report import SECTION_STYLE, read_audit, sections
from arcinvert.audit.report.sections import SECTIONS
from arcinvert.audit.schema import audit_schema, validate
from recognition.errors import InputError

#: What stands in the place of a value, of any type.
WRONG: tuple[Any, ...] = (None, "x", -1, 10**400, 1.5, [], {}, True, [None], {"x": {}})


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value, the first of each list."""
    items = value.items() if isinstance(value, dict) else ()
    for key, one in enumerate(value[:1]) if isinstance(value, list) else items:
        yield (*path, key)
        yield from places(one, (*path, key))


def changed(result: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """A copy with another value at a place."""
    made = copy.deepcopy(result)
    part: Any = made
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return made


@pytest.fixture
def result(finished: Path) -> dict[str, Any]:
    return read_audit(finished)


def test_a_finished_audit_is_read_from_folder_file_and_bytes(finished: Path, result: dict[str, Any]) -> None:
    assert read_audit(finished / "audit.json") == result
    assert read_audit((finished / "audit.json").read_bytes()) == result


def test_sections_are_those_of_the_report(finished: Path, result: dict[str, Any]) -> None:
    shown = sections(result)
    # One judge agrees with nobody.
    assert list(shown) == [title for title, _ in SECTIONS if title != "Agreement of judges"]
    page = (finished / "report.html").read_text()
    assert SECTION_STYLE in page
    for title, text in shown.items():
        assert f">{title}</h2>" in page
        assert "<script" not in text
    for entry in result["identities"]:
        assert entry["pseudonym"] in shown["People at risk"]
    for sentence in result["answer"]["sentences"][:2]:
        assert sentence in shown["Answer"]


def test_text_of_a_report_stays_text(result: dict[str, Any]) -> None:
    hostile = "<script>alert(1)</script>"
    for path in (("threat_model", "network"), ("answer", "reason"), ("judges", 0, "data"), ("created",)):
        for text in sections(changed(result, path, hostile)).values():
            assert "<script" not in text


def refusal(data: bytes) -> str | None:
    """What is said of a file; None if it is shown."""
    try:
        sections(read_audit(data, name="audit.json"))
    except InputError as error:
        return str(error)
    return None


def test_whatever_is_damaged_is_one_line(result: dict[str, Any]) -> None:
    generator = np.random.default_rng(0)
    said = []
    for path in places(result):
        wrong = WRONG[int(generator.integers(len(WRONG)))]
        said.append(refusal(json.dumps(changed(result, path, wrong)).encode()))
    refused = [text for text in said if text is not None]
    # The rest are values of a right type in a free place, such as another text.
    assert len(refused) > 0.6 * len(said)
    assert all(text.startswith("audit.json: ") and len(text.splitlines()) == 1 for text in refused)


def test_the_checker_agrees_with_jsonschema(result: dict[str, Any]) -> None:
    schema = audit_schema()
    reference = jsonschema.Draft202012Validator(schema)
    generator = np.random.default_rng(1)
    for path in places(result):
        wrong = WRONG[int(generator.integers(len(WRONG)))]
        damaged = changed(result, path, wrong)
        try:
            validate(damaged, schema)
            fits = True
        except InputError:
            fits = False
        assert fits == reference.is_valid(damaged), (path, wrong)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "expected the JSON of a finished audit, got something else"),
        (b"\xff\xfe", "got something else"),
        (b"[" * 100_000, "got something else"),
        (b"[1]", "got a list"),
        (b"{}", "expected the JSON of a finished audit, got other JSON"),
        (b'{"schema": "arcinvert-audit-1"}', "got 'arcinvert-audit-1'; audit again"),
        (b'{"schema": "arcinvert-audit-2"}', "damaged: report: expected created, which is missing"),
    ],
)
def test_what_is_no_audit(content: bytes, said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_audit(content)


def test_parts_must_name_the_same_judges(result: dict[str, Any]) -> None:
    for path, value, said in (
        (("judges", 0, "name"), "somebody", "identities: expected the judges somebody"),
        (("answer", "headline_fmr"), "0.5", "expected a rate of a judge"),
        (("judges", 0, "histogram", "edges"), [2.0, 1.0], "rising edges"),
        (("judges", 0, "histogram", "attack"), [1.0], "one share between two edges"),
        (("identities",), [], "at least one person"),
        (("identities", 0, "risk"), None, "a risk of everybody"),
        (("identities", 0, "risk"), float("nan"), "expected a finite number, got nan"),
    ):
        with pytest.raises(InputError, match=said):
            read_audit(json.dumps(changed(result, path, value)).encode())


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a finished audit .*found no such file"):
        read_audit(tmp_path / "gone")
