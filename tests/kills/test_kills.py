"""A few kills of each command."""

import sys
from pathlib import Path

import pytest

from tests import forked
from tests.kills.killing import described, run
from tests.kills.scenarios import SCENARIOS, database_audit

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")


@pytest.mark.slow
def test_killed_commands_end_as_if_nothing_had_happened() -> None:
    # In a process of its own, since it forks: threads of this one's libraries may hold locks by now.
    done = forked.run(forked.module, "tests.kills", ["--times", "2", "--seed", "1", "--cheap-judge"])
    assert done.returncode == 0, done.stdout + done.stderr
    for name in SCENARIOS:
        assert f"{name}: 2 kills, 0 faults" in done.stdout


@pytest.mark.slow
def test_an_input_that_changed_after_a_kill_is_noticed() -> None:
    done = forked.run(forked.module, "tests.kills", ["--changes", "1", "--cheap-judge"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "changes: 1 changes, 0 faults" in done.stdout


@pytest.mark.slow
def test_the_audit_of_a_database_runs_without_a_kill(tmp_path: Path) -> None:
    # The one change of the test above is of the audit of a folder.
    (tmp_path / "inputs").mkdir()
    (tmp_path / "whole").mkdir()
    scenario = database_audit(tmp_path / "inputs")
    assert run(scenario, tmp_path / "whole") == 0, (tmp_path / "whole" / "log.txt").read_text()


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
