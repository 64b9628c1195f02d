"""The plan of an audit: what will be done and how long it takes, decided before the work begins."""

from dataclasses import dataclass
from pathlib import Path

from arcinvert.audit.attack import BATCH, batches
from arcinvert.audit.defences.base import Defence, NetworkDefence, TemplateDefence
from arcinvert.audit.inputs import AuditInputs
from arcinvert.audit.robustness import TRANSFORMS
from arcinvert.plan import length_text
from arcinvert.workers.base import Workers
from arcinvert.workers.options import Shard

#: Measured on two cores: seconds to detect and align a photograph, and to judge a crop by dlib.
_ALIGN_SECONDS, _JUDGE_SECONDS = 0.03, 0.06
#: The row of the table of defences that the others are compared with.
BASELINE = "no defence"
#: Follows a keyed defence's name in the name of the row whose attacker does not hold the key.
WITHOUT_KEY = "without the key"


@dataclass(frozen=True)
class AuditPlan:
    """What an audit does.

    Args:
        network: The attacked network's name.
        target: `templates` or `centres`.
        attacked: How many identities are attacked.
        samples: Reconstructions of each identity.
        length: How many optimiser steps each reconstruction takes, in words.
        judges: Names of the judges.
        calibration: How many photographs calibrate the judges.
        rows: Rows of the table of defences, the baseline first; empty if nothing is compared.
        compared: On how many identities defences are compared.
        seconds_per_step: Measured seconds of one step of a full batch.
        seconds: Estimated seconds of the whole audit, if no image is attacked again.
        most_seconds: Likewise, if every image is, as often as the attack allows.
        notes: Sentences about how the attack was fitted to the people that there are.
        spread: What computes, in words; None for one process that does everything.
    """

    network: str
    target: str
    attacked: int
    samples: int
    length: str
    judges: tuple[str, ...]
    calibration: int
    rows: tuple[str, ...]
    compared: int
    seconds_per_step: float
    seconds: float
    most_seconds: float
    notes: tuple[str, ...] = ()
    spread: str | None = None

    def lines(self, out: Path) -> list[str]:
        """Return the plan as sentences.

        Args:
            out: The report's folder.
        """
        held = "class centres" if self.target == "centres" else "templates"
        return [
            f"Attacked: {self.network}, {held} of {self.attacked} identities, {self.samples} "
            f"reconstruction{'s' if self.samples > 1 else ''} each, {self.length}, "
            f"{self.seconds_per_step:.2f} s for a step of {BATCH} images",
            f"Judges: {', '.join(self.judges) or 'none, as there are no photographs'}",
            f"Calibrated on: {self.calibration} photographs of people outside the attack",
            *self.notes,
            f"Defences compared on {self.compared} identities: {', '.join(self.rows) or 'none'}",
            *([] if self.spread is None else [f"Computed by: {self.spread}"]),
            f"Time: {self._time()}; a stopped audit goes on from {out}-work",
            f"Writes: {out}/report.html, report.pdf, report.md, audit.json",
        ]

    def _time(self) -> str:
        if self.most_seconds == self.seconds:
            return f"about {_minutes(self.seconds)}"
        return (
            f"about {_minutes(self.seconds)}, and up to {_minutes(self.most_seconds)} the more images have "
            "to be attacked again"
        )


def _minutes(seconds: float) -> str:
    minutes = max(1, round(seconds / 60))
    return f"{minutes} minute{'s' if minutes > 1 else ''}"


