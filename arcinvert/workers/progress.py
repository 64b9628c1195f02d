"""One count of steps over the jobs of all workers."""

from arcinvert.inversion.progress import OnStep
from arcinvert.inversion.result import Step
from arcinvert.workers.messages import no_images


class JobCounts:
    """Counts the steps of jobs that may be computed side by side; further attempts give a job more of them.

    Args:
        each: The steps of each job without further attempts.
    """

    def __init__(self, each: int) -> None:
        self._each = each
        self._of_job: dict[int, tuple[int, int]] = {}

    def step(self, number: int, step: Step) -> tuple[int, int]:
        """Count a job's step; one that is done again by another worker counts from its beginning.

        Returns:
            By how many the steps done have grown, and by how many all steps have.
        """
        return self._count(number, step.number, max(step.steps, self._each))

    def finish(self, number: int) -> tuple[int, int]:
        """Count all steps of a job; see `step`."""
        _, steps = self._of(number)
        return self._count(number, steps, steps)

    def _of(self, number: int) -> tuple[int, int]:
        return self._of_job.get(number, (0, self._each))

    def _count(self, number: int, done: int, steps: int) -> tuple[int, int]:
        done_before, steps_before = self._of(number)
        self._of_job[number] = done, steps
        return done - done_before, steps - steps_before


class StepsOfAll:
    """Turns steps of jobs that are computed side by side into steps of one whole, and passes them on.

    Args:
        on_step: Receives a step of the whole, which counts as one batch.
        steps: The steps of each job without further attempts.
        done: Jobs that an earlier run has finished.
        left: The number of jobs of this one.
    """

    def __init__(self, on_step: OnStep, steps: int, *, done: int, left: int) -> None:
        self._on_step, self._jobs = on_step, JobCounts(steps)
        self._done, self._total = done * steps, (done + left) * steps

    def __call__(self, number: int, step: Step) -> None:
        """Take a step of a job; one that is done again by another worker counts from its beginning."""
        done, steps = self._jobs.step(number, step)
        self._done += done
        self._total += steps
        self._report(step)

    def preparation(self, step: Step) -> None:
        """Take a step of what is prepared before the first job."""
        if step.number == 1:
            self._total += step.steps
        self._done += 1
        self._report(step)

    def _report(self, step: Step) -> None:
        self._on_step(Step(self._done, self._total, step.losses, no_images))
