"""Who is attacked, who calibrates the judges, and their photographs as aligned crops."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.detection.alignment import ALIGNED_SIZE, crop_at, find_face
from recognition.errors import InputError, NoFaceError
from recognition.images import read_image

#: Photographs of one calibration person, at most, so that the much-photographed do not make the figures.
PHOTOS_PER_PERSON = 3
#: Below this many people outside the attack no threshold means anything.
FEWEST_OUTSIDE = 3

Crop = NDArray[np.uint8]


@dataclass(frozen=True)
class Cohort:
    """The people of an audit.

    Args:
        attacked: identity to its photographs, those to attack.
        calibration: a photograph and its identity each, of people outside the attack.
        avoided: people left out because a network of the audit is known to have trained on them.
    """

    attacked: dict[str, list[Path]]
    calibration: list[tuple[Path, str]]
    avoided: int


def sample_identities(
    identities: dict[str, list[Path]],
    *,
    people: int,
    calibration_images: int,
    seed: int,
    trained: frozenset[str] = frozenset(),
    only: frozenset[str] | None = None,
    calibration: dict[str, list[Path]] | None = None,
) -> Cohort:
    """Draw by a seed who is attacked; the others calibrate.

    People that trained a network of the audit are left out where enough others are there.

    Args:
        identities: identity to photographs; two are needed to attack one: its template's and the judges'.
        people: to attack, 0 for all.
        trained: identities that a network of the audit is known to have trained on.
        only: those that can be attacked at all, such as a network's classes, whoever trained on them.
        calibration: other people to calibrate on, in place of the rest of `identities`.

    Raises:
        InputError: nobody can be attacked, or too few are outside the attack.
    """
    several = [name for name in sorted(identities) if len(identities[name]) >= 2]
    if only is None:
        strangers = [name for name in several if name not in trained]
        eligible = strangers if len(strangers) >= 2 else several
    else:
        eligible = [name for name in several if name in only]
    if not eligible:
        raise InputError(
            "audit: expected identities with two photographs each (one for the template, one for the judges)"
            f"{' among the classes of the network' if only is not None else ''}, found none"
        )
    order = np.random.default_rng(seed).permutation(len(eligible))
    chosen = sorted(eligible[index] for index in order[: people or None])
    pool = calibration if calibration is not None else identities
    outside = [name for name in sorted(pool) if name not in set(chosen)]
    strangers = [name for name in outside if name not in trained]
    avoided = 0
    if len(strangers) >= FEWEST_OUTSIDE:
        avoided, outside = len(outside) - len(strangers), strangers
    if len(outside) < FEWEST_OUTSIDE:
        raise InputError(
            f"audit: expected at least {FEWEST_OUTSIDE} people outside the attack to calibrate the judges "
            f"by, got {len(outside)}; give others with --calibration DIR, or attack fewer with --people"
        )
    return Cohort(
        {name: identities[name] for name in chosen},
        _calibration(pool, outside, calibration_images, seed),
        avoided,
    )


def _calibration(
    pool: dict[str, list[Path]], outside: list[str], images: int, seed: int
) -> list[tuple[Path, str]]:
    """Half of the photographs of people with several, for mated pairs; the rest one a person."""
    order = [outside[index] for index in np.random.default_rng([seed, 1]).permutation(len(outside))]
    chosen: list[tuple[Path, str]] = []
    for name in order:
        if len(pool[name]) >= 2 and len(chosen) < images / 2:
            chosen += [(path, name) for path in pool[name][:PHOTOS_PER_PERSON]]
    taken = {name for _, name in chosen}
    chosen += [(pool[name][0], name) for name in order if name not in taken]
    return sorted(chosen[:images], key=lambda entry: (entry[1], entry[0]))


def read_crop(path: Path, *, aligned: bool) -> Crop:
    """The aligned 112x112 crop of a photograph's most central face.

    Raises:
        NoFaceError: no face was found.
        InputError: the file cannot be read, or is no aligned crop though it should be.
    """
    photograph = read_image(path)
    if not aligned:
        return crop_at(photograph, find_face(photograph, name=str(path), pick="central"))
    if photograph.shape[:2] != (ALIGNED_SIZE, ALIGNED_SIZE):
        raise InputError(
            f"{path}: expected an aligned {ALIGNED_SIZE}x{ALIGNED_SIZE} crop, got "
            f"{photograph.shape[1]}x{photograph.shape[0]}; leave --aligned out"
        )
    return photograph


class Reader:
    """Reads crops; what cannot be used is noted and skipped, or stops.

    Args:
        aligned: whether files are crops already.
        stop: whether an unreadable file ends the audit. A photograph without a face never does.
    """

    def __init__(self, *, aligned: bool, stop: bool) -> None:
        self._aligned = aligned
        self._stop = stop
        #: What was skipped: file and reason.
        self.skipped: list[tuple[Path, str]] = []

    def read(self, path: Path) -> Crop | None:
        """The crop; None where there is none.

        Raises:
            InputError: the file cannot be read, and that shall stop.
        """
        try:
            return read_crop(path, aligned=self._aligned)
        except NoFaceError:
            self.skipped.append((path, "no face found"))
        except InputError as error:
            if self._stop:
                raise InputError(f"{error} (or leave it out with --on-unreadable skip)") from None
            self.skipped.append((path, "unreadable"))
        return None

    def read_two(self, paths: Sequence[Path]) -> tuple[tuple[Path, Crop], tuple[Path, Crop]] | None:
        """The first and the last photograph with a face; None where there are no two."""
        first = next(((p, crop) for p in paths if (crop := self.read(p)) is not None), None)
        if first is None:
            return None
        after = paths[paths.index(first[0]) + 1 :]
        last = next(((p, crop) for p in reversed(after) if (crop := self.read(p)) is not None), None)
        return None if last is None else (first, last)
