"""A loaded network, what is known of public faces, and batches of attacks: what every process has."""

from collections.abc import Sequence

import torch

from arcinvert.attack import Attacks, Task
from arcinvert.inversion.progress import OnStep, StepCounter
from arcinvert.inversion.result import Inversion
from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.plan import AttackPlan
from arcinvert.subjects.subject import Subject
from recognition.recogniser import Recogniser
from recognition.runtime import deterministic


class NetworkAttacker:
    """Attacks a network batch by batch.

    Args:
        recogniser: The network, on the device where attacks run.
        knowledge: What is known of public faces.
        dtype: The floating-point type of the network's inner computation.
        deterministic: Whether attacks use deterministic kernels alone.
        graphs: Whether steps are captured as a CUDA graph.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        knowledge: Knowledge,
        dtype: torch.dtype,
        *,
        deterministic: bool = False,
        graphs: bool = False,
    ) -> None:
        self.recogniser, self.dtype = recogniser, dtype
        self._deterministic, self._graphs = deterministic, graphs
        self.use(knowledge)

    def use(self, knowledge: Knowledge) -> None:
        """Attack with other knowledge of public faces from now on."""
        self.knowledge = knowledge
        self.attacks = Attacks(self.recogniser, knowledge, self.dtype, graphs=self._graphs)

    @property
    def device(self) -> torch.device:
        """Where attacks run."""
        return self.recogniser.device

    def reconstruct(
        self,
        subjects: Sequence[Subject],
        plan: AttackPlan,
        *,
        batch: int = 0,
        on_step: OnStep | None = None,
    ) -> Inversion:
        """Return the inversion of one batch: `plan.samples` images of each subject, subject by subject.

        Args:
            subjects: Whom to attack, of the plan's kind of target.
            plan: Every decision about the attack.
            batch: The batch's number from 0, which random augmentation follows from.
            on_step: Receives every step.
        """
        return self.run_batch(_tasks(subjects, plan), plan, batch=batch, batches=batch + 1, on_step=on_step)

    def show(
        self,
        subjects: Sequence[Subject],
        found: Inversion,
        plan: AttackPlan,
        *,
        on_step: OnStep | None = None,
    ) -> Inversion:
        """Return images of `reconstruct` with a plan's pose, expression and size, made without them.

        Args:
            subjects: Whom `found` was made of.
            found: The inversion, by a plan that differs in these alone.
            plan: The plan with them.
            on_step: Receives every step.
        """
        tasks = _tasks(subjects, plan)
        counter = StepCounter(plan.appearance_steps, on_step)
        with deterministic(self._deterministic):
            return self.attacks.of(plan).shown(tasks, found, batch=0, counter=counter)

    def prepare(self, plan: AttackPlan, on_step: OnStep | None = None) -> None:
        """Do what the first batch of a plan needs and no later one repeats; `on_step` receives its steps.

        Raises:
            StopInversion: If `on_step` raises it.
        """
        attack = self.attacks.of(plan)
        attack.prepare(StepCounter(attack.initialisation.pending_steps, on_step))

    def run_batch(
        self,
        tasks: Sequence[Task],
        plan: AttackPlan,
        *,
        batch: int,
        batches: int,
        on_step: OnStep | None,
    ) -> Inversion:
        """Return the inversion of one batch of several; see `reconstruct`.

        Args:
            tasks: The images to make.
            plan: Every decision about the attack.
            batch: The batch's number from 0.
            batches: The number of batches.
            on_step: Receives every step.
        """
        attack = self.attacks.of(plan)
        pending = attack.initialisation.pending_steps
        steps = pending + plan.steps_per_batch
        counter = StepCounter(steps, on_step, batch=batch + 1, batches=batches, extra=pending)
        with deterministic(self._deterministic):
            return attack.run(tasks, batch=batch, counter=counter)


def _tasks(subjects: Sequence[Subject], plan: AttackPlan) -> list[Task]:
    return [Task(subject, sample) for subject in subjects for sample in range(plan.samples)]
