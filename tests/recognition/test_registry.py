"""Registries: names without imports, parts when they are used, and parts from outside."""

import subprocess
import sys
from collections import OrderedDict
from decimal import Decimal

import pytest

from recognition.errors import InputError
from recognition.registry import Entry, Registry, build


def numbers() -> Registry[type]:
    return Registry(
        "number",
        {
            "whole": Entry("builtins:int", "a whole number"),
            "decimal": Entry("decimal:Decimal", "a decimal number"),
            "missing": Entry("no_such_module:Part", "cannot be imported"),
        },
    )


def test_it_is_a_mapping_of_names_to_parts() -> None:
    registry = numbers()
    assert list(registry) == ["whole", "decimal", "missing"]
    assert (len(registry), "whole" in registry, "other" in registry) == (3, True, False)
    assert registry["whole"] is int
    assert registry["decimal"] is Decimal
    assert registry.help() == (
        "whole: a whole number; decimal: a decimal number; missing: cannot be imported"
    )


def test_a_part_is_imported_when_it_is_used() -> None:
    registry = numbers()
    registry.check("missing")
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        registry["missing"]


def test_listing_the_names_imports_no_torch() -> None:
    code = (
        "import sys; from arcinvert.options import AttackOptions; "
        "from arcinvert.inversion.penalties import PENALTIES; "
        "assert 'bn' in PENALTIES and PENALTIES.help(); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_names_are_refused_with_the_known_ones() -> None:
    for refused in (lambda: numbers().check("other"), lambda: numbers()["other"]):
        with pytest.raises(InputError) as error:
            refused()
        assert str(error.value) == "number: expected one of whole, decimal, missing, got 'other'"


def test_parts_from_outside() -> None:
    registry = numbers()
    registry.register("ordered", Entry("collections:OrderedDict", "not a number"))
    assert list(registry)[-1] == "ordered"
    assert registry["ordered"] is OrderedDict
    assert registry.help().endswith("ordered: not a number")
    with pytest.raises(ValueError, match=r"^number: expected a new name, got 'ordered', which is taken$"):
        registry.register("ordered", Entry("builtins:int", "another"))
    assert registry["ordered"] is OrderedDict
    registry.unregister("ordered")
    assert "ordered" not in registry
    with pytest.raises(InputError, match=r"^number: expected one of"):
        registry.unregister("ordered")
    assert "ordered" not in numbers()


class Part:
    """A part with options."""

    def __init__(self, size: int, *, scale: float = 1.0, count: int = 2) -> None:
        self.values = (size, scale, count)


def test_a_word_with_options_builds_a_part() -> None:
    parts = {"part": Part}
    assert build("part", "part", parts, 3).values == (3, 1.0, 2)
    assert build("part", "part:scale=0.5,count=7", parts, 3).values == (3, 0.5, 7)
    assert build("part", "part:count=7", parts, 3, defaults={"scale": 4.0, "other": 1}).values == (3, 4.0, 7)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("other", "part: expected one of part, got 'other'"),
        ("part:scale", "part part: expected options of it as option=value (scale, count), got 'scale'"),
        ("part:size=1", "part part: expected options of it as option=value (scale, count), got 'size=1'"),
        ("part:count=1.5", "part part: expected a number for count, got '1.5'"),
    ],
)
def test_words_that_are_refused(spec: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        build("part", spec, {"part": Part}, 3)
    assert str(refused.value) == message
