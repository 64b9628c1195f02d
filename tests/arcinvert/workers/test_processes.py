"""Processes of this machine: results, errors, steps, and workers that are killed."""

import os
import sys
from pathlib import Path

import pytest
import torch

from arcinvert.inversion.result import Step, StopInversion
from arcinvert.workers.base import Workers
from arcinvert.workers.open import open_workers
from recognition.errors import InputError
from tests.arcinvert.workers.work import Squares, Unsendable


def test_results_are_those_of_one_process(two_workers: Workers) -> None:
    steps: list[tuple[int, int]] = []
    found = dict(
        two_workers.map(Squares(base=1), range(6), lambda job, step: steps.append((job, step.number)))
    )
    here = dict(open_workers(1).map(Squares(base=1), range(6)))
    assert {number: one.square for number, one in found.items()} == {
        number: 1 + number**2 for number in range(6)
    }
    assert [found[number].square for number in range(6)] == [here[number].square for number in range(6)]
    assert os.getpid() not in {one.process for one in found.values()}
    assert {one.threads for one in found.values()} == {1}
    # The last step of each job is always reported.
    assert {(job, 2) for job in range(6)} <= set(steps)


def test_other_work_takes_the_place_of_the_last_one(two_workers: Workers) -> None:
    first = {one.square for _, one in two_workers.map(Squares(base=10), range(2))}
    second = {one.square for _, one in two_workers.map(Squares(base=20), range(2))}
    assert (first, second) == ({10, 11}, {20, 21})


def test_an_error_keeps_its_type_and_text_and_the_workers_go_on(two_workers: Workers) -> None:
    with pytest.raises(InputError, match="expected a number from 0, got -1") as caught:
        list(two_workers.map(Squares(), [0, -1]))
    assert "In a worker" in "".join(caught.value.__notes__)
    assert sorted(one.square for _, one in two_workers.map(Squares(), range(3))) == [0, 1, 4]


def test_the_job_of_a_killed_worker_is_done_by_another(
    two_workers: Workers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    found = dict(two_workers.map(Squares(kill=tmp_path / "killed"), range(6)))
    assert (tmp_path / "killed").exists()
    assert [found[number].square for number in range(6)] == [0, 1, 4, 9, 16, 25]
    assert [record.getMessage() for record in caplog.records] == [
        "a worker ended (signal SIGKILL): its batch is computed again by another one"
    ]


def test_a_job_that_ends_every_worker_is_reported(two_workers: Workers, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"3 of them ended at the same batch \(signal SIGKILL\)"):
        list(two_workers.map(Squares(kill=tmp_path / "killed", always=True), [3]))


def test_a_callback_can_stop(two_workers: Workers) -> None:
    def stop(job: int, step: Step) -> None:
        raise StopInversion

    with pytest.raises(StopInversion):
        list(two_workers.map(Squares(), range(4), stop))
    assert sorted(one.square for _, one in two_workers.map(Squares(), range(3))) == [0, 1, 4]


def test_steps_of_another_process_have_no_images(two_workers: Workers) -> None:
    steps: list[Step] = []
    list(two_workers.map(Squares(), [1], lambda _, step: steps.append(step)))
    assert steps[-1].losses == {"loss": 0.5}
    with pytest.raises(InputError, match="expected a run in one process"):
        steps[-1].images()


def test_work_that_cannot_be_copied_is_refused(two_workers: Workers) -> None:
    with pytest.raises(InputError, match="expected a network that can be copied to other processes"):
        list(two_workers.map(Unsendable(), [1]))


def test_this_process_has_the_threads_of_a_worker_meanwhile() -> None:
    before = torch.get_num_threads()
    with open_workers(1, threads=3):
        assert torch.get_num_threads() == 3
    assert torch.get_num_threads() == before
    with open_workers() as workers:
        assert torch.get_num_threads() == before
        assert workers.in_process


def test_a_script_from_a_pipe_has_no_file_to_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    # As in `python - < script.py`.
    monkeypatch.setattr(sys.modules["__main__"], "__file__", "<stdin>", raising=False)
    with open_workers(2, threads=1) as workers:
        assert {one.square for _, one in workers.map(Squares(base=1), range(2))} == {1, 2}
    assert sys.modules["__main__"].__file__ == "<stdin>"
