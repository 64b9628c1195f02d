"""The work of an audit, unit by unit: calibration photographs, people, and reconstructions."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.attack import NetworkAttack, Reconstructions, batches
from arcinvert.audit.cache import Cache
from arcinvert.audit.cohort import Cohort, Crop, Reader
from arcinvert.audit.inputs import AuditInputs
from arcinvert.audit.robustness import TRANSFORMS
from arcinvert.audit.units import (
    AttackUnit,
    CalibrationUnit,
    Crops,
    Embeddings,
    Names,
    PeopleUnit,
    Skipped,
    no_crops,
    texts,
)
from arcinvert.evaluation.perceptual import Distance, ssim
from arcinvert.evaluation.similarity import Array
from arcinvert.knowledge.public_photographs import PhotographKey, photograph_key
from recognition.errors import InputError
from recognition.skin import skin_tones

_log = logging.getLogger(__name__)

#: People, and calibration photographs, of one unit on disk.
CHUNK = 32

#: Called with the optimiser steps done, and how many there are.
Progress = Callable[[int, int], None]


class StepCounter:
    """Counts the optimiser steps of an audit over all its batches.

    Args:
        progress: Called at each change.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._done = 0
        #: How many steps there are.
        self.total = 0

    def advance(self, steps: int = 1) -> None:
        """Count steps; many at once where an earlier run did them."""
        self._done += steps
        self._progress(min(self._done, self.total), self.total)


@dataclass(frozen=True)
class Enrolled:
    """The people whose photographs or templates can be used, in the order of all further arrays.

    Args:
        names: Shape (people,).
        templates: Shape (people, dim), what is attacked.
        units: The units that they are in, without crops.
        photograph_keys: What identifies the photographs of each that are used, by their faces.
    """

    names: Names
    templates: NDArray[np.float32]
    units: tuple[PeopleUnit, ...]
    photograph_keys: tuple[PhotographKey, ...] = ()

    def place(self, index: int) -> tuple[int, int]:
        """Return in which unit, and in which row of it, a person is."""
        for number, unit in enumerate(self.units):
            if index < len(unit.names):
                return number, index
            index -= len(unit.names)
        raise IndexError(index)

    def embeddings(self, pick: Callable[[Embeddings], Array | None]) -> tuple[Array, Array]:
        """Return one verifier's embeddings of the first and of the second photograph, each (people, dim)."""
        sides = []
        for name in ("source_embeddings", "second_embeddings"):
            found = [getattr(unit, name) for unit in self.units]
            sides.append(
                np.concatenate([part for one in found if one is not None and (part := pick(one)) is not None])
            )
        return sides[0], sides[1]


