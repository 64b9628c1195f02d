"""Values from the command line, from NAME=VALUE pairs and from TOML files."""

import argparse
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from recognition.config import add_arguments, gather, parse_pairs, read_toml
from recognition.errors import InputError
from tests.recognition.config.examples import Inner, Options

#: Each field on the command line, in TOML, as a pair, and the value that all of them give.
SPELLINGS: list[tuple[str, list[str], str, str, Any]] = [
    ("steps", ["--steps", "3"], "steps = 3", "steps=3", 3),
    ("rate", ["--rate", "0.5"], "rate = 0.5", "rate=0.5", 0.5),
    ("rate", ["--rate", "1"], "rate = 1", "rate=1", 1.0),
    ("flip", ["--flip"], "flip = true", "flip=true", True),
    ("flip", ["--no-flip"], "flip = false", "flip=False", False),
    ("name", ["--name", "a b"], 'name = "a b"', "name=a b", "a b"),
    ("level", ["--level", "high"], 'level = "high"', "level=high", "high"),
    ("part", ["--part", "two"], 'part = "two"', "part=two", "two"),
    ("folder", ["--folder", "a/b"], 'folder = "a/b"', "folder=a/b", Path("a/b")),
    ("sizes", ["--sizes", "1", "2"], "sizes = [1, 2]", "sizes=1,2", (1, 2)),
    ("sizes", ["--sizes", "1", "--sizes", "2"], "sizes = [1, 2]", "sizes=1,2", (1, 2)),
    ("weights", ["--weights", "tv=1"], "weights = {tv = 1}", "weights=tv=1", {"tv": 1.0}),
    ("inner", ["--inner", "rate=2"], "[inner]\nrate = 2", "", Inner(rate=2.0)),
    (
        "inner",
        ["--inner", "rate=2", "weights=tv=1"],
        "[inner]\nrate = 2\n[inner.weights]\ntv = 1",
        "",
        Inner(rate=2.0, weights={"tv": 1.0}),
    ),
    ("offset", ["--moved-by", "-2"], "offset = -2", "offset=-2", -2.0),
]


def parse(*arguments: str, file: Path | None = None) -> Options:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_arguments(parser, Options)
    return Options(**gather(Options, parser.parse_args(arguments), file=file))


def write(folder: Path, content: str) -> Path:
    path = folder / "options.toml"
    path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(("name", "arguments", "toml", "pair", "value"), SPELLINGS)
def test_every_kind_of_field_from_every_source(
    name: str, arguments: list[str], toml: str, pair: str, value: Any, tmp_path: Path
) -> None:
    taken = [parse(*arguments), Options(**read_toml(Options, write(tmp_path, toml)))]
    if pair:
        taken.append(Options(**parse_pairs("options", [pair], Options)))
    for options in taken:
        assert getattr(options, name) == value
        assert type(getattr(options, name)) is type(value)
        assert all(
            getattr(options, entry.name) == getattr(Options(), entry.name)
            for entry in fields(Options)
            if entry.name != name
        )


def test_nothing_given_gathers_nothing() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser, Options)
    assert gather(Options, parser.parse_args([])) == {}
    assert parse() == Options()


