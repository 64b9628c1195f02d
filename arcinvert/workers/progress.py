"""One count of steps over the jobs of all workers."""

from arcinvert.inversion.progress import OnStep
from arcinvert.inversion.result import Step
from arcinvert.workers.messages import no_images


class StepsOfAll:
    """Turns steps of jobs that are computed side by side into steps of one whole, and passes them on.

    Args:
        on_step: Receives a step of the whole, which counts as one batch.
        steps: The steps of each job.
        done: Jobs that an earlier run has finished.
        left: The number of jobs of this one.
    """

    def __init__(self, on_step: OnStep, steps: int, *, done: int, left: int) -> None:
        self._on_step, self._steps = on_step, steps
        self._before, self._total = done * steps, (done + left) * steps
        self._of_job: dict[int, int] = {}
        self._sum = 0

    def __call__(self, number: int, step: Step) -> None:
        """Take a step of a job; one that is done again by another worker counts from its beginning."""
        now = min(step.number, self._steps)
        self._sum += now - self._of_job.get(number, 0)
        self._of_job[number] = now
        self._report(step)

    def preparation(self, step: Step) -> None:
        """Take a step of what is prepared before the first job."""
        if step.number == 1:
            self._total += step.steps
        self._before += 1
        self._report(step)

    def _report(self, step: Step) -> None:
        self._on_step(Step(self._before + self._sum, self._total, step.losses, no_images))
