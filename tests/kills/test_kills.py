"""A few kills of each command."""

import random
from pathlib import Path

import pytest

from tests.kills.killing import kill, prepare


@pytest.mark.slow
@pytest.mark.parametrize("name", ["generate", "audit"])
def test_a_killed_command_ends_as_if_nothing_had_happened(name: str, tmp_path: Path) -> None:
    (scenario,) = (one for one in prepare(tmp_path) if one.name == name)
    assert kill(scenario, tmp_path / "killed", 3, random.Random(1)) == []  # noqa: S311
