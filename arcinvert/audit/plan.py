"""The plan of an audit: what will be done and how long it takes, decided before the work begins."""

import itertools
from dataclasses import dataclass
from pathlib import Path

from arcinvert.audit.attack import BATCH, batch_images
from arcinvert.audit.defences.base import Defence, NetworkDefence, TemplateDefence
from arcinvert.audit.duration import StepSeconds, side_by_side
from arcinvert.audit.inputs import AuditInputs
from arcinvert.audit.robustness import TRANSFORMS
from arcinvert.audit.units import chunks
from arcinvert.plan import length_text
from arcinvert.workers.base import Workers
from arcinvert.workers.options import Shard

#: Measured on two cores: seconds to detect and align a photograph, and to judge a crop by dlib.
_ALIGN_SECONDS, _JUDGE_SECONDS = 0.03, 0.06
#: Likewise, to look for a face in a reconstruction and to measure its skin tone and its likeness.
_MEASURE_SECONDS = 0.18
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
        batch: Images of the largest batch.
        seconds_per_step: Measured seconds of one step of it.
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
    batch: int
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
            f"{self.seconds_per_step:.2f} s for a step of {self.batch} image{'s' if self.batch > 1 else ''}",
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


def plan_audit(inputs: AuditInputs, step: StepSeconds, workers: Workers, shard: Shard) -> AuditPlan:
    """Return the plan of an audit.

    Args:
        inputs: What the audit works on.
        step: Measured seconds of a step.
        workers: Where the work is done.
        shard: The part of the work.

    Raises:
        InputError: If nobody can be attacked, or too few people are outside the attack.
    """
    attack = inputs.attack.plan
    people = affordable_people(inputs, step, workers.count)
    cohort = inputs.sample_cohort(people)
    attacked = len(cohort.attacked) if cohort else inputs.table_rows(people)
    calibration = len(cohort.calibration) if cohort else 0
    largest = max(batch_images(attacked, attack.samples))
    before = _preparation_seconds(inputs, step)
    if cohort is not None:
        before += _photograph_seconds(inputs, calibration, attacked, workers.count, shard)
    steps = attack.steps_per_batch
    least, most = (
        before + _attack_seconds(inputs, step, attacked, each, workers.count, shard)
        for each in (steps, steps + attack.most_further_steps)
    )
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
        rows=row_names(inputs),
        compared=compared_people(inputs, attacked),
        batch=largest,
        seconds_per_step=step.of(largest),
        seconds=least,
        most_seconds=most,
        spread=", ".join(parts) or None,
        notes=cohort.notes if cohort else (),
    )


def affordable_people(inputs: AuditInputs, step: StepSeconds, workers: int = 1) -> int | None:
    """Return how many people to attack within --people and --minutes; None attacks all.

    The time is that of the attack alone, which takes nearly all of an audit, without further attempts.
    """
    people, minutes = inputs.options.people, inputs.options.minutes
    if minutes is None:
        return people
    plan, limit = inputs.attack.plan, minutes * 60
    full = max(1, BATCH // plan.samples)
    # No batches take less for a person than full ones that keep every worker busy.
    seconds = _batch_seconds(inputs, step, full * plan.samples, plan.steps_per_batch, whole=True) / full
    allowed = max(2, int(limit * workers / seconds))

    def takes(count: int) -> float:
        images = batch_images(count, plan.samples)
        jobs = (_batch_seconds(inputs, step, one, plan.steps_per_batch, whole=True) for one in images)
        return side_by_side(jobs, workers)

    while allowed > 2 and takes(allowed) > limit:
        allowed -= 1
    return allowed if people is None else min(people, allowed)


def _preparation_seconds(inputs: AuditInputs, step: StepSeconds) -> float:
    """Return the seconds of the initialisation's steps, which one process does before the others begin."""
    return inputs.attack.plan.preparation_steps * _preparations(inputs) * step.of(BATCH)


def _photograph_seconds(
    inputs: AuditInputs, calibration: int, attacked: int, workers: int, shard: Shard
) -> float:
    """Return the seconds in which photographs are read and judged, of whom is attacked two each."""
    each = _ALIGN_SECONDS + _JUDGE_SECONDS * len(inputs.judges)
    seconds = 0.0
    for count, photographs in ((calibration, 1), (attacked, 2)):
        parts = [part for number, part in enumerate(chunks(count)) if shard.has(number)]
        seconds += side_by_side(((part.stop - part.start) * photographs * each for part in parts), workers)
    return seconds


def _attack_seconds(
    inputs: AuditInputs, step: StepSeconds, attacked: int, steps: int, workers: int, shard: Shard
) -> float:
    """Return the seconds of all batches with so many steps each; one attack follows the other."""
    return sum(
        side_by_side(
            (_batch_seconds(inputs, step, images, steps, whole=number == 0) for images in own), workers
        )
        for number, own in enumerate(_own_batches(inputs, attacked, shard))
    )


def _batch_seconds(inputs: AuditInputs, step: StepSeconds, images: int, steps: int, *, whole: bool) -> float:
    """Return the seconds of a batch with its judges; `whole` where these judge transformed images too."""
    judged = images * (1 + len(TRANSFORMS) * whole)
    judges = judged * _JUDGE_SECONDS * len(inputs.judges)
    return steps * step.of(images) + images * _MEASURE_SECONDS + judges


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
    own = sum(len(images) for images in _own_batches(inputs, attacked, shard or Shard()))
    return plan.preparation_steps * _preparations(inputs) + plan.steps_per_batch * own


def _own_batches(inputs: AuditInputs, attacked: int, shard: Shard) -> list[list[int]]:
    """Return how many images each batch of a shard has, attack by attack, that on everybody first."""
    samples, compared = inputs.attack.plan.samples, compared_people(inputs, attacked)
    attacks = [batch_images(attacked, samples)]
    if names := row_names(inputs):
        alike = sum(isinstance(one, TemplateDefence) and one.same_estimate for one in inputs.defences)
        # The audit's own attack is the baseline if everybody is compared.
        whole = len(names) - alike - (compared == attacked)
        attacks += [batch_images(compared, samples)] * whole + [batch_images(1, samples)] * alike
    numbers = itertools.count()
    return [[images for images in attack if shard.has(next(numbers))] for attack in attacks]


def _preparations(inputs: AuditInputs) -> int:
    """Return how many networks the initialisation is prepared for: the attacked one, and others of rows."""
    if not row_names(inputs):
        return 1
    hardened = sum(isinstance(defence, NetworkDefence) for defence in inputs.defences)
    return 1 + hardened + len(inputs.options.variant_models())
