"""One count of steps over jobs that are computed side by side, further attempts included."""

import torch

from arcinvert.inversion.result import Step
from arcinvert.workers.progress import JobCounts, StepsOfAll


def step(number: int, steps: int) -> Step:
    return Step(number, steps, {}, lambda: torch.zeros(1))


def test_a_job_with_further_attempts_has_more_steps() -> None:
    counts = JobCounts(each=4)
    assert counts.step(0, step(3, 4)) == (3, 0)
    assert counts.step(1, step(1, 4)) == (1, 0)
    # An attempt of 4 more steps, of which the first is done.
    assert counts.step(0, step(5, 8)) == (2, 4)
    assert counts.finish(0) == (3, 0)
    assert counts.finish(1) == (3, 0)
    # Read from disk.
    assert counts.finish(2) == (4, 0)


def test_a_job_that_is_done_again_counts_from_its_beginning() -> None:
    counts = JobCounts(each=4)
    counts.step(0, step(6, 8))
    assert counts.step(0, step(1, 4)) == (-5, -4)
    assert counts.finish(0) == (3, 0)


def test_a_run_shows_the_steps_of_further_attempts() -> None:
    seen: list[tuple[int, int]] = []
    steps = StepsOfAll(lambda one: seen.append((one.number, one.steps)), 2, done=1, left=2)
    for number, one in ((0, step(1, 2)), (1, step(1, 2)), (0, step(2, 2)), (0, step(3, 4)), (1, step(2, 2))):
        steps(number, one)
    assert seen == [(3, 6), (4, 6), (5, 6), (6, 8), (7, 8)]
    steps.preparation(step(1, 3))
    assert seen[-1] == (8, 11)
