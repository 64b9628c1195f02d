"""An audit from options to report."""

import contextlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from arcinvert.audit.assemble import assemble
from arcinvert.audit.cache import Cache, read_plan
from arcinvert.audit.cohort import Cohort
from arcinvert.audit.comparison import Comparison
from arcinvert.audit.copies import Copies, without_copies
from arcinvert.audit.enrolled import Enrolled
from arcinvert.audit.findings import gather_findings
from arcinvert.audit.inputs import open_inputs
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.overlap import AuditOverlap, find_audit_overlap
from arcinvert.audit.pictures import choose_pictures
from arcinvert.audit.pipeline import Pipeline
from arcinvert.audit.plan import AuditPlan, affordable_people, plan_audit, total_steps
from arcinvert.audit.progress import Preparing, Progress, StepCounter, ignore_stage
from arcinvert.audit.pseudonyms import Pseudonyms, check_key_file
from arcinvert.audit.report import write_audit
from arcinvert.audit.shards import checked_shards, other_shards, shard_folder
from arcinvert.audit.stored import check_stored_templates
from arcinvert.audit.subgroups import read_groups
from arcinvert.audit.units import CalibrationUnit, SpeedUnit
from arcinvert.evaluation.perceptual import find_lpips
from arcinvert.workers.base import InProcess, Workers
from arcinvert.workers.options import Shard
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
    preparing: Preparing | None = None,
    workers: Workers | None = None,
) -> dict[str, Any]:
    """Audit, write the report, and return the content of audit.json.

    What is on disk from an earlier run with the same options and inputs is not done again. If one of them has
    changed, all is, and the log says which.

    Args:
        options: Everything that decides the audit.
        out: The report's folder; the work and the key file are beside it.
        keep_work: Whether the intermediate results stay when the report is done.
        progress: Called with the optimiser steps done, and how many there are.
        preparing: Called with what is done before the first step; None shows a progress bar at the first use
            of a network.
        workers: Where the work is done, opened; None does it here, piece by piece.

    Raises:
        InputError: If something given cannot be used, or another run writes the same report.
    """
    stage = preparing or ignore_stage
    inputs = open_inputs(
        options, None if preparing is None else lambda done, of: preparing("synthetic faces", done, of)
    )
    with _report_folder(out) as folder:
        # Before the work has a folder: what cannot be used leaves none behind.
        keys = Pseudonyms(_key_file(options, folder))
        cache = Cache(work_folder(folder), inputs.fingerprint())
        _log_changes(cache)
        pipeline = Pipeline(inputs, cache, StepCounter(progress, stage), workers=workers)
        result = _carry_out(pipeline, folder, keys)
        if not keep_work:
            cache.remove()
    return result


def run_shard(
    options: AuditOptions,
    out: Path,
    shard: Shard,
    *,
    progress: Progress = lambda done, steps: None,
    workers: Workers | None = None,
) -> Path:
    """Do a shard's part of an audit, without the report, and return the folder of its work.

    Args:
        options: Everything that decides the audit.
        out: The report's folder, which `merge_shards` writes; the work is beside it.
        shard: The part.
        progress: Called with the optimiser steps done, and how many there are.
        workers: Where the work is done, opened; None does it here, piece by piece.

    Raises:
        InputError: If something given cannot be used, or another run does the same part.
    """
    if options.access != "weights":
        raise InputError(
            f"shard: expected none with --access {options.access}, since queries are counted in one run; "
            "leave it out"
        )
    if options.minutes is not None:
        raise InputError(
            "minutes: expected none with --shard, since each machine would choose another number of people; "
            "give --people"
        )
    inputs = open_inputs(options)
    out = Path(os.path.realpath(out))
    folder = shard_folder(out, shard)
    with contextlib.ExitStack() as stack:
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(folder))
        except OSError as error:
            raise _unwritable(folder, error.strerror) from None
        plan = inputs.fingerprint()
        cache = Cache(folder, plan, other_shards(out, shard, plan))
        _log_changes(cache)
        pipeline = Pipeline(inputs, cache, StepCounter(progress), workers=workers, shard=shard)
        with _removed_if_refused(cache):
            cohort, calibration, enrolled, _ = _embedded(pipeline, inputs.options.people)
            check_stored_templates(inputs, enrolled)
        _overlap(pipeline, cohort, enrolled)
        pipeline.counter.total = total_steps(inputs, len(enrolled.names), shard)
        pipeline.attack(enrolled, lpips=find_lpips()[0] is not None)
        if cohort is not None:
            Comparison(pipeline, cohort, enrolled, calibration, None).reconstruct()
    return folder


def merge_shards(options: AuditOptions, out: Path, *, keep_work: bool = False) -> dict[str, Any]:
    """Write the report of the work of all shards, and return the content of audit.json.

    Args:
        options: Those of the shards; options of the report alone may differ.
        out: The report's folder, which the shards' work is beside.
        keep_work: Whether the shards' work stays when the report is done.

    Raises:
        InputError: If a shard is missing or not finished, or is of other options or inputs.
    """
    inputs = open_inputs(options)
    plan = inputs.fingerprint()
    with _report_folder(out) as folder:
        shards = checked_shards(folder, plan)
        keys = Pseudonyms(_key_file(options, folder))
        cache = Cache(work_folder(folder), plan, lambda: shards)
        result = _carry_out(
            Pipeline(inputs, cache, StepCounter(lambda done, steps: None), merging=True), folder, keys
        )
        if not keep_work:
            for one in (cache, *(Cache(shard, read_plan(shard)) for shard in shards)):
                one.remove()
    return result


