"""The table of recipes: what its rows are called."""

import argparse

import pytest

from arcinvert.options import AttackOptions
from benchmarks.recipes import penalties, title
from recognition.config import add_arguments


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ([], "arcinvert, public-faces"),
        (["--penalty", "tv=0", "bn=2.5"], "arcinvert, public-faces, tv=0, bn=2.5"),
    ],
)
def test_other_weights_of_penalties_are_in_the_name(given: list[str], name: str) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser, AttackOptions)
    assert title("arcinvert/public-faces", penalties(parser.parse_args(given))) == name
