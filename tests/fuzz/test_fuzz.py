"""The fuzzer itself: it finds what it should find, and in some cases of each reader nothing."""

import random
import sys
import time
from pathlib import Path

import pytest

from recognition.errors import InputError
from tests import forked
from tests.fuzz.cases import run_case
from tests.fuzz.mutations import mutate
from tests.fuzz.readers import READERS
from tests.fuzz.runner import run

#: Damaged files of each reader.
CASES = 8

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="cases are forked and measured in /proc")


def crash(path: Path) -> None:
    raise KeyError(path.name)


def refuse(path: Path) -> None:
    raise InputError("expected better")


def refuse_at_length(path: Path) -> None:
    raise InputError("expected\nbetter")


def wait(path: Path) -> None:
    time.sleep(60)


def take_memory(path: Path) -> None:
    bytearray(1200 << 20)


@pytest.mark.parametrize(
    ("read", "kind"),
    [
        (Path.read_bytes, "read"),
        (refuse, "refused"),
        (refuse_at_length, "lines"),
        (crash, "traceback"),
        (wait, "hang"),
        (take_memory, "memory"),
    ],
)
def test_every_outcome_is_told_from_the_others(read, kind, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"content")
    outcome = run_case(read, path, deadline=20 if kind != "hang" else 0.5)
    assert outcome.kind == kind
    assert outcome.is_fault == (kind not in ("read", "refused"))


def test_a_seed_gives_the_same_damage():
    first, second = ([mutate(bytes(range(256)), random.Random(3)) for _ in range(5)] for _ in range(2))  # noqa: S311
    assert first == second


def first_cases(keep: Path) -> None:
    # As many on any machine; `python -m tests.fuzz` goes on for as long as wanted.
    cases = CASES * len(READERS)
    report = run(list(READERS), seconds=600, seed=0, keep=keep, most_cases=cases)
    assert report.cases == cases
    assert not report.faults, report.faults


@pytest.mark.slow
def test_no_reader_fails_on_its_first_cases(tmp_path):
    # In a process of its own: each case is forked, and by now this one has much memory to copy.
    done = forked.run(first_cases, tmp_path / "faults")
    assert done.returncode == 0, done.stdout + done.stderr
