"""Fields of a class of options: what values they take, and what is refused with which words."""

from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from recognition.config import Kind, check, check_name, kinds, option
from recognition.errors import InputError
from recognition.registry import Entry, Registry
from tests.recognition.config.examples import Inner, Options


def test_kinds_are_read_from_the_annotations() -> None:
    assert kinds(Options) == {
        "steps": Kind(int, many=False, mapping=False, optional=False, choices=()),
        "rate": Kind(float, many=False, mapping=False, optional=True, choices=()),
        "fraction": Kind(float, many=False, mapping=False, optional=False, choices=()),
        "flip": Kind(bool, many=False, mapping=False, optional=True, choices=()),
        "name": Kind(str, many=False, mapping=False, optional=False, choices=()),
        "level": Kind(str, many=False, mapping=False, optional=False, choices=("low", "high")),
        "part": Kind(str, many=False, mapping=False, optional=True, choices=("one", "two")),
        "folder": Kind(Path, many=False, mapping=False, optional=True, choices=()),
        "sizes": Kind(int, many=True, mapping=False, optional=False, choices=()),
        "weights": Kind(float, many=False, mapping=True, optional=False, choices=()),
        "inner": Kind(Inner, many=False, mapping=False, optional=False, choices=()),
        "offset": Kind(float, many=False, mapping=False, optional=False, choices=()),
    }


@pytest.mark.parametrize(
    ("given", "value"),
    [
        ({"steps": 3}, 3),
        ({"steps": np.int64(3)}, 3),
        ({"steps": torch.tensor(3)}, 3),
        ({"rate": 1}, 1.0),
        ({"rate": np.float32(0.5)}, 0.5),
        ({"rate": None}, None),
        ({"rate": 2}, 2.0),
        ({"fraction": 0}, 0.0),
        ({"flip": False}, False),
        ({"flip": np.bool_(True)}, True),
        ({"name": "other"}, "other"),
        ({"level": "high"}, "high"),
        ({"part": "two"}, "two"),
        ({"folder": "a/b"}, Path("a/b")),
        ({"sizes": [1, np.int32(2)]}, (1, 2)),
        ({"weights": {"tv": 1, "bn": None}}, {"tv": 1.0, "bn": None}),
        ({"inner": {"rate": 1}}, Inner(rate=1.0)),
        ({"inner": Inner(rate=3.0)}, Inner(rate=3.0)),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_keyword_arguments(given: dict[str, Any], value: Any) -> None:
    (name,) = given
    taken = getattr(Options(**given), name)
    assert taken == value
    # numpy's and torch's numbers become Python's, so that JSON takes them.
    assert type(taken) is type(value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": 1.5}, "steps: expected a whole number, got 1.5"),
        ({"steps": 3.0}, "steps: expected a whole number, got 3.0"),
        ({"steps": "3"}, "steps: expected a whole number, got '3'"),
        ({"steps": True}, "steps: expected a whole number, got True"),
        ({"steps": None}, "steps: expected a whole number, got None"),
        ({"steps": 0}, "steps: expected a whole number from 1 up, got 0"),
        ({"rate": "1"}, "rate: expected a number, got '1'"),
        ({"rate": True}, "rate: expected a number, got True"),
        ({"rate": 0}, "rate: expected a finite number above 0 to 2, got 0.0"),
        ({"rate": 2.5}, "rate: expected a finite number above 0 to 2, got 2.5"),
        ({"rate": float("nan")}, "rate: expected a finite number above 0 to 2, got nan"),
        ({"rate": float("inf")}, "rate: expected a finite number above 0 to 2, got inf"),
        ({"rate": 1 + 1j}, "rate: expected a number, got (1+1j)"),
        ({"fraction": 1}, "fraction: expected a finite number from 0 to below 1, got 1.0"),
        ({"fraction": -0.5}, "fraction: expected a finite number from 0 to below 1, got -0.5"),
        ({"offset": float("-inf")}, "offset: expected a finite number, got -inf"),
        ({"offset": float("nan")}, "offset: expected a finite number, got nan"),
        ({"flip": 1}, "flip: expected true or false, got 1"),
        ({"flip": "true"}, "flip: expected true or false, got 'true'"),
        ({"name": 3}, "name: expected a text, got 3"),
        ({"level": "middle"}, "level: expected one of low, high, got 'middle'"),
        ({"level": 3}, "level: expected one of low, high, got 3"),
        ({"part": "three"}, "part: expected one of one, two, got 'three'"),
        ({"folder": 3}, "folder: expected a path, got 3"),
        ({"sizes": 3}, "sizes: expected several values, got 3"),
        ({"sizes": "12"}, "sizes: expected several values, got '12'"),
        ({"sizes": [1, 0]}, "sizes: expected a whole number from 1 up, got 0"),
        ({"sizes": [1.5]}, "sizes: expected a whole number, got 1.5"),
        ({"weights": 3}, "weights: expected a dictionary of names to values, got 3"),
        ({"weights": None}, "weights: expected a dictionary of names to values, got None"),
        ({"weights": {"tv": "1"}}, "weights tv: expected a number, got '1'"),
        ({"weights": {"tv": -1}}, "weights tv: expected a finite number from 0 up, got -1.0"),
        ({"inner": 3}, "inner: expected a table of options, got 3"),
        ({"inner": {"rate": -1}}, "inner: rate: expected a finite number above 0, got -1.0"),
        ({"inner": {"rat": 1}}, "inner: expected a known option, got 'rat'; the nearest is 'rate'"),
    ],
    ids=lambda value: value.split(": expected")[0] if isinstance(value, str) else repr(value)[:40],
)
def test_refusals(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        Options(**given)
    assert str(refused.value) == message


def test_a_number_that_no_float_holds_is_refused() -> None:
    with pytest.raises(InputError, match=r"^rate: expected a number, got 10+$"):
        Options(rate=10**400)


@pytest.mark.parametrize(("name", "nearest"), [("step", "steps"), ("Rate", "rate"), ("zzz", "steps")])
def test_unknown_names_get_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(InputError) as refused:
        check_name(Options, name)
    # Even a name that resembles none gets a suggestion.
    assert str(refused.value).startswith(f"expected a known option, got {name!r}; the nearest is ")
    assert name == "zzz" or str(refused.value).endswith(repr(nearest))
    check_name(Options, nearest)


def test_options_are_frozen_and_dictionaries_are_not_shared() -> None:
    options = Options()
    with pytest.raises(FrozenInstanceError):
        options.steps = 3  # type: ignore[misc]
    options.weights["tv"] = 1.0
    assert Options().weights == {}
    given = {"tv": 1.0}
    taken = Options(weights=given)
    given["tv"] = 2.0
    assert taken.weights == {"tv": 1.0}


def test_choices_follow_a_registry() -> None:
    registry: Registry[type] = Registry("part", {"one": Entry("builtins:int", "a whole number")})

    @dataclass(frozen=True)
    class Chosen:
        part: str | None = option(help="the part", choices=registry)

        def __post_init__(self) -> None:
            check(self)

    with pytest.raises(InputError, match=r"^part: expected one of one, got 'two'$"):
        Chosen(part="two")
    registry.register("two", Entry("builtins:float", "a number"))
    assert Chosen(part="two").part == "two"
