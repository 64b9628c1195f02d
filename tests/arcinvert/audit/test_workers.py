"""Audits on two processes and in shards: the report of one process, byte for byte."""

import multiprocessing
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from arcinvert.audit.duration import StepSeconds
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.runner import merge_shards, preview_audit, run_audit, run_shard
from arcinvert.audit.shards import shard_folder
from arcinvert.workers.base import Workers
from arcinvert.workers.open import open_workers
from arcinvert.workers.options import Shard
from recognition.errors import InputError
from tests.arcinvert.conftest import shorten_preparation

pytestmark = pytest.mark.usefixtures("_short_preparation")
FILES = ("audit.json", "report.html", "report.md", "report.pdf")


@pytest.fixture(scope="module", autouse=True)
def small_batches_at_a_fixed_time() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
        # Six people in three batches.
        monkeypatch.setattr("arcinvert.audit.attack.BATCH", 2)
        monkeypatch.setattr("arcinvert.audit.units.CHUNK", 4)
        yield


def contents(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in FILES}


@pytest.fixture(scope="module")
def several(options: AuditOptions, tmp_path_factory: pytest.TempPathFactory) -> AuditOptions:
    """Options with two rows of defences, and a key file that all audits share."""
    key = tmp_path_factory.mktemp("keys") / "key.json"
    return replace(options, key_file=key, steps=2, defences=("noise",), defence_people=3)


@pytest.fixture(scope="module")
def whole(
    several: AuditOptions, small_batches_at_a_fixed_time: None, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """The report of one process."""
    out = tmp_path_factory.mktemp("whole") / "whole"
    with open_workers(1), pytest.MonkeyPatch.context() as monkeypatch:
        shorten_preparation(monkeypatch)
        run_audit(several, out)
    return contents(out)


def test_two_processes_of_which_one_is_killed_make_the_report_of_one(
    several: AuditOptions,
    whole: dict[str, bytes],
    two_workers: Workers,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    killed: list[int] = []
    seen: list[tuple[int, int]] = []

    def kill(done: int, steps: int) -> None:
        seen.append((done, steps))
        # Behind the preparation, which this process does: both compute now.
        if not killed and done > 3:
            victim = multiprocessing.active_children()[0]
            killed.append(victim.pid or 0)
            victim.kill()

    with open_workers(1):
        run_audit(several, tmp_path / "two", progress=kill, workers=two_workers)
    assert contents(tmp_path / "two") == whole
    assert killed
    assert "a worker ended (" in caplog.text
    assert seen[-1][0] == seen[-1][1]


def test_shards_in_any_order_make_the_report_of_one_run(
    several: AuditOptions, whole: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "merged"
    with open_workers(1):
        # Elsewhere, without a file system in common.
        seen: list[tuple[int, int]] = []
        run_shard(
            several, tmp_path / "elsewhere" / "merged", Shard(1, 2), progress=lambda *of: seen.append(of)
        )
        assert seen[-1][0] == seen[-1][1]
        with pytest.raises(InputError, match=r"expected the work of all shards .* got none; run arcinvert"):
            merge_shards(several, out)
        run_shard(several, out, Shard(0, 2))
        with pytest.raises(InputError, match=r"expected the work of shards 0 to 1 .* found none of 1"):
            merge_shards(several, out)
        one = shard_folder(tmp_path / "elsewhere" / "merged", Shard(1, 2))
        shutil.move(one, tmp_path)
        with pytest.raises(InputError, match=r"options and inputs of shard 0, got another options \(seed\)"):
            merge_shards(replace(several, seed=5), out)
        unit = next((tmp_path / one.name).glob("attack-*.npz"))
        kept = unit.read_bytes()
        unit.unlink()
        with pytest.raises(InputError, match="found none of batch 1 of 3"):
            merge_shards(several, out)
        unit.write_bytes(kept)
        merge_shards(several, out)
    assert contents(out) == whole
    assert [path.name for path in tmp_path.iterdir() if "-work" in path.name] == []


def test_a_shard_takes_the_photographs_that_another_has_embedded(
    several: AuditOptions, tmp_path: Path
) -> None:
    with open_workers(1):
        first = run_shard(several, tmp_path / "out", Shard(0, 2))
        second = run_shard(several, tmp_path / "out", Shard(1, 2))
    attacks = [{path.name for path in folder.glob("attack-*.npz")} for folder in (first, second)]
    assert attacks == [{"attack-00000.npz", "attack-00002.npz"}, {"attack-00001.npz"}]
    assert len(list(first.glob("people-*.npz"))) == 2
    assert not list(second.glob("people-*.npz"))
    assert (first.stat().st_mode & 0o777, second.stat().st_mode & 0o777) == (0o700, 0o700)


def test_a_time_limit_is_refused_in_shards(several: AuditOptions, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="minutes: expected none with --shard"):
        run_shard(replace(several, minutes=1.0), tmp_path / "out", Shard(0, 2))


def test_a_plan_counts_workers_and_parts(
    several: AuditOptions, two_workers: Workers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "arcinvert.audit.attack.NetworkAttack.seconds_per_step", lambda _: StepSeconds(60.0, 0.0)
    )
    one = preview_audit(several, tmp_path)
    two = preview_audit(several, tmp_path, workers=two_workers)
    # Three batches of two people in two rounds, and of each of two rows, one of one person and one of two at
    # once; each batch takes two steps, 0.18 s an image, and 0.06 s each time that it is judged.
    attack = 120 + 2 * 0.18 + 8 * 0.06 + 2 * (120 + 0.18 + 0.06)
    # Of 15 photographs in units of four, one worker reads eight; of six people, four with two each.
    assert one.calibration == 15
    assert one.seconds - two.seconds == pytest.approx(attack + 0.09 * ((15 - 8) + (12 - 8)))
    assert "Computed by: 2 processes of 1 thread each" in two.lines(tmp_path)
    assert not any(line.startswith("Computed by") for line in one.lines(tmp_path))
    part = preview_audit(several, tmp_path, shard=Shard(0, 3))
    assert part.spread == "part 0 of 3"
    assert part.seconds < one.seconds / 2