class Pipeline:
    """Does the work of an audit that is not on disk yet.

    Args:
        inputs: What the audit works on.
        cache: Where units are kept.
        counter: Counts the steps of the attack.
    """

    def __init__(self, inputs: AuditInputs, cache: Cache, counter: StepCounter) -> None:
        self.inputs = inputs
        self.cache = cache
        self.counter = counter

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
        units = []
        for number, begin in enumerate(range(0, len(entries), CHUNK)):
            part = entries[begin : begin + CHUNK]
            key = f"calibration-{number:05d}"
            units.append(self.cache.get_or_compute(key, CalibrationUnit, partial(self._calibration, part)))
            _log.info("calibration photographs: %d of %d", min(begin + CHUNK, len(entries)), len(entries))
        found = [unit.embeddings for unit in units if unit.embeddings is not None]
        if entries and self.inputs.judges and not found:
            raise InputError(
                "audit: expected faces in the calibration photographs, found none in any; give others with "
                "--calibration DIR"
            )
        return CalibrationUnit(
            texts([str(name) for unit in units for name in unit.names]),
            _stacked(found) if found else None,
            Skipped(
                *(
                    texts([str(one) for unit in units for one in getattr(unit.skipped, part)])
                    for part in ("names", "reasons", "paths")
                )
            ),
        )

    def _calibration(self, entries: Sequence[tuple[Path, str]]) -> CalibrationUnit:
        reader = self.reader()
        kept = list(reader.read_all(entries))
        crops = [crop for crop, _ in kept]
        return CalibrationUnit(
            texts([name for _, name in kept]),
            self._embedded(crops) if crops else None,
            Skipped.of(reader.skipped, dict(entries)),
        )

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
        units: list[PeopleUnit] = []
        keys: list[PhotographKey] = []
        attacked = list(cohort.attacked)
        for number, begin in enumerate(range(0, len(attacked), CHUNK)):
            part = attacked[begin : begin + CHUNK]
            make = partial(self._people, cohort, part)
            unit = self.cache.get_or_compute(f"people-{number:05d}", PeopleUnit, make)
            keys += _photograph_keys(unit)
            units.append(unit.without_crops())
            _log.info("people: %d of %d", min(begin + CHUNK, len(attacked)), len(attacked))
        names = texts([str(name) for unit in units for name in unit.names])
        if not len(names):
            raise InputError(
                "audit: expected faces in the photographs of those attacked, found none in any; give others"
            )
        templates = np.concatenate([unit.templates for unit in units])
        return Enrolled(names, templates, tuple(units), tuple(keys))

    def _people(self, cohort: Cohort, names: Sequence[str]) -> PeopleUnit:
        reader = self.reader()
        kept: list[tuple[str, Crop, Crop]] = []
        owners: dict[Path, str] = {}
        for name in names:
            owners |= dict.fromkeys(cohort.attacked[name], name)
            found = reader.read_two(cohort.attacked[name])
            if found is not None:
                kept.append((name, *found))
        found_names = [name for name, _, _ in kept]
        sources, seconds = [crop for _, crop, _ in kept], [crop for _, _, crop in kept]
        return PeopleUnit(
            texts(found_names),
            self.inputs.templates(found_names, sources),
            np.stack(sources) if kept else no_crops(),
            np.stack(seconds) if kept else no_crops(),
            self._embedded(sources) if kept else None,
            self._embedded(seconds) if kept else None,
            skin_tones(np.stack(sources) if kept else no_crops()),
            skin_tones(np.stack(seconds) if kept else no_crops()),
            Skipped.of(reader.skipped, owners),
        )

    def crops(self, enrolled: Enrolled, index: int) -> tuple[Crop, Crop] | None:
        """Return the crops of a person's two photographs; None if there are none."""
        if not enrolled.units:
            return None
        number, row = enrolled.place(index)
        unit = self.cache.read(f"people-{number:05d}", PeopleUnit)
        if unit is None or unit.source is None or unit.second is None:
            return None
        return unit.source[row], unit.second[row]

    def attack(self, enrolled: Enrolled, lpips: Distance | None) -> list[AttackUnit]:
        """Return the reconstructions of everybody, batch by batch, without pictures.

        Args:
            enrolled: Who is attacked.
            lpips: A perceptual distance to the templates' photographs; None leaves it out.
        """

        def judged(found: Reconstructions, part: slice) -> AttackUnit:
            return self._judged(found, self._sources(enrolled, part), lpips)

        names = enrolled.names.tolist()
        return self.run(self.inputs.attack, "attack", names, enrolled.templates, judged)

    def run(
        self,
        attack: NetworkAttack,
        title: str,
        names: Sequence[str],
        templates: NDArray[np.floating],
        judged: Callable[[Reconstructions, slice], AttackUnit],
    ) -> list[AttackUnit]:
        """Run an attack batch by batch; return the units without pictures.

        Args:
            attack: The attack.
            title: Begins the keys of the units.
            names: The people.
            templates: Shape (people, dim).
            judged: Makes a unit of a batch's reconstructions and the slice of people that they are of.
        """
        units = []
        parts = batches(len(names), attack.plan.samples)
        if all(self.cache.has(attack_key(title, number)) for number in range(len(parts))):
            self.counter.advance(attack.pending_steps)
        for number, part in enumerate(parts):

            def make(number: int = number, part: slice = part) -> AttackUnit:
                found = attack.invert(names[part], templates[part], number, self.counter.advance)
                return judged(found, part)

            key = attack_key(title, number)
            if self.cache.has(key):
                self.counter.advance(attack.plan.steps_per_batch)
            unit = self.cache.get_or_compute(key, AttackUnit, make)
            units.append(unit.without_images())
        return units

    def _sources(self, enrolled: Enrolled, part: slice) -> Crops | None:
        """Return crops of the photographs that the templates came from, if they are known."""
        if not enrolled.units or not self.inputs.template_known:
            return None
        found = [self.crops(enrolled, index) for index in range(len(enrolled.names))[part]]
        return np.stack([crops[0] for crops in found if crops is not None])

    def _judged(self, found: Reconstructions, sources: Crops | None, lpips: Distance | None) -> AttackUnit:
        transformed = {}
        if self.inputs.judges:
            shape = found.images.shape
            flat = found.images.reshape(-1, *shape[2:])
            for name, transform in TRANSFORMS.items():
                changed = np.stack([transform(image) for image in flat])
                transformed[name] = self.judge(changed.reshape(shape))
        similar, distances = None, None
        if sources is not None:
            samples = found.images.shape[1]
            pairs = found.images.reshape(-1, *found.images.shape[2:]), np.repeat(sources, samples, 0)
            similar = np.array([ssim(*pair) for pair in zip(*pairs, strict=True)]).reshape(-1, samples)
            if lpips is not None:
                distances = lpips(*pairs).reshape(-1, samples)
        return AttackUnit(
            found.images,
            found.similarity,
            found.face_detected,
            self.judge(found.images, attacked=True) if self.inputs.judges else None,
            transformed,
            skin_tones(found.images),
            similar,
            distances,
        )

    def judge(self, images: Crops, *, attacked: bool = False) -> Embeddings:
        """Return the judges' embeddings, (people, samples, dim), of reconstructions.

        Args:
            images: Shape (people, samples, 112, 112, 3).
            attacked: Whether the attacked network embeds them too.
        """
        flat = self._embedded(list(images.reshape(-1, *images.shape[2:])), attacked=attacked)
        shape = images.shape[:2]
        return Embeddings(
            tuple(one.reshape(*shape, -1) for one in flat.judges),
            None if flat.attacked is None else flat.attacked.reshape(*shape, -1),
        )

    def _embedded(self, crops: Sequence[Crop], *, attacked: bool = True) -> Embeddings:
        return Embeddings(
            tuple(judge.embed(crops) for judge in self.inputs.judges),
            self.inputs.attacked.embed(crops) if attacked else None,
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


def _stacked(parts: Sequence[Embeddings]) -> Embeddings:
    judges = tuple(
        np.concatenate([part.judges[index] for part in parts]) for index in range(len(parts[0].judges))
    )
    own = [part.attacked for part in parts if part.attacked is not None]
    return Embeddings(judges, np.concatenate(own) if own else None)


def joined(units: Sequence[AttackUnit]) -> AttackUnit:
    """Return the units of one attack as one, without pictures."""
    first = units[0]
    embeddings = [unit.embeddings for unit in units if unit.embeddings is not None]
    return AttackUnit(
        images=None,
        similarity=np.concatenate([unit.similarity for unit in units]),
        face_detected=np.concatenate([unit.face_detected for unit in units]),
        embeddings=_stacked(embeddings) if embeddings else None,
        transformed={
            name: _stacked([unit.transformed[name] for unit in units]) for name in first.transformed
        },
        skin=_optional([unit.skin for unit in units]),
        ssim=_optional([unit.ssim for unit in units]),
        lpips=_optional([unit.lpips for unit in units]),
    )


def _optional(parts: Sequence[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    found = [part for part in parts if part is not None]
    return np.concatenate(found) if found else None
