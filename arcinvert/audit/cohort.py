"""Who is attacked, who calibrates the judges, and how their photographs are read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.data.faces import is_copy, read_face
from recognition.errors import InputError, NoFaceError

#: The most photographs of one calibration person, so that a few people do not make up the figures.
PHOTOS_PER_PERSON = 3
#: With fewer people outside the attack no threshold means anything.
MINIMUM_OUTSIDE = 3

Crop = NDArray[np.uint8]


@dataclass(frozen=True)
class Cohort:
    """The people of an audit.

    Args:
        attacked: Each attacked identity with its photographs.
        calibration: Photographs of people outside the attack, each with its identity; empty if there are too
            few of them.
        avoided: How many people are left out because a network of the audit is known to have trained on them.
        notes: Sentences about how the attack was fitted to the people that there are.
    """

    attacked: dict[str, list[Path]]
    calibration: list[tuple[Path, str]]
    avoided: int
    notes: tuple[str, ...] = ()


def sample_identities(
    identities: dict[str, list[Path]],
    *,
    people: int | None,
    calibration_images: int,
    seed: int,
    trained: frozenset[str] = frozenset(),
    only: frozenset[str] | None = None,
    calibration: dict[str, list[Path]] | None = None,
    keep_outside: bool = False,
) -> Cohort:
    """Draw by a seed who is attacked; the others calibrate, if they are enough.

    People that trained a network of the audit are left out where enough others are there.

    Args:
        identities: Each identity with its photographs; it takes two to attack one, the template's and the
            judges'.
        people: How many to attack; None attacks all.
        calibration_images: How many photographs calibrate the judges, at most.
        seed: Seed of the draw.
        trained: Identities that a network of the audit is known to have trained on.
        only: Those that can be attacked at all, such as a network's classes, whoever trained on them.
        calibration: Other people to calibrate on, in place of the rest of `identities`.
        keep_outside: Whether fewer than `people` are attacked where too few would be outside: half of them.

    Raises:
        InputError: If nobody can be attacked, or `calibration` has too few people.
    """
    several = [name for name in sorted(identities) if len(identities[name]) >= 2]
    if only is None:
        strangers = [name for name in several if name not in trained]
        eligible = strangers if len(strangers) >= 2 else several
    else:
        eligible = [name for name in several if name in only]
    if not eligible:
        among = " among the classes of the network" if only is not None else ""
        raise InputError(
            "audit: expected identities with two photographs each (one for the template, one for the judges)"
            f"{among}, found none; add photographs"
        )
    wanted = len(eligible) if people is None else min(people, len(eligible))
    pool = calibration if calibration is not None else identities
    halved = keep_outside and calibration is None and len(identities) - wanted < MINIMUM_OUTSIDE
    if halved:
        wanted = max(1, min(wanted, len(identities) // 2))
    order = np.random.default_rng(seed).permutation(len(eligible))
    chosen = sorted(eligible[index] for index in order[:wanted])
    outside = [name for name in sorted(pool) if name not in set(chosen)]
    strangers = [name for name in outside if name not in trained]
    avoided = 0
    if len(strangers) >= MINIMUM_OUTSIDE:
        avoided, outside = len(outside) - len(strangers), strangers
    notes = []
    if halved:
        notes.append(
            f"Half of the {len(identities)} people are attacked, so that others are left to calibrate the "
            "judges by."
        )
    elif people is not None and wanted < people:
        notes.append(_fewer(identities, several, eligible, people, by_training=only is None))
    if len(outside) < MINIMUM_OUTSIDE:
        if calibration is not None:
            raise InputError(
                f"calibration: expected at least {MINIMUM_OUTSIDE} people outside the attack to calibrate "
                f"the judges on, got {len(outside)}; add others, or leave --calibration out"
            )
        notes.append(
            f"With {len(outside)} people outside the attack the judges cannot be calibrated on them: shipped "
            "thresholds serve where a judge has them."
        )
        outside = []
    return Cohort(
        {name: identities[name] for name in chosen},
        _calibration(pool, outside, calibration_images, seed),
        avoided,
        tuple(notes),
    )


def _fewer(
    identities: dict[str, list[Path]],
    several: Sequence[str],
    eligible: Sequence[str],
    people: int,
    *,
    by_training: bool,
) -> str:
    """Return why fewer people are attacked than were wanted.

    Args:
        identities: The photographs of each person.
        several: Those with two photographs or more.
        eligible: Those of them who can be attacked.
        people: How many were wanted.
        by_training: Whether the rest of `several` are people whom a network was trained on; otherwise they
            are not among those who can be attacked at all.
    """
    rest = "are training people of a network of the audit" if by_training else "have no class or template"
    reasons = {"have a single photograph": len(identities) - len(several), rest: len(several) - len(eligible)}
    listed = " and ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
    return (
        f"{len(eligible)} people are attacked, fewer than the {people} asked for: the folder has "
        f"{len(identities)}" + (f", of whom {listed}" if listed else "") + "."
    )


def _calibration(
    pool: dict[str, list[Path]], outside: list[str], images: int, seed: int
) -> list[tuple[Path, str]]:
    """Return half of the photographs of people with several, for mated pairs, and the rest one a person."""
    order = [outside[index] for index in np.random.default_rng([seed, 1]).permutation(len(outside))]
    chosen: list[tuple[Path, str]] = []
    for name in order:
        if len(pool[name]) >= 2 and len(chosen) < images / 2:
            chosen += [(path, name) for path in pool[name][:PHOTOS_PER_PERSON]]
    taken = {name for _, name in chosen}
    chosen += [(pool[name][0], name) for name in order if name not in taken]
    return sorted(chosen[:images], key=lambda entry: (entry[1], entry[0]))


class Reader:
    """Reads aligned crops; what cannot be used is noted and skipped, or stops the audit.

    Args:
        stop: Whether an unreadable file stops the audit. A photograph without a face never does.
    """

    def __init__(self, *, stop: bool) -> None:
        self._stop = stop
        #: What was skipped, each with the reason.
        self.skipped: list[tuple[Path, str]] = []

    def read(self, path: Path) -> Crop | None:
        """Return the crop of a photograph's most central face; None if there is none.

        Raises:
            InputError: If the file cannot be read, and that stops the audit.
        """
        try:
            return read_face(path)
        except NoFaceError:
            self.skipped.append((path, "no face found"))
        except InputError as error:
            if self._stop:
                raise InputError(f"{error} (or leave it out with --on-unreadable skip)") from None
            self.skipped.append((path, "unreadable"))
        return None

    def read_all(self, entries: Sequence[tuple[Path, str]]) -> Iterator[tuple[Crop, str]]:
        """Yield the crops of photographs that can be used, each with its identity."""
        for path, name in entries:
            crop = self.read(path)
            if crop is not None:
                yield crop, name

    def read_two(self, paths: Sequence[Path]) -> tuple[Crop, Crop] | None:
        """Return the crops of the first and of the last photograph with a face; None if there are no two.

        A copy of the first one is none: the judges would compare a reconstruction with what it was made of.
        """
        found = self._first(paths)
        if found is None:
            return None
        number, first = found
        rest = list(paths[:number:-1])
        while (last := self._first(rest)) is not None:
            place, crop = last
            if not is_copy(first, crop):
                return first, crop
            self.skipped.append((rest[place], "a copy of the first photograph"))
            rest = rest[place + 1 :]
        return None

    def _first(self, paths: Sequence[Path]) -> tuple[int, Crop] | None:
        for number, path in enumerate(paths):
            crop = self.read(path)
            if crop is not None:
                return number, crop
        return None