@contextlib.contextmanager
def _report_folder(out: Path) -> Iterator[Path]:
    """Hold the folder of a report, which is made; yield it without links.

    Raises:
        InputError: If it cannot be written, or another run writes it.
    """
    out = Path(os.path.realpath(out))
    with contextlib.ExitStack() as stack:
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(out))
            # At once, and not after hours of work.
            if not out.exists():
                out.mkdir()
                stack.callback(_remove_empty, out)
            remove_leftovers(out)
        except OSError as error:
            raise _unwritable(out, error.strerror) from None
        if not os.access(out, os.W_OK | os.X_OK):
            raise _unwritable(out, "no permission")
        yield out


def _remove_empty(folder: Path) -> None:
    """Remove a folder that nothing was written to."""
    with contextlib.suppress(OSError):
        folder.rmdir()


def _unwritable(folder: Path, reason: str | None) -> InputError:
    return InputError(f"{printable(folder)}: cannot be written ({reason}); choose another --out")


def _log_changes(cache: Cache) -> None:
    if cache.changed:
        _log.warning(
            "started anew, as this changed since the audit was stopped: %s", ", ".join(cache.changed)
        )


def work_folder(out: Path) -> Path:
    """Return the folder of an audit's intermediate results, beside the report that is passed on."""
    return out.with_name(safe_name(out.name, "-work"))


def key_file(out: Path) -> Path:
    """Return the file that resolves an audit's pseudonyms, if none is named."""
    return out.with_name(safe_name(out.name, "-key.json"))


def _key_file(options: AuditOptions, out: Path) -> Path:
    return options.key_file or key_file(out)


@contextlib.contextmanager
def _removed_if_refused(cache: Cache, keys: Pseudonyms | None = None) -> Iterator[None]:
    """Remove what a run has computed of people whose attack is refused, and a key file without names.

    Another option, or another file, makes another plan: the work would serve nobody.
    """
    try:
        yield
    except InputError:
        if cache.fresh:
            cache.remove()
            if keys is not None:
                keys.discard()
        raise


def _overlap(pipeline: Pipeline, cohort: Cohort | None, enrolled: Enrolled) -> AuditOverlap | None:
    """Return who is among the attacker's public faces, or say before a refusal what is left on disk."""
    try:
        return find_audit_overlap(pipeline.inputs, cohort, enrolled)
    except InputError:
        # Unlike other refusals: the same audit with --allow-overlap goes on from there.
        _log.warning(
            "%s/ keeps templates and faces for a run with --allow-overlap; remove it if there is to be none",
            printable(pipeline.cache.folder),
        )
        raise


def _embedded(
    pipeline: Pipeline, people: int | None
) -> tuple[Cohort | None, CalibrationUnit, Enrolled, Copies]:
    """Return the people of an audit with their embeddings: nobody outside is attacked or there twice.

    Raises:
        InputError: If nobody is left whose templates the attacks on defences need.
    """
    inputs = pipeline.inputs
    drawn = inputs.sample_cohort(people)
    if drawn is not None:
        # Of each person, the template's photograph and the judges'.
        pipeline.counter.photographs = len(drawn.calibration) + 2 * len(drawn.attacked)
    everybody, enrolled = pipeline.calibrate(drawn), pipeline.enrol(drawn, people)
    cohort, calibration, copies = without_copies(drawn, everybody, enrolled)
    if cohort is not None:
        inputs.check_outside(cohort)
    return cohort, calibration, enrolled, copies


def _carry_out(pipeline: Pipeline, out: Path, keys: Pseudonyms) -> dict[str, Any]:
    inputs = pipeline.inputs
    with _removed_if_refused(pipeline.cache, keys):
        cohort, calibration, enrolled, copies = _embedded(pipeline, _people(pipeline))
        stored = check_stored_templates(inputs, enrolled)
    overlap = _overlap(pipeline, cohort, enrolled)
    pipeline.counter.total = total_steps(inputs, len(enrolled.names))
    findings = gather_findings(pipeline, cohort, enrolled, calibration, overlap, copies, stored)
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
        key=keys.digest,
        created=pipeline.cache.created,
        groups=read_groups(groups, findings.names) if groups else {},
        attributes=read_groups(attributes, findings.names) if attributes else {},
        attributes_outside=read_groups(attributes, findings.outside) if attributes else {},
    )
    order = [keys.of(name) for name in findings.names]
    write_audit(result, choose_pictures(result, pipeline, enrolled, order), out)
    return result


def preview_audit(
    options: AuditOptions, out: Path, *, workers: Workers | None = None, shard: Shard | None = None
) -> AuditPlan:
    """Return what an audit would do, by the measured speed of its attack; nothing is written.

    Args:
        options: Everything that decides the audit.
        out: The report's folder, which the key file is beside where none is named.
        workers: Where the work would be done, opened; None is this process.
        shard: The part of the work; None is all of it.

    Raises:
        InputError: If something given cannot be used.
    """
    inputs = open_inputs(options)
    check_key_file(_key_file(options, Path(os.path.realpath(out))))
    inputs.check_variants()
    return plan_audit(inputs, inputs.attack.seconds_per_step(), workers or InProcess(), shard or Shard())


def _people(pipeline: Pipeline) -> int | None:
    """Return how many people to attack; a time limit is kept by the speed that was measured first."""
    inputs = pipeline.inputs
    if inputs.options.minutes is None:
        return inputs.options.people
    speed = pipeline.cache.get_or_compute(
        "speed", SpeedUnit, lambda: SpeedUnit(inputs.attack.seconds_per_step(), pipeline.workers.count)
    )
    return affordable_people(inputs, speed.step, speed.workers)
