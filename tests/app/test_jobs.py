"""Jobs run one at a time; they are watched, stopped, abandoned, limited in time, and wait in a queue."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from app import job as job_module
from app import jobs as module
from app.job import CANCELLED, Abandoned, Job
from app.jobs import REPLACED, Jobs
from app.updates import Ending, Frame, Preparing, Progress, Started, Waiting
from arcinvert import InputError, Step, StopInversion

#: So long that it does not end by itself, even on a slow machine.
ENDLESS = 1_000_000


@pytest.fixture
def jobs() -> Iterator[Jobs]:
    found = Jobs()
    yield found
    found.close()


def inversion(job: Job, steps: int, *, pause: float = 0.0) -> str:
    """Do what an attack does within a job, without a network."""
    for number in range(1, steps + 1):
        time.sleep(pause)
        try:
            job.progress(Step(number, steps, {}, lambda: torch.full((2, 3, 4, 5), 0.5)))
        except StopInversion:
            return f"stopped after {number}"
    return "whole"


def endless(job: Job) -> str:
    return inversion(job, ENDLESS, pause=0.001)


def frames(job: Job) -> Iterator[Frame]:
    return (update for update in job.updates() if isinstance(update, Frame))


def test_frames_then_the_result(jobs: Jobs) -> None:
    job = jobs.start("a", lambda job: inversion(job, 9), limit=60, every=4)
    first, *seen = job.updates()
    assert first == Started()
    assert [frame.step for frame in seen if isinstance(frame, Frame)] == [1, 4, 8, 9]
    last = seen[-1]
    assert isinstance(last, Frame)
    assert last.steps == 9
    assert last.images.shape == (2, 4, 5, 3)
    assert (last.images == 128).all()
    assert job.result() == "whole"
    assert not job.stopped


def test_a_film_has_more_frames_than_are_seen(jobs: Jobs) -> None:
    """An attack of nine quick steps, of which the visitor sees the first and the last."""
    job = jobs.start("a", lambda job: inversion(job, 9), limit=60, every=2)
    seen = [(frame.step, frame.is_due) for frame in frames(job)]
    assert seen == [(1, True), (2, False), (4, False), (6, False), (8, False), (9, True)]


def test_the_time_left_follows_from_the_time_taken(jobs: Jobs) -> None:
    job = jobs.start("a", lambda job: inversion(job, 4, pause=0.01), limit=60, every=1)
    for frame in frames(job):
        assert frame.seconds_left == pytest.approx(frame.seconds * (4 - frame.step) / frame.step)


def test_the_time_left_counts_the_parts_to_come(jobs: Jobs) -> None:
    job = Job(lambda job: None, limit=60, every=1, parts=3, jobs=jobs)
    assert job.seconds_left(7) == 7
    job.begin_part(1)
    with pytest.MonkeyPatch.context() as patch:
        begin = time.monotonic()
        patch.setattr(job_module.time, "monotonic", lambda: begin)
        job.begin_part(1)
        patch.setattr(job_module.time, "monotonic", lambda: begin + 2)
        job.progress(Step(1, 4, {}, lambda: torch.zeros(1, 3, 4, 5)))
    # 2 s a step: three steps of this part, and four of the last.
    assert job.seconds_left(7) == pytest.approx(14)


def test_a_stopped_job_keeps_its_result(jobs: Jobs) -> None:
    job = jobs.start("a", endless, limit=60)
    seen = frames(job)
    next(seen)
    jobs.stop("a")
    last = list(seen)[-1]
    assert job.result() == f"stopped after {last.step}"
    assert job.stopped
    assert not job.timed_out


def test_the_time_is_limited(jobs: Jobs) -> None:
    job = jobs.start("a", lambda job: inversion(job, ENDLESS, pause=0.01), limit=0.05)
    list(job.updates())
    assert job.timed_out
    assert str(job.result()).startswith("stopped after")


def preparing(job: Job, *, is_limited: bool = False) -> None:
    for done in range(ENDLESS):
        time.sleep(0.001)
        job.prepare("Measuring", done, ENDLESS, is_limited=is_limited)


def test_what_comes_before_the_first_step_is_seen_and_can_be_cancelled(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_module, "FRAME_INTERVAL", 0.01)
    job = jobs.start("a", preparing, limit=0.05)
    seen = job.updates()
    stages = (update for update in seen if isinstance(update, Preparing))
    assert next(stages) == Preparing("Measuring", 0, ENDLESS, None)
    later = next(stages)
    assert later.seconds_left == pytest.approx(ENDLESS * 0.0015, rel=0.5)
    # The next visitor's waiting time is that of the measurement and of the attack.
    assert job.seconds_left(7) > 7 + ENDLESS * 0.0007
    # It is done once for all visitors: the time limit is that of the attack.
    time.sleep(0.1)
    assert not job.timed_out
    # There is nothing to keep yet.
    job.stop()
    assert Ending("Cancelling") in list(seen)
    with pytest.raises(Abandoned, match=CANCELLED):
        job.result()


def test_what_each_job_prepares_counts_for_its_limit(jobs: Jobs) -> None:
    job = jobs.start("a", lambda job: preparing(job, is_limited=True), limit=0.05)
    list(job.updates())
    with pytest.raises(Abandoned, match=r"longer than the 0\.05 seconds"):
        job.result()


def test_a_visitor_who_leaves_a_measurement_blocks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", 0.02)
    here = {"a": True, "b": True}
    jobs = Jobs(lambda session: here[session])
    first = jobs.start("a", preparing, limit=60)
    assert next(first.updates()) == Started()
    second = jobs.start("b", lambda job: "done", limit=60)
    here["a"] = False
    assert second.result() == "done"
    jobs.close()


def test_leaving_ends_the_job(jobs: Jobs) -> None:
    job = jobs.start("a", endless, limit=60)
    seen = job.updates()
    assert [next(seen), next(seen)]
    seen.close()
    with pytest.raises(Abandoned):
        job.result()


def test_errors_are_raised_by_result(jobs: Jobs) -> None:
    def broken(job: Job) -> None:
        raise ValueError("no such face")

    job = jobs.start("a", broken, limit=60)
    assert list(job.updates()) == [Started()]
    with pytest.raises(ValueError, match="no such face"):
        job.result()


def test_jobs_run_one_at_a_time_in_their_order(jobs: Jobs) -> None:
    running, most, order = [0], [0], list[int]()
    go = threading.Event()

    def work(number: int) -> None:
        running[0] += 1
        most[0] = max(most[0], running[0])
        time.sleep(0.01)
        order.append(number)
        running[0] -= 1

    head = jobs.start("head", lambda job: go.wait(), limit=60)
    started = [jobs.start(f"{n}", lambda job, n=n: work(n), limit=60) for n in range(7)]
    go.set()
    for job in [head, *started]:
        job.result()
    assert most == [1]
    assert order == list(range(7))


def test_places_in_the_queue(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_module, "PLACE_INTERVAL", 0.01)
    go = threading.Event()
    head = jobs.start("head", lambda job: go.wait(), limit=60)
    assert next(head.updates()) == Started()
    second, third = (jobs.start(name, lambda job: None, limit=60) for name in "bc")
    # The typical 30 s for each that has not made a step.
    waits, later = second.updates(), third.updates()
    assert next(waits) == Waiting(1, 30)
    assert next(later) == Waiting(2, 60)
    jobs.abandon("b")
    assert next(later) == Waiting(1, 30)
    go.set()
    assert list(later) == [Started()]


def test_a_job_cancelled_while_waiting_never_runs(jobs: Jobs) -> None:
    go, ran = threading.Event(), threading.Event()
    head = jobs.start("head", lambda job: go.wait(), limit=60)
    waiting = jobs.start("a", lambda job: ran.set(), limit=60)
    jobs.stop("a")
    with pytest.raises(Abandoned, match=CANCELLED):
        waiting.result()
    go.set()
    head.result()
    jobs.start("b", lambda job: None, limit=60).result()
    assert not ran.is_set()


def test_a_visitor_has_one_job(jobs: Jobs) -> None:
    first = jobs.start("a", endless, limit=60)
    seen = frames(first)
    next(seen)
    jobs.stop("b")
    second = jobs.start("a", lambda job: inversion(job, 3), limit=60)
    with pytest.raises(Abandoned, match=REPLACED):
        first.result()
    assert second.result() == "whole"


def test_the_queue_is_limited() -> None:
    jobs, go = Jobs(most=2), threading.Event()
    head = jobs.start("head", lambda job: go.wait(), limit=60)
    assert next(head.updates()) == Started()
    waiting = [jobs.start(name, lambda job: None, limit=60) for name in "ab"]
    with pytest.raises(InputError, match="already 2 visitors before you"):
        jobs.start("c", lambda job: None, limit=60).result()
    go.set()
    for job in waiting:
        job.result()
    jobs.close()
    with pytest.raises(InputError, match="ending"):
        jobs.start("d", lambda job: None, limit=60).result()


def test_jobs_that_nobody_listens_to_do_not_run_and_block_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    jobs, ran = Jobs(lambda session: session == "present", most=3), list[str]()
    silent = [jobs.start(f"{n}", lambda job: ran.append("silent"), limit=60) for n in range(20)]
    # Those that came first have made room.
    for job in silent[:17]:
        with pytest.raises(Abandoned):
            job.result()
    jobs.start("present", lambda job: ran.append("present"), limit=60).result()
    monkeypatch.setattr(module, "GRACE", 0.0)
    for job in silent:
        assert list(job.updates()) == []
        with pytest.raises(Abandoned):
            job.result()
    assert ran == ["present"]
    jobs.close()


def test_a_running_job_whose_visitor_has_gone_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE", 0.02)
    here = [True]
    jobs = Jobs(lambda session: here[0])
    job = jobs.start("a", endless, limit=60)
    seen = frames(job)
    next(seen)
    here[0] = False
    with pytest.raises(Abandoned):
        job.result()
    jobs.close()


def test_closing_ends_what_runs_and_what_waits() -> None:
    jobs = Jobs()
    running, waiting = jobs.start("a", endless, limit=60), jobs.start("b", endless, limit=60)
    seen = frames(running)
    next(seen)
    jobs.close()
    for job in (running, waiting):
        with pytest.raises(Abandoned):
            job.result()
    assert not any(thread.name == "jobs" for thread in threading.enumerate())


def test_parts_have_times_of_their_own(jobs: Jobs) -> None:
    def work(job: Job) -> None:
        for part in range(2):
            job.begin_part(part)
            inversion(job, 2, pause=0.05)

    seen: list[Any] = list(frames(jobs.start("a", work, limit=60, every=1)))
    assert [(frame.part, frame.step) for frame in seen] == [(0, 1), (0, 2), (1, 1), (1, 2)]
    assert seen[2].seconds < seen[1].seconds


def test_batches_are_counted_through(jobs: Jobs) -> None:
    def work(job: Job) -> None:
        for batch in (1, 2):
            for number in (1, 2, 3):
                job.progress(Step(number, 3, {}, lambda: torch.zeros(1, 3, 4, 5), batch, 2))

    seen = list(frames(jobs.start("a", work, limit=60, every=1)))
    assert [(frame.step, frame.steps) for frame in seen] == [(number, 6) for number in range(1, 7)]


def test_work_without_pictures_shows_its_steps_and_ends_at_the_limit(
    jobs: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(job: Job) -> None:
        monkeypatch.setattr(job_module, "FRAME_INTERVAL", 0.0)
        for done in range(1, ENDLESS):
            time.sleep(0.001)
            job.advance(done, ENDLESS)

    job = jobs.start("a", work, limit=0.05, stoppable=False)
    seen = list(job.updates())
    shown = [update for update in seen if isinstance(update, Progress)]
    assert all(0 < update.seconds / update.step < 1 for update in shown)
    assert shown[0].steps == ENDLESS
    with pytest.raises(Abandoned, match=r"longer than the 0\.05 seconds"):
        job.result()
