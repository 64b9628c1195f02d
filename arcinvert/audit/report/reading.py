"""Read audit.json of an unknown source: whatever is wrong with it is one line."""

from itertools import pairwise
from pathlib import Path
from typing import Any

from arcinvert.audit.schema import audit_schema, validate
from recognition.errors import InputError
from recognition.files import parse_json, printable, read_bytes

#: The file's name in the folder of a report.
JSON_NAME = "audit.json"
#: Largest file in bytes; an audit of ten thousand people has 10 MB.
_MAX_BYTES = 256 << 20


def read_audit(source: str | Path | bytes, *, name: str = JSON_NAME) -> dict[str, Any]:
    """Return the content of an audit.json that is complete and consistent.

    Args:
        source: A finished audit's folder, its audit.json, or the bytes of one.
        name: What errors call the bytes.

    Raises:
        InputError: If there is no such file, or it is something else, of another version, or damaged.
    """
    if not isinstance(source, bytes):
        path = Path(source)
        path = path / JSON_NAME if path.is_dir() else path
        name = printable(path)
        source = read_bytes(path, f"a finished audit ({JSON_NAME})", _MAX_BYTES)
    result = _parse(source, name)
    schema = audit_schema()
    version = schema["properties"]["schema"]["const"]
    if "schema" not in result:
        raise InputError(
            f"{name}: expected the JSON of a finished audit, got other JSON; give its {JSON_NAME}"
        )
    if result["schema"] != version:
        raise InputError(
            f"{name}: expected a finished audit of {version}, got {str(result['schema'])[:60]!r}; audit again"
        )
    try:
        validate(result, schema)
        _check_names(result)
    except InputError as error:
        raise InputError(f"{name}: damaged: {error}; audit again") from None
    except RecursionError:
        raise InputError(f"{name}: damaged: nested too deeply; audit again") from None
    return result


def _parse(data: bytes, name: str) -> dict[str, Any]:
    try:
        content = parse_json(data.decode("utf-8"))
    except ValueError:
        raise InputError(f"{name}: expected the JSON of a finished audit, got something else") from None
    if not isinstance(content, dict):
        raise InputError(f"{name}: expected the JSON of a finished audit, got a {type(content).__name__}")
    return content


def _check_names(result: dict[str, Any]) -> None:
    """Check what a schema cannot say: that parts name the same judges, rates and people.

    Raises:
        InputError: If they do not.
    """
    judges = [judge["name"] for judge in result["judges"]]
    if len(set(judges)) != len(judges):
        raise InputError("judges: expected different names, got one twice")
    if judges and not result["identities"]:
        raise InputError("identities: expected at least one person, got none")
    headline = result["answer"]["headline_fmr"]
    if judges and headline is not None and not any(headline in judge["sar"] for judge in result["judges"]):
        raise InputError(f"answer.headline_fmr: expected a rate of a judge, got {headline[:40]!r}")
    for judge in result["judges"]:
        _check_judge(judge)
    named = [(part, entry["judges"]) for part in ("identities", "defences") for entry in result[part]]
    named += [("subgroups", entry["sar"]) for entry in result["subgroups"] if entry["sar"] is not None]
    for part, entry in named:
        if set(entry) != set(judges):
            raise InputError(f"{part}: expected the judges {', '.join(judges)[:80]}, got others")
    if judges and any(entry["risk"] is None for entry in result["identities"]):
        raise InputError("identities: expected a risk of everybody, got none")


def _check_judge(judge: dict[str, Any]) -> None:
    name, histogram = judge["name"], judge["histogram"]
    edges = histogram["edges"]
    if any(low >= high for low, high in pairwise(edges)):
        raise InputError(f"histogram of {name}: expected rising edges")
    if any(len(shares) != len(edges) - 1 for kind, shares in histogram.items() if kind != "edges"):
        raise InputError(f"histogram of {name}: expected one share between two edges")
