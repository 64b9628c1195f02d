"""An audit from options to report."""

import contextlib
import logging
import os
from pathlib import Path
from typing import Any

from arcinvert.audit.assemble import assemble
from arcinvert.audit.cache import Cache
from arcinvert.audit.findings import gather_findings
from arcinvert.audit.inputs import AuditInputs, open_inputs
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.overlap import find_audit_overlap
from arcinvert.audit.pictures import choose_pictures
from arcinvert.audit.pipeline import Pipeline, Progress, StepCounter
from arcinvert.audit.plan import AuditPlan, affordable_people, plan_audit, total_steps
from arcinvert.audit.pseudonyms import Pseudonyms
from arcinvert.audit.report import write_audit
from arcinvert.audit.subgroups import read_groups
from arcinvert.audit.units import SpeedUnit
from recognition.errors import InputError
from recognition.files import printable, safe_name
from recognition.images import remove_leftovers
from recognition.lock import locked

_log = logging.getLogger(__name__)

#: Photographs that were left out, of which the log has a line.
_SHOWN = 10


def run_audit(
    options: AuditOptions,
    out: Path,
    *,
    keep_work: bool = False,
    progress: Progress = lambda done, steps: None,
) -> dict[str, Any]:
    """Audit, write the report, and return the content of audit.json.

    What is on disk from an earlier run with the same options and inputs is not done again. If one of them has
    changed, all is, and the log says which.

    Args:
        options: Everything that decides the audit.
        out: The report's folder; the work and the key file are beside it.
        keep_work: Whether the intermediate results stay when the report is done.
        progress: Called with the optimiser steps done, and how many there are.

    Raises:
        InputError: If something given cannot be used, or another run writes the same report.
    """
    inputs = open_inputs(options)
    out = Path(os.path.realpath(out))
    with contextlib.ExitStack() as stack:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(out))
            # At once, and not after hours of work.
            out.mkdir(exist_ok=True)
            remove_leftovers(out)
        except OSError as error:
            raise InputError(
                f"{printable(out)}: cannot be written ({error.strerror}); choose another --out"
            ) from None
        if not os.access(out, os.W_OK | os.X_OK):
            raise InputError(f"{printable(out)}: cannot be written (no permission); choose another --out")
        cache = Cache(work_folder(out), inputs.fingerprint())
        if cache.changed:
            _log.warning(
                "started anew, as this changed since the audit was stopped: %s", ", ".join(cache.changed)
            )
        result = _carry_out(inputs, cache, out, progress)
        if not keep_work:
            cache.remove()
    return result


def work_folder(out: Path) -> Path:
    """Return the folder of an audit's intermediate results, beside the report that is passed on."""
    return out.with_name(safe_name(out.name, "-work"))


def key_file(out: Path) -> Path:
    """Return the file that resolves an audit's pseudonyms, if none is named."""
    return out.with_name(safe_name(out.name, "-key.json"))


def _carry_out(inputs: AuditInputs, cache: Cache, out: Path, progress: Progress) -> dict[str, Any]:
    keys = Pseudonyms(inputs.options.key_file or key_file(out))
    people = _people(inputs, cache)
    cohort = inputs.sample_cohort(people)
    pipeline = Pipeline(inputs, cache, StepCounter(progress))
    calibration = pipeline.calibrate(cohort)
    enrolled = pipeline.enrol(cohort, people)
    overlap = find_audit_overlap(inputs, cohort, enrolled)
    pipeline.counter.total = total_steps(inputs, len(enrolled.names))
    findings = gather_findings(pipeline, cohort, enrolled, calibration, overlap)
    keys.write([*findings.names, *(name for name, _, _ in findings.skipped)])
    for _, reason, where in findings.skipped[:_SHOWN]:
        _log.warning("left out: %s (%s)", printable(where), reason)
    if len(findings.skipped) > _SHOWN:
        _log.warning("left out: %d more", len(findings.skipped) - _SHOWN)
    groups, attributes = inputs.options.subgroups, inputs.options.attributes
    result = assemble(
        findings,
        inputs.options,
        pseudonym=keys.of,
        created=cache.created,
        groups=read_groups(groups, findings.names) if groups else {},
        attributes=read_groups(attributes, findings.names) if attributes else {},
        attributes_outside=read_groups(attributes, findings.outside) if attributes else {},
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
