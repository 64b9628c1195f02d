"""Jobs are watched, stopped, abandoned and limited in time, and run one at a time."""

import threading
import time
from typing import Any

import pytest
import torch

from app.jobs import Abandoned, Job, Jobs
from arcinvert import Step, StopInversion


def inversion(job: Job, steps: int, *, pause: float = 0.0) -> str:
    """Do what an attack does within a job, without a network."""
    for number in range(1, steps + 1):
        time.sleep(pause)
        try:
            job.progress(Step(number, steps, {}, lambda: torch.full((2, 3, 4, 5), 0.5)))
        except StopInversion:
            return f"stopped after {number}"
    return "whole"


def test_frames_then_the_result() -> None:
    job = Job(lambda job: inversion(job, 9), limit=60, every=4)
    frames = list(job.frames())
    assert [frame.step for frame in frames] == [1, 4, 8, 9]
    assert {frame.steps for frame in frames} == {9}
    assert frames[0].images.shape == (2, 4, 5, 3)
    assert (frames[0].images == 128).all()
    assert job.result() == "whole"
    assert not job.stopped


def test_the_time_left_follows_from_the_time_taken() -> None:
    job = Job(lambda job: inversion(job, 4, pause=0.01), limit=60, every=1)
    for frame in job.frames():
        assert frame.seconds_left == pytest.approx(frame.seconds * (4 - frame.step) / frame.step)


def test_a_stopped_job_keeps_its_result() -> None:
    job = Job(lambda job: inversion(job, 10_000, pause=0.001), limit=60)
    frames = job.frames()
    next(frames)
    job.stop()
    last = list(frames)[-1]
    assert job.result() == f"stopped after {last.step}"
    assert job.stopped
    assert not job.timed_out


def test_the_time_is_limited() -> None:
    job = Job(lambda job: inversion(job, 10_000, pause=0.01), limit=0.05)
    list(job.frames())
    assert job.timed_out
    assert str(job.result()).startswith("stopped after")


def test_leaving_ends_the_job() -> None:
    job = Job(lambda job: inversion(job, 10_000, pause=0.001), limit=60)
    frames = job.frames()
    next(frames)
    frames.close()
    with pytest.raises(Abandoned):
        job.result()


def test_errors_are_raised_by_result() -> None:
    def broken(job: Job) -> None:
        raise ValueError("no such face")

    job = Job(broken, limit=60)
    assert list(job.frames()) == []
    with pytest.raises(ValueError, match="no such face"):
        job.result()


def test_one_at_a_time() -> None:
    running, most = [0], [0]
    lock = threading.Lock()

    def work(job: Job) -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.02)
        with lock:
            running[0] -= 1

    jobs = [Job(work, limit=60) for _ in range(4)]
    for job in jobs:
        job.result()
    assert most == [1]


def test_jobs_run_in_their_order() -> None:
    order: list[int] = []
    go = threading.Event()
    head = Job(lambda job: go.wait(), limit=60)
    jobs = [Job(lambda job, number=number: order.append(number), limit=60) for number in range(20)]
    go.set()
    for job in [head, *jobs]:
        job.result()
    assert order == list(range(20))


def test_a_job_abandoned_while_waiting_never_runs() -> None:
    go, ran = threading.Event(), threading.Event()
    head = Job(lambda job: go.wait(), limit=60)
    waiting = Job(lambda job: ran.set(), limit=60)
    waiting.abandon()
    go.set()
    head.result()
    with pytest.raises(Abandoned):
        waiting.result()
    assert not ran.is_set()


def test_a_visitor_has_one_job() -> None:
    # So long that neither ends by itself, even on a slow machine.
    jobs = Jobs()
    first = jobs.start("a", lambda job: inversion(job, 1_000_000, pause=0.001), limit=60)
    jobs.stop("b")
    second = jobs.start("a", lambda job: inversion(job, 3), limit=60)
    other = jobs.start("b", lambda job: inversion(job, 1_000_000, pause=0.001), limit=60)
    with pytest.raises(Abandoned):
        first.result()
    assert second.result() == "whole"
    next(other.frames())
    jobs.stop("b")
    with pytest.raises(Abandoned):
        other.result()


def test_parts_have_times_of_their_own() -> None:
    def work(job: Job) -> None:
        for part in range(2):
            job.begin_part(part)
            inversion(job, 2, pause=0.05)

    frames: list[Any] = list(Job(work, limit=60, every=1).frames())
    assert [(frame.part, frame.step) for frame in frames] == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert frames[2].seconds < frames[1].seconds


def test_batches_are_counted_through() -> None:
    def work(job: Job) -> None:
        for batch in (1, 2):
            for number in (1, 2, 3):
                job.progress(Step(number, 3, {}, lambda: torch.zeros(1, 3, 4, 5), batch, 2))

    frames = list(Job(work, limit=60, every=1).frames())
    assert [(frame.step, frame.steps) for frame in frames] == [(number, 6) for number in range(1, 7)]