def plan_audit(inputs: AuditInputs, seconds_per_step: float, workers: Workers, shard: Shard) -> AuditPlan:
    """Return the plan of an audit.

    Args:
        inputs: What the audit works on.
        seconds_per_step: Measured seconds of one step of a full batch.
        workers: Where the work is done.
        shard: The part of the work.

    Raises:
        InputError: If nobody can be attacked, or too few people are outside the attack.
    """
    attack = inputs.attack.plan
    people = affordable_people(inputs, seconds_per_step, workers.count)
    cohort = inputs.sample_cohort(people)
    attacked = len(cohort.attacked) if cohort else inputs.table_rows(people)
    calibration = len(cohort.calibration) if cohort else 0
    rows = row_names(inputs)
    compared = compared_people(inputs, attacked)
    photographs = calibration + 2 * attacked if cohort else 0
    judged = photographs + ((1 + len(TRANSFORMS)) * attacked + compared * len(rows)) * attack.samples
    seconds = total_steps(inputs, attacked, shard) * seconds_per_step
    seconds += (photographs * _ALIGN_SECONDS + judged * _JUDGE_SECONDS) / shard.count
    further = attack.most_further_steps * _own_batches(inputs, attacked, shard) * seconds_per_step
    parts = [f"part {shard.number} of {shard.count}"] if shard.count > 1 else []
    parts += [] if workers.in_process else [workers.describe()]
    return AuditPlan(
        network=inputs.recogniser.name,
        target=inputs.options.target,
        attacked=attacked,
        samples=attack.samples,
        length=length_text(attack.steps, attack.restarts, attack.restart_steps),
        judges=tuple(judge.name for judge in inputs.judges),
        calibration=calibration,
        rows=rows,
        compared=compared,
        seconds_per_step=seconds_per_step,
        seconds=seconds / workers.count,
        most_seconds=(seconds + further) / workers.count,
        spread=", ".join(parts) or None,
        notes=cohort.notes if cohort else (),
    )


def affordable_people(inputs: AuditInputs, seconds_per_step: float, workers: int = 1) -> int | None:
    """Return how many people to attack within --people and --minutes; None attacks all.

    The time is that of the attack alone, which takes nearly all of an audit, without further attempts.
    """
    people, minutes = inputs.options.people, inputs.options.minutes
    if minutes is None:
        return people
    plan = inputs.attack.plan
    each = plan.steps_per_batch * seconds_per_step / BATCH + _JUDGE_SECONDS * (1 + len(TRANSFORMS))
    allowed = max(2, int(minutes * 60 * workers / (each * plan.samples)))
    return allowed if people is None else min(people, allowed)


def row_names(inputs: AuditInputs) -> tuple[str, ...]:
    """Return the rows of the table of defences, the baseline first; none if nothing is to be compared."""
    rows = [name for defence in inputs.defences for name in defence_rows(defence)]
    rows += inputs.options.variant_models()
    return (BASELINE, *rows) if rows and inputs.judges else ()


def defence_rows(defence: Defence) -> tuple[str, ...]:
    """Return the names of a defence's rows: an attacker with the key, if there is one, and one without."""
    if isinstance(defence, TemplateDefence) and defence.keyed:
        return defence.label, f"{defence.label} {WITHOUT_KEY}"
    return (defence.label,)


def compared_people(inputs: AuditInputs, attacked: int) -> int:
    """Return on how many people defences are compared."""
    return min(inputs.options.defence_people or 0, attacked) if row_names(inputs) else 0


def total_steps(inputs: AuditInputs, attacked: int, shard: Shard | None = None) -> int:
    """Return the optimiser steps of all batches of an audit or of a shard, without further attempts."""
    plan = inputs.attack.plan
    own = _own_batches(inputs, attacked, shard or Shard())
    return plan.preparation_steps * _preparations(inputs) + plan.steps_per_batch * own


def _own_batches(inputs: AuditInputs, attacked: int, shard: Shard) -> int:
    """Return how many batches a shard attacks."""
    plan, compared = inputs.attack.plan, compared_people(inputs, attacked)
    count = len(batches(attacked, plan.samples))
    if names := row_names(inputs):
        alike = sum(isinstance(one, TemplateDefence) and one.same_estimate for one in inputs.defences)
        # The audit's own attack is the baseline if everybody is compared.
        whole = len(names) - alike - (compared == attacked)
        count += whole * len(batches(compared, plan.samples)) + alike * len(batches(1, plan.samples))
    return sum(shard.has(number) for number in range(count))


def _preparations(inputs: AuditInputs) -> int:
    """Return how many networks the initialisation is prepared for: the attacked one, and others of rows."""
    if not row_names(inputs):
        return 1
    hardened = sum(isinstance(defence, NetworkDefence) for defence in inputs.defences)
    return 1 + hardened + len(inputs.options.variant_models())
