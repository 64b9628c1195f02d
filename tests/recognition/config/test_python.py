"""Options as JSON, and as keywords of a function that `help()` lists."""

import inspect
import json
import pydoc
from dataclasses import fields
from pathlib import Path
from typing import Any

from recognition.config import takes, to_json
from tests.recognition.config.examples import Inner, Options


def test_json_has_lists_texts_and_tables() -> None:
    options = Options(sizes=(1, 2), folder=Path("a") / "b", weights={"tv": 1.0}, inner=Inner(rate=2.0))
    described = to_json(options)
    assert described["sizes"] == [1, 2]
    assert described["folder"] == str(Path("a") / "b")
    assert described["weights"] == {"tv": 1.0}
    assert described["inner"] == {"rate": 2.0, "weights": {}}
    assert list(described) == [entry.name for entry in fields(Options)]
    assert json.loads(json.dumps(described)) == described


@takes(Options)
def run(first: int, *, name: str = "own", **options: Any) -> dict[str, Any]:
    """Do something.

    Args:
        first: The first.
        name: The function's own name.
    """
    return {"first": first, "name": name, **options}


def test_the_signature_has_a_keyword_for_each_field() -> None:
    parameters = inspect.signature(run).parameters
    names = [entry.name for entry in fields(Options)]
    assert list(parameters) == ["first", "name", *(name for name in names if name != "name")]
    assert parameters["name"].default == "own"
    for name in set(names) - {"name"}:
        assert parameters[name].kind is inspect.Parameter.KEYWORD_ONLY
        # Every default of the signature is one that the class takes.
        assert parameters[name].default == getattr(Options(), name)
    assert parameters["steps"].annotation is int
    assert Options(**{name: parameters[name].default for name in names if name != "name"}) == Options()


def test_the_function_is_called_as_before() -> None:
    assert run(1, steps=3) == {"first": 1, "name": "own", "steps": 3}


def test_help_lists_the_options() -> None:
    text = pydoc.plain(pydoc.render_doc(run))
    assert "Do something." in text
    assert "Options, of `Options`:" in text
    assert "steps: the number of steps." in text
    assert "steps: int = 10" in text
    assert "weights: dict[str, float | None] = {}" in text
