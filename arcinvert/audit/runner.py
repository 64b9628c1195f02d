"""An audit from options to report."""

from pathlib import Path
from typing import Any

from arcinvert.audit.assemble import assemble
from arcinvert.audit.cache import Cache
from arcinvert.audit.findings import gather_findings
from arcinvert.audit.inputs import AuditInputs, open_inputs
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.pictures import choose_pictures
from arcinvert.audit.pipeline import Pipeline, Progress, StepCounter
from arcinvert.audit.plan import AuditPlan, affordable_people, plan_audit, total_steps
from arcinvert.audit.pseudonyms import Pseudonyms
from arcinvert.audit.report import write_audit
from arcinvert.audit.subgroups import read_groups
from arcinvert.audit.units import SpeedUnit


def run_audit(
    options: AuditOptions, out: Path, *, progress: Progress = lambda done, steps: None
) -> dict[str, Any]:
    """Audit, write the report, and return the content of audit.json.

    What is on disk from an earlier run with the same options and inputs is not done again.

    Args:
        options: Everything that decides the audit.
        out: The report's folder; the work is kept in `work` below it.
        progress: Called with the optimiser steps done, and how many there are.

    Raises:
        InputError: If something given cannot be used.
    """
    inputs = open_inputs(options)
    cache = Cache(out / "work", inputs.fingerprint())
    keys = Pseudonyms(inputs.options.key_file or Path(f"{out}-key.json"))
    people = _people(inputs, cache)
    cohort = inputs.sample_cohort(people)
    pipeline = Pipeline(inputs, cache, StepCounter(progress))
    calibration = pipeline.calibrate(cohort)
    enrolled = pipeline.enrol(cohort, people)
    pipeline.counter.total = total_steps(inputs, len(enrolled.names))
    findings = gather_findings(pipeline, cohort, enrolled, calibration)
    keys.write([*findings.names, *(name for name, _, _ in findings.skipped)])
    groups = inputs.options.subgroups
    result = assemble(
        findings,
        inputs.options,
        pseudonym=keys.of,
        created=cache.created,
        groups=read_groups(groups, findings.names) if groups else {},
    )
    order = [keys.of(name) for name in findings.names]
    write_audit(result, choose_pictures(result, pipeline, enrolled, order), out)
    return result


def preview_audit(options: AuditOptions) -> AuditPlan:
    """Return what an audit would do, by the measured speed of its attack; nothing is written.

    Raises:
        InputError: If something given cannot be used.
    """
    inputs = open_inputs(options)
    return plan_audit(inputs, inputs.attack.seconds_per_step())


def _people(inputs: AuditInputs, cache: Cache) -> int | None:
    """Return how many people to attack; a time limit is kept by the speed that was measured first."""
    if inputs.options.minutes is None:
        return inputs.options.people
    speed = cache.get_or_compute("speed", SpeedUnit, lambda: SpeedUnit(inputs.attack.seconds_per_step()))
    return affordable_people(inputs, speed.seconds_per_step)
