"""A few kills of each command."""

import random
import sys
from pathlib import Path

import pytest

from tests.kills.killing import described, kill
from tests.kills.scenarios import SCENARIOS, scenario_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_killed_command_ends_as_if_nothing_had_happened(name: str, tmp_path: Path) -> None:
    (tmp_path / "inputs").mkdir()
    scenario = scenario_of(name, tmp_path / "inputs")
    assert kill(scenario, tmp_path / "killed", 2, random.Random(1)) == []  # noqa: S311


def test_a_leftover_or_another_result_is_found(tmp_path: Path) -> None:
    (tmp_path / "result.json").write_text('{"value": 1, "seconds": 2}')
    before = described(tmp_path)
    (tmp_path / "result.json").write_text('{"value": 1, "seconds": 3}')
    assert described(tmp_path) == before
    (tmp_path / ".result.json.1-00000000.part").write_text("")
    assert described(tmp_path) != before
    (tmp_path / ".result.json.1-00000000.part").unlink()
    (tmp_path / "result.json").write_text('{"value": 2, "seconds": 2}')
    assert described(tmp_path) != before
