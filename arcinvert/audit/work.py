"""What computes the units of an audit in any process: photographs are embedded, batches attacked, judged."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.attack import NetworkAttack, Reconstructions
from arcinvert.audit.cohort import Crop, Reader
from arcinvert.audit.inputs import templates_of
from arcinvert.audit.robustness import TRANSFORMS
from arcinvert.audit.units import (
    AttackUnit,
    CalibrationUnit,
    Crops,
    Embeddings,
    PeopleUnit,
    Skipped,
    no_crops,
    no_hashes,
    texts,
)
from arcinvert.evaluation.judges import Judge, RecogniserJudge
from arcinvert.evaluation.perceptual import Distance, find_lpips, ssim
from arcinvert.inversion.progress import OnStep
from arcinvert.inversion.result import Step
from arcinvert.knowledge.public_photographs import photograph_key
from arcinvert.workers.messages import no_images
from recognition.errors import InputError
from recognition.skin import skin_tones

#: A figure of each reconstruction, (people, samples).
Figures = NDArray[np.float64]


@dataclass(frozen=True)
class Verifiers:
    """Who embeds faces in an audit.

    Args:
        judges: Who judges.
        attacked: The attacked network as a verifier.
    """

    judges: tuple[Judge, ...]
    attacked: RecogniserJudge

    def embed(self, crops: Sequence[Crop], *, attacked: bool = True) -> Embeddings:
        """Return the embeddings of crops, by the attacked network only if it is wanted."""
        return Embeddings(
            tuple(judge.embed(crops) for judge in self.judges),
            self.attacked.embed(crops) if attacked else None,
        )

    def embed_samples(self, images: Crops, *, attacked: bool = False) -> Embeddings:
        """Return embeddings, (people, samples, dim), of reconstructions, (people, samples, 112, 112, 3)."""
        flat = self.embed(list(images.reshape(-1, *images.shape[2:])), attacked=attacked)
        shape = images.shape[:2]
        return Embeddings(
            tuple(one.reshape(*shape, -1) for one in flat.judges),
            None if flat.attacked is None else flat.attacked.reshape(*shape, -1),
        )


@dataclass(frozen=True)
class CalibrationJob:
    """Photographs of people outside the attack, each with its identity."""

    entries: list[tuple[Path, str]]


@dataclass(frozen=True)
class PeopleJob:
    """Attacked people.

    Args:
        photographs: Those of each.
        templates: The database's template of each; None if the network makes them.
    """

    photographs: dict[str, list[Path]]
    templates: dict[str, NDArray[np.float32]] | None


@dataclass(frozen=True)
class PhotographWork:
    """Reads and embeds photographs.

    Args:
        verifiers: Who embeds them.
        target: `templates` or `centres`.
        stop: Whether an unreadable file stops the audit.
        folders: Where photographs are; each machine must have them at the same place.
    """

    verifiers: Verifiers
    target: str
    stop: bool
    folders: tuple[Path, ...]

    def run(self, job: CalibrationJob | PeopleJob, on_step: OnStep | None) -> CalibrationUnit | PeopleUnit:
        """Return the unit of a job; a step is a calibration photograph, or a person's photographs.

        Raises:
            InputError: If a file cannot be read, and that stops the audit, or a machine lacks a folder.
        """
        for folder in self.folders:
            if not folder.exists():
                raise InputError(
                    f"{folder}: expected the photographs on every machine of the cluster, found none on one "
                    "of them; put them on a file system that all share"
                )
        reader = Reader(stop=self.stop)
        if isinstance(job, CalibrationJob):
            return self._calibration(job, reader, on_step)
        return self._people(job, reader, on_step)

    def _calibration(self, job: CalibrationJob, reader: Reader, on_step: OnStep | None) -> CalibrationUnit:
        kept: list[tuple[Crop, str]] = []
        for number, entry in enumerate(job.entries, 1):
            kept += reader.read_all([entry])
            _report(on_step, number, len(job.entries))
        crops = [crop for crop, _ in kept]
        return CalibrationUnit(
            texts([name for _, name in kept]),
            self.verifiers.embed(crops) if crops else None,
            np.stack([photograph_key("", crop).hashes for crop in crops]) if crops else no_hashes(),
            Skipped.of(reader.skipped, dict(job.entries)),
        )

    def _people(self, job: PeopleJob, reader: Reader, on_step: OnStep | None) -> PeopleUnit:
        kept: list[tuple[str, Crop, Crop]] = []
        owners: dict[Path, str] = {}
        for number, (name, photographs) in enumerate(job.photographs.items(), 1):
            owners |= dict.fromkeys(photographs, name)
            found = reader.read_two(photographs)
            if found is not None:
                kept.append((name, *found))
            _report(on_step, number, len(job.photographs))
        names = [name for name, _, _ in kept]
        sources, seconds = [crop for _, crop, _ in kept], [crop for _, _, crop in kept]
        first, last = (np.stack(crops) if kept else no_crops() for crops in (sources, seconds))
        return PeopleUnit(
            texts(names),
            self._templates(job, names, sources),
            first,
            last,
            self.verifiers.embed(sources) if kept else None,
            self.verifiers.embed(seconds) if kept else None,
            skin_tones(first),
            skin_tones(last),
            Skipped.of(reader.skipped, owners),
        )

    def _templates(self, job: PeopleJob, names: list[str], sources: list[Crop]) -> NDArray[np.float32]:
        """Return what is attacked of each person: the database's template, or what the network makes."""
        network = self.verifiers.attacked.recogniser
        if job.templates is None:
            return templates_of(network, self.target, names, sources)
        rows = [job.templates[name] for name in names]
        return np.stack(rows) if rows else np.zeros((0, network.embedding_size), np.float32)