def test_the_command_line_overrides_the_file_table_in_table(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        "steps = 3\nrate = 0.5\nweights = {tv = 1, bn = 2}\n"
        "[inner]\nrate = 2\n[inner.weights]\ntv = 1\nbn = 2\n",
    )
    options = parse("--steps", "7", "--weights", "tv=0", "--inner", "weights=bn=0", file=path)
    assert (options.steps, options.rate) == (7, 0.5)
    assert options.weights == {"tv": 0.0, "bn": 2.0}
    assert options.inner == Inner(rate=2.0, weights={"tv": 1.0, "bn": 0.0})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("stepz = 3", "expected a known option, got 'stepz'; the nearest is 'steps'"),
        ("[inner]\nrat = 3", "expected a known option, got 'rat'; the nearest is 'rate'"),
        ("steps = ", "expected TOML, got something else (Invalid value (at end of document))"),
        ("a = " + 2000 * "[", "expected TOML, got something else ("),
    ],
)
def test_files_that_are_refused(content: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, content)
    with pytest.raises(InputError) as refused:
        read_toml(Options, path)
    assert str(refused.value).startswith(f"{path}: {message}")
    assert "\n" not in str(refused.value)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "options.toml"
    with pytest.raises(InputError, match=r"^.*options\.toml: expected a TOML file, cannot be read \(No such"):
        read_toml(Options, path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"^.*options\.toml: expected TOML, got something else \(.*utf-8"):
        read_toml(Options, path)
    with pytest.raises(InputError, match=r"expected a TOML file, cannot be read \("):
        read_toml(Options, tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("steps = 1.5", "steps: expected a whole number, got 1.5"),
        ("steps = true", "steps: expected a whole number, got True"),
        ("rate = nan", "rate: expected a finite number above 0 to 2, got nan"),
        ("rate = inf", "rate: expected a finite number above 0 to 2, got inf"),
        ("name = 1979-05-27", "name: expected a text, got datetime.date(1979, 5, 27)"),
        ("sizes = 3", "sizes: expected several values, got 3"),
        ("weights = 3", "weights: expected a dictionary of names to values, got 3"),
        ("inner = 3", "inner: expected a table of options, got 3"),
        ("[inner]\nrate = -1", "inner: rate: expected a finite number above 0, got -1.0"),
    ],
)
def test_values_of_a_file_are_checked_as_all_others(content: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        Options(**read_toml(Options, write(tmp_path, content)))
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        ("weights = 3", ["--weights", "tv=1"], "weights: expected a table, got 3"),
        ("inner = 3", ["--inner", "rate=1"], "inner: expected a table, got 3"),
        ("[inner]\nweights = 3", ["--inner", "weights=tv=1"], "inner weights: expected a table, got 3"),
    ],
)
def test_a_table_cannot_override_something_else(
    content: str, arguments: list[str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as refused:
        parse(*arguments, file=write(tmp_path, content))
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("steps", "options: expected NAME=VALUE, got 'steps'"),
        ("steps=", "options: expected NAME=VALUE, got 'steps='"),
        ("stepz=3", "options: expected a known option, got 'stepz'; the nearest is 'steps'"),
        ("steps=1.5", "options: steps: expected a whole number, got '1.5'"),
        ("rate=fast", "options: rate: expected a number, got 'fast'"),
        ("flip=1", "options: flip: expected true or false, got '1'"),
        ("sizes=1,x", "options: sizes: expected a whole number, got 'x'"),
        ("weights=tv", "options: weights: expected NAME=VALUE, got 'tv'"),
        ("weights==1", "options: weights: expected NAME=VALUE, got '=1'"),
        ("weights=tv=x", "options: weights tv: expected a number, got 'x'"),
    ],
)
def test_pairs_that_are_refused(pair: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_pairs("options", [pair], Options)
    assert str(refused.value) == message


def test_pairs_may_have_dashes_and_come_several_times() -> None:
    values = parse_pairs("options", ["weights=tv=1", "weights=colour-tv=2", "steps=3", "steps=4"], Options)
    assert values == {"weights": {"tv": 1.0, "colour-tv": 2.0}, "steps": 4}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--steps", "1.5"], "argument --steps: expected a whole number, got '1.5'"),
        (["--rate", "fast"], "argument --rate: expected a number, got 'fast'"),
        (["--level", "middle"], "argument --level: invalid choice: 'middle'"),
    ],
)
def test_arguments_that_are_refused(arguments: list[str], message: str) -> None:
    with pytest.raises(argparse.ArgumentError) as refused:
        parse(*arguments)
    assert str(refused.value).startswith(message)


def test_numbers_are_checked_when_the_class_is_made() -> None:
    with pytest.raises(InputError, match=r"^rate: expected a finite number above 0 to 2, got nan$"):
        parse("--rate", "nan")
    with pytest.raises(InputError, match=r"^weights tv: expected a finite number from 0 up, got -1\.0$"):
        parse("--weights", "tv=-1")


def test_help_has_groups_defaults_and_placeholders() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser, Options, exclude=["name"], shown={"rate": "the recipe's 100 %"})
    text = " ".join(parser.format_help().split())
    assert "length: --steps N the number of steps (default: 10)" in text
    assert "--rate X the rate of 100 % (default: the recipe's 100 %)" in text
    assert "--flip, --no-flip whether to mirror" in text
    assert "--weights NAME=VALUE [NAME=VALUE ...]" in text
    assert "--moved-by PIXELS an offset (default: 0.0)" in text
    assert "--folder PATH" in text
    assert "--name" not in text
