"""The attack of an audit by an attacker who has answers of the network, and not its weights.

The audit itself has the network: it makes the templates, and it is the system that enrols people and answers.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from arcinvert.access.faces import load_faces
from arcinvert.access.meter import QueryMeter
from arcinvert.access.surrogate_attacker import SurrogateAttacker
from arcinvert.access.target import Target, open_target
from arcinvert.attack import Task
from arcinvert.attacked import as_recogniser
from arcinvert.attacker import Attacker
from arcinvert.audit.attack import NetworkAttack, attack_options
from arcinvert.audit.options import AuditOptions
from arcinvert.inversion.progress import OnStep
from arcinvert.inversion.result import Inversion
from arcinvert.options import AttackOptions
from arcinvert.plan import AttackPlan
from arcinvert.subjects.subject import Subject
from recognition.loading import ModelChoice, with_preset
from recognition.recogniser import Recogniser
from recognition.runtime import choose_device


class BlackBoxAttack(NetworkAttack):
    """One attacker of a black box, and the plan that every batch of an audit follows.

    Args:
        attacked: The attacked network, by which the audit makes templates and verifies.
        target: The same as a system that answers.
        side: The attacker's side, which has the surrogate.
        plan: Every decision about the attack.
        options: The audit's, which the plan follows from.
    """

    def __init__(
        self,
        attacked: Recogniser,
        target: Target,
        side: SurrogateAttacker,
        plan: AttackPlan,
        options: AuditOptions,
    ) -> None:
        super().__init__(side.attacker, plan, options)
        self._attacked, self._target, self._side = attacked, target, side

    @property
    def recogniser(self) -> Recogniser:
        """The attacked network."""
        return self._attacked

    @property
    def networks(self) -> tuple[Recogniser, ...]:
        """The attacked network and the surrogate."""
        return self._attacked, self._side.attacker.recogniser

    def access(self) -> dict[str, Any]:
        """Return what the attacker has of the network, and what was asked for, as JSON."""
        found = self._side.describe()
        # The report names nobody, and people have rows of their own.
        return {name: found[name] for name in ("kind", "queries", "surrogate", "map", "faces")}

    def _reconstruct(self, subjects: Sequence[Subject], on_step: OnStep | None, number: int) -> Inversion:
        people = {subject.name: f"batch {number}, {row}" for row, subject in enumerate(subjects)}
        known = []
        for subject in subjects:
            person = people[subject.name]
            if self._target.enrol is not None:
                self._target.enrol(person, subject.template.double().numpy())
            template = self._side.estimate(person, f"{number} {subject.name}", subject.template)
            known.append(replace(subject, template=template))
        tasks = [Task(subject, sample) for subject in known for sample in range(self.plan.samples)]
        return self._side.run_batch(
            tasks,
            self.plan,
            [people[task.subject.name] for task in tasks],
            batch=0,
            batches=1,
            on_step=on_step,
        )


def load_black_box_attack(options: AuditOptions) -> BlackBoxAttack:
    """Load the attacked network as a black box, and the attacker's side.

    Args:
        options: The audit's, with its budget.

    Raises:
        InputError: If a network cannot be used, or the queries do not suffice.
    """
    choice = ModelChoice(
        options.model,
        options.preset,
        options.centres,
        options.classes,
        options.subcentres,
        output=options.output,
    )
    attacked = as_recogniser(choice).to(choose_device(options.device))
    meter = QueryMeter(options.query_budget)
    target = open_target(options.access_options(), attacked, meter)
    own = Attacker(
        with_preset(options.surrogate),
        device=options.device,
        precision=options.precision,
        calibrate=options.calibrate,
    )
    wanted = AttackOptions(**attack_options(options))
    side = SurrogateAttacker(
        target.box,
        own,
        load_faces(options.public_faces, options.faces, seed=options.seed),
        options.access_options(),
        samples=options.samples or 1,
        seed=options.seed,
    )
    return BlackBoxAttack(attacked, target, side, side.plan(wanted), options)
