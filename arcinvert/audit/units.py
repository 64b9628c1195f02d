"""The units of work that an audit keeps on disk. People come first in every array, samples second."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.duration import StepSeconds
from arcinvert.evaluation.similarity import Array
from recognition.detection.alignment import ALIGNED_SIZE
from recognition.perceptual_hash import BYTES

Names = NDArray[np.str_]
Crops = NDArray[np.uint8]
#: People, and calibration photographs, of one unit on disk.
CHUNK = 32


@dataclass(frozen=True)
class Skipped:
    """Photographs that could not be used, each array (photographs,).

    Args:
        names: Whose they are.
        reasons: Why they were skipped.
        paths: The files.
    """

    names: Names
    reasons: Names
    paths: Names

    @classmethod
    def of(cls, skipped: Sequence[tuple[Path, str]], owners: dict[Path, str]) -> "Skipped":
        """Return skipped files, each with its reason, and their owners as arrays."""
        return cls(
            texts([owners[path] for path, _ in skipped]),
            texts([reason for _, reason in skipped]),
            texts([str(path) for path, _ in skipped]),
        )

    def rows(self) -> list[tuple[str, str, str]]:
        """Return name, reason and path of each."""
        return list(zip(self.names.tolist(), self.reasons.tolist(), self.paths.tolist(), strict=True))


@dataclass(frozen=True)
class Embeddings:
    """Embeddings of the same images by all verifiers.

    Args:
        judges: One array a judge, (images, dim) or (people, samples, dim).
        attacked: Of the attacked network; None where only judges look.
    """

    judges: tuple[Array, ...]
    attacked: Array | None = None


@dataclass(frozen=True)
class CalibrationUnit:
    """Photographs of people outside the attack.

    Args:
        names: Shape (photographs,), whose each is.
        embeddings: None if no face was found in any photograph.
        hashes: Shape (photographs, 2, 32), perceptual hashes of each aligned face and of its mirror image.
        skipped: What could not be used.
    """

    names: Names
    embeddings: Embeddings | None
    hashes: NDArray[np.uint8]
    skipped: Skipped


@dataclass(frozen=True)
class PeopleUnit:
    """Attacked people.

    Args:
        names: Shape (people,).
        templates: Shape (people, dim), what is attacked.
        source: Shape (people, 112, 112, 3), crops of the templates' photographs; None without photographs.
        second: Crops of another photograph of each.
        source_embeddings: Of `source`; None if nobody has two photographs with a face.
        second_embeddings: Of `second`.
        source_skin: Shape (people,), typology angles of `source` in degrees.
        second_skin: Of `second`.
        skipped: What could not be used.
    """

    names: Names
    templates: NDArray[np.float32]
    source: Crops | None
    second: Crops | None
    source_embeddings: Embeddings | None
    second_embeddings: Embeddings | None
    source_skin: NDArray[np.float64]
    second_skin: NDArray[np.float64]
    skipped: Skipped

    def without_crops(self) -> "PeopleUnit":
        """Return the unit without its pictures, which would not fit into memory for ten thousand people."""
        return replace(self, source=None, second=None)


@dataclass(frozen=True)
class AttackUnit:
    """Reconstructions of one batch.

    Args:
        images: Shape (people, samples, 112, 112, 3); None in memory, where pictures of many would not fit.
        similarity: Shape (people, samples), cosine to the attacked template in the attacked network.
        face_detected: Shape (people, samples).
        embeddings: Of the images; None without judges.
        transformed: Of the images after each transform, by its name.
        skin: Shape (people, samples), typology angles in degrees; None where they are not measured.
        ssim: Shape (people, samples), to the template's photograph; None if that is unknown.
        lpips: Likewise; None also if LPIPS is not installed.
    """

    images: Crops | None
    similarity: NDArray[np.float64]
    face_detected: NDArray[np.bool_]
    embeddings: Embeddings | None
    transformed: dict[str, Embeddings]
    skin: NDArray[np.float64] | None = None
    ssim: NDArray[np.float64] | None = None
    lpips: NDArray[np.float64] | None = None

    def without_images(self) -> "AttackUnit":
        """Return the unit without its pictures."""
        return replace(self, images=None)


@dataclass(frozen=True)
class VariantUnit:
    """Embeddings and templates of the audit's people by another network.

    Args:
        embeddings: Shape (photographs, dim), of the calibration photographs.
        names: Shape (photographs,), whose each is.
        templates: Shape (people, dim), of the attacked people.
    """

    embeddings: Array
    names: Names
    templates: NDArray[np.float32]


@dataclass(frozen=True)
class SpeedUnit:
    """How fast this machine attacks.

    Args:
        step: Of a step.
        workers: How many batches are computed side by side.
    """

    step: StepSeconds
    workers: int


def stacked(parts: Sequence[Embeddings]) -> Embeddings:
    """Return embeddings of several units as one."""
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
        embeddings=stacked(embeddings) if embeddings else None,
        transformed={name: stacked([unit.transformed[name] for unit in units]) for name in first.transformed},
        skin=_optional([unit.skin for unit in units]),
        ssim=_optional([unit.ssim for unit in units]),
        lpips=_optional([unit.lpips for unit in units]),
    )


def _optional(parts: Sequence[NDArray[np.float64] | None]) -> NDArray[np.float64] | None:
    found = [part for part in parts if part is not None]
    return np.concatenate(found) if found else None


def repeated(unit: AttackUnit, count: int) -> AttackUnit:
    """Return a unit of one person for `count` people, without pictures and without what compares them."""
    embeddings = unit.embeddings
    if embeddings is not None:
        embeddings = Embeddings(tuple(np.repeat(one, count, 0) for one in embeddings.judges))
    return AttackUnit(
        images=None,
        similarity=np.repeat(unit.similarity, count, 0),
        face_detected=np.repeat(unit.face_detected, count, 0),
        embeddings=embeddings,
        transformed={},
    )


def chunks(count: int) -> list[slice]:
    """Return slices of `count` people or calibration photographs, each of one unit."""
    return [slice(begin, min(begin + CHUNK, count)) for begin in range(0, count, CHUNK)]


def texts(values: Sequence[str]) -> Names:
    """Return texts as an array, also an empty one."""
    return np.array(values, dtype=str)


def no_crops() -> Crops:
    """Return an empty stack of crops."""
    return np.zeros((0, ALIGNED_SIZE, ALIGNED_SIZE, 3), np.uint8)


def no_hashes() -> NDArray[np.uint8]:
    """Return the hashes of no photographs."""
    return np.zeros((0, 2, BYTES), np.uint8)


def labels_of(names: Names) -> NDArray[np.int64]:
    """Return the index of each name among the sorted names."""
    return np.asarray(np.unique(names, return_inverse=True)[1], dtype=np.int64)