def _report(on_step: OnStep | None, number: int, steps: int) -> None:
    if on_step is not None:
        on_step(Step(number, steps, {}, no_images))


@dataclass(frozen=True)
class AttackJob:
    """A batch to be reconstructed and judged.

    Args:
        number: Its number from 0, which random numbers follow from.
        names: The people.
        templates: Shape (people, dim), what is attacked.
        sources: Shape (people, 112, 112, 3), crops of the photographs that the templates came from; None if
            they are not known.
    """

    number: int
    names: list[str]
    templates: NDArray[np.floating]
    sources: Crops | None


@dataclass(frozen=True)
class AttackWork:
    """Reconstructs and judges batches.

    Args:
        attack: The attack.
        verifiers: Who judges.
        whole: Whether everything is measured; a row of the table of defences needs the judges' embeddings
            alone.
        lpips: Whether a perceptual distance to the templates' photographs is measured.
    """

    attack: NetworkAttack
    verifiers: Verifiers
    whole: bool = True
    lpips: bool = False

    def run(self, job: AttackJob, on_step: OnStep | None) -> AttackUnit:
        """Return the unit of a batch."""
        found = self.attack.invert(job.names, job.templates, job.number, on_step)
        if not self.whole:
            embeddings = self.verifiers.embed_samples(found.images)
            return AttackUnit(found.images, found.similarity, found.face_detected, embeddings, {})
        embedded, transformed = None, {}
        if self.verifiers.judges:
            embedded = self.verifiers.embed_samples(found.images, attacked=True)
            transformed = self._transformed(found)
        similar, distances = (None, None) if job.sources is None else self._compared(found, job.sources)
        return AttackUnit(
            found.images,
            found.similarity,
            found.face_detected,
            embedded,
            transformed,
            skin_tones(found.images),
            similar,
            distances,
        )

    def _transformed(self, found: Reconstructions) -> dict[str, Embeddings]:
        shape = found.images.shape
        flat = found.images.reshape(-1, *shape[2:])
        return {
            name: self.verifiers.embed_samples(np.stack([change(image) for image in flat]).reshape(shape))
            for name, change in TRANSFORMS.items()
        }

    def _compared(self, found: Reconstructions, sources: Crops) -> tuple[Figures, Figures | None]:
        """Return SSIM and LPIPS to the photographs, (people, samples) each."""
        samples = found.images.shape[1]
        pairs = found.images.reshape(-1, *found.images.shape[2:]), np.repeat(sources, samples, 0)
        similar = np.array([ssim(*pair) for pair in zip(*pairs, strict=True)]).reshape(-1, samples)
        return similar, _lpips()(*pairs).reshape(-1, samples) if self.lpips else None


@functools.cache
def _lpips() -> Distance:
    distance, reason = find_lpips()
    if distance is None:
        raise InputError(f"workers: expected LPIPS on every machine, as on the one of the command; {reason}")
    return distance
