"""The work of an audit, unit by unit: calibration photographs, people, and reconstructions."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.attack import NetworkAttack, batches
from arcinvert.audit.cache import Cache
from arcinvert.audit.cohort import Cohort, Reader
from arcinvert.audit.enrolled import Enrolled, photograph_unit
from arcinvert.audit.inputs import AuditInputs
from arcinvert.audit.progress import JobPhotographs, JobSteps, StepCounter
from arcinvert.audit.units import (
    AttackUnit,
    CalibrationUnit,
    Crops,
    PeopleUnit,
    Skipped,
    chunks,
    no_hashes,
    stacked,
    texts,
)
from arcinvert.audit.work import AttackJob, AttackWork, CalibrationJob, PeopleJob, PhotographWork, Verifiers
from arcinvert.inversion.result import Step
from arcinvert.knowledge.public_photographs import PhotographKey, photograph_key
from arcinvert.workers.base import InProcess, OnJobStep, Work, Workers
from arcinvert.workers.options import Shard
from recognition.errors import InputError

_log = logging.getLogger(__name__)

Unit = TypeVar("Unit")
Kept = TypeVar("Kept")


class Pipeline:
    """Does the work of an audit that is not on disk yet.

    Args:
        inputs: What the audit works on.
        cache: Where units are kept.
        counter: Counts the steps of the attack.
        workers: Where units are computed; None computes them here, one by one.
        shard: The part of the attack's units that is computed.
        merging: Whether all of the attack's units must be there.
    """

    def __init__(
        self,
        inputs: AuditInputs,
        cache: Cache,
        counter: StepCounter,
        *,
        workers: Workers | None = None,
        shard: Shard | None = None,
        merging: bool = False,
    ) -> None:
        self.inputs, self.cache, self.counter = inputs, cache, counter
        #: Where units are computed.
        self.workers = workers or InProcess()
        self._shard, self._merging = shard or Shard(), merging
        self._verifiers = Verifiers(inputs.judges, inputs.attacked)
        #: Batches of all attacks so far, of which each shard takes its own.
        self._batches = 0

    def reader(self) -> Reader:
        """Return a reader of photographs that treats unreadable ones as the options say."""
        return Reader(stop=self.inputs.options.on_unreadable == "stop")

    def calibrate(self, cohort: Cohort | None) -> CalibrationUnit:
        """Return the embeddings of the photographs outside the attack.

        Without any, the unit has no embeddings.

        Raises:
            InputError: If there is no face in any of them.
        """
        entries = cohort.calibration if cohort else []
        units = self._photographs(
            "calibration",
            CalibrationUnit,
            len(entries),
            lambda part: CalibrationJob(entries[part]),
            lambda unit: unit,
        )
        found = [unit.embeddings for unit in units if unit.embeddings is not None]
        if entries and self.inputs.judges and not found:
            raise InputError(
                "audit: expected faces in the calibration photographs, found none in any; give others with "
                "--calibration DIR"
            )
        names = texts([str(name) for unit in units for name in unit.names])
        hashes = np.concatenate([no_hashes(), *(unit.hashes for unit in units)])
        return CalibrationUnit(names, stacked(found) if found else None, hashes, _all_skipped(units))

    def enrol(self, cohort: Cohort | None, people: int | None) -> Enrolled:
        """Return the attacked people with what is attacked of each.

        Args:
            cohort: Who is attacked; None without photographs.
            people: How many templates of the database are attacked without photographs.

        Raises:
            InputError: If nobody has two photographs with a face.
        """
        if cohort is None:
            table, count = self.inputs.table, self.inputs.table_rows(people)
            if table is None:
                raise InputError("audit: expected photographs or templates, got none; give --images DIR")
            names, templates = texts(table.identities[:count]), table.templates[:count]
            return Enrolled(names, templates, ())
        attacked = list(cohort.attacked)

        def job(part: slice) -> PeopleJob:
            chosen = attacked[part]
            return PeopleJob({name: cohort.attacked[name] for name in chosen}, self.inputs.stored(chosen))

        kept = self._photographs(
            "people",
            PeopleUnit,
            len(attacked),
            job,
            lambda unit: (unit.without_crops(), _photograph_keys(unit)),
        )
        units = tuple(unit for unit, _ in kept)
        names = texts([str(name) for unit in units for name in unit.names])
        if not len(names):
            raise InputError(
                "audit: expected faces in the photographs of those attacked, found none in any; give others"
            )
        templates = np.concatenate([unit.templates for unit in units])
        return Enrolled(names, templates, units, tuple(key for _, keys in kept for key in keys))

    def _photographs(
        self,
        title: str,
        kind: type[Unit],
        count: int,
        job: Callable[[slice], CalibrationJob | PeopleJob],
        keep: Callable[[Unit], Kept],
    ) -> list[Kept]:
        """Return what is kept of the units of so many photographs or people, and log how far they are."""
        options = self.inputs.options
        folders = (options.images or options.photos, options.calibration)
        work = PhotographWork(
            self._verifiers,
            options.target,
            options.on_unreadable == "stop",
            tuple(folder for folder in folders if folder is not None),
        )
        parts = chunks(count)
        words = "calibration photographs" if title == "calibration" else title
        # What other shards have done, or do now, comes last.
        order = sorted(range(len(parts)), key=lambda number: not self._shard.has(number))
        kept: dict[int, Kept] = {}
        # Of a person, two photographs are read.
        read = JobPhotographs(self.counter, 1 if title == "calibration" else 2)

        def take(number: int, unit: Unit) -> None:
            read.count_to(number, parts[number].stop - parts[number].start)
            kept[number] = keep(unit)
            done = sum(parts[one].stop - parts[one].start for one in kept)
            _log.info("%s: %d of %d", words, done, count)

        keys = [photograph_unit(title, number) for number in range(len(parts))]
        self._compute(keys, order, kind, work, lambda number: job(parts[number]), take, read.step)
        return [kept[number] for number in range(len(parts))]

    def _compute(
        self,
        keys: Sequence[str],
        order: Sequence[int],
        kind: type[Unit],
        work: Work[Any, Any],
        job: Callable[[int], Any],
        take: Callable[[int, Unit], None],
        on_step: OnJobStep | None = None,
    ) -> None:
        """Read the units that are on disk, compute the others, and write each of these at once.

        Args:
            keys: The key of each unit, by its number.
            order: The numbers of those wanted.
            kind: The type of the units.
            work: Computes them.
            job: Returns the job of a number.
            take: Receives each unit, with its number.
            on_step: Receives steps, with the number of the unit.
        """
        computed: list[int] = []

        def jobs() -> Iterator[Any]:
            for number in order:
                # Just before it would be computed: another shard may have done so since.
                if (unit := self.cache.read(keys[number], kind)) is not None:
                    take(number, unit)
                else:
                    computed.append(number)
                    yield job(number)

        def stepped(index: int, step: Step) -> None:
            if on_step is not None:
                on_step(computed[index], step)

        for index, unit in self.workers.map(work, jobs(), stepped):
            number = computed[index]
            self.cache.write(keys[number], unit)
            take(number, unit)

    def attack(self, enrolled: Enrolled, *, lpips: bool) -> list[AttackUnit]:
        """Return the reconstructions of everybody, batch by batch, without pictures.

        Args:
            enrolled: Who is attacked.
            lpips: Whether a perceptual distance to the templates' photographs is measured.
        """

        def sources(part: slice) -> Crops | None:
            return enrolled.sources(self.cache, part) if self.inputs.template_known else None

        work = AttackWork(self.inputs.attack, self._verifiers, lpips=lpips)
        names = enrolled.names.tolist()
        return self._run(work, "attack", names, enrolled.templates, sources)

    def attack_row(
        self, attack: NetworkAttack, title: str, names: Sequence[str], templates: NDArray[np.floating]
    ) -> list[AttackUnit]:
        """Return the reconstructions of a row of the table of defences, batch by batch, without pictures.

        Args:
            attack: The attack.
            title: What the units are kept under.
            names: The people.
            templates: Shape (people, dim).
        """
        work = AttackWork(attack, self._verifiers, whole=False)
        return self._run(work, f"row {title}", names, templates, lambda part: None)

    def _run(
        self,
        work: AttackWork,
        title: str,
        names: Sequence[str],
        templates: NDArray[np.floating],
        sources: Callable[[slice], Crops | None],
    ) -> list[AttackUnit]:
        """Run an attack batch by batch; return the units, of a shard its own, without pictures.

        Raises:
            InputError: If units are to be merged, and one is missing.
        """
        attack = work.attack
        steps, pending = attack.plan.steps_per_batch, attack.pending_steps
        parts = batches(len(names), attack.plan.samples)
        own = [number for number in range(len(parts)) if self._shard.has(self._batches + number)]
        self._batches += len(parts)
        counted = JobSteps(self.counter, steps)

        def job(number: int) -> AttackJob:
            nonlocal pending
            if self._merging:
                raise InputError(
                    f"audit-merge: expected the finished work of all shards, found none of batch {number} of "
                    f"{len(parts)} ({title}); run the shards again, which go on where they were"
                )
            if pending:
                # Once, before the attack is copied to other processes.
                attack.prepare(lambda _: self.counter.advance())
                pending = 0
            part = parts[number]
            # Not a view: of that, other processes would get the whole.
            return AttackJob(number, list(names[part]), templates[part].copy(), sources(part))

        keys = [attack_key(title, number) for number in range(len(parts))]
        found: dict[int, AttackUnit] = {}

        def take(number: int, unit: AttackUnit) -> None:
            counted.finish(number)
            found[number] = unit.without_images()

        self._compute(keys, own, AttackUnit, work, job, take, counted.step)
        if pending:
            self.counter.advance(pending)
        return [found[number] for number in own]


def _all_skipped(units: Sequence[CalibrationUnit]) -> Skipped:
    parts = ("names", "reasons", "paths")
    return Skipped(
        *(texts([str(one) for unit in units for one in getattr(unit.skipped, part)]) for part in parts)
    )


def _photograph_keys(unit: PeopleUnit) -> list[PhotographKey]:
    """Return what identifies the photographs that the templates and the judges' references came from."""
    return [
        photograph_key(f"{name}, {which} photograph", crop)
        for crops, which in ((unit.source, "first"), (unit.second, "last"))
        if crops is not None
        for name, crop in zip(unit.names.tolist(), crops, strict=True)
    ]


def attack_key(title: str, number: int) -> str:
    """Return the key of a batch's unit; a title of the user's own choice becomes a safe file name."""
    if title != "attack":
        title = f"defence-{hashlib.sha256(title.encode()).hexdigest()[:8]}"
    return f"{title}-{number:05d}"
