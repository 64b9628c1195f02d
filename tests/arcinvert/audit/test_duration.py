"""How long attacks take, against sums by hand."""

import pytest

from arcinvert.audit.duration import StepSeconds, side_by_side


@pytest.mark.parametrize(
    ("one", "several", "expected"),
    [
        (1.1, 2.6, (1.0, 0.1)),
        # Images of a large batch cost nothing, by a first measurement that was disturbed.
        (3.0, 2.0, (2.0, 0.0)),
        # A step of one image that took no time leaves no negative part.
        (0.0, 3.2, (0.0, 0.2)),
    ],
)
def test_a_step_has_a_part_for_itself_and_one_for_each_image(
    one: float, several: float, expected: tuple[float, float]
) -> None:
    step = StepSeconds.measured(one, several, 16)
    assert (step.each_step, step.each_image) == pytest.approx(expected)
    assert step.of(16) == pytest.approx(several)
    assert step.of(4) == pytest.approx(expected[0] + 4 * expected[1])


@pytest.mark.parametrize(
    ("jobs", "workers", "expected"),
    [((), 2, 0), ((1, 2, 3), 1, 6), ((4, 1, 1, 1), 2, 4), ((1, 1, 1), 2, 2), ((5, 2), 8, 5)],
)
def test_jobs_go_to_the_first_worker_that_is_free(
    jobs: tuple[float, ...], workers: int, expected: float
) -> None:
    assert side_by_side(jobs, workers) == expected
