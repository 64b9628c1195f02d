"""The composition root: options to parts to engine to scores to report.

import arcinvert
run = arcinvert.generate(class_id=123)
run = arcinvert.from_image("photo.jpg")
run.images, run.samples, run.summary
"""

import os
import platform
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arcinvert.engine import invert
from arcinvert.inputs import Subject, class_centres, class_subjects, embedding_subjects, photograph_subjects
from arcinvert.judge import Judge, calibration, thresholds
from arcinvert.options import AttackOptions
from arcinvert.parametrisations import PARAMETRISATIONS
from arcinvert.priors.batchnorm import PRIORS, statistics_layers
from arcinvert.priors.image import colour_variation, squared_norm, total_variation
from arcinvert.report import RESULT_NAME, SCHEMA, SHEET_NAME, output_folder, write_json
from arcinvert.result import Step
from arcinvert.schedule import Schedule
from arcinvert.scores import Verdict, judge_images, summarise
from arcinvert.starts import make_start
from arcinvert.summary import run_sheet
from arcinvert.targets import ClassTarget, CosineTarget, EuclideanTarget, Target
from arcinvert.transforms import RandomView
from recognition.alignment import ALIGNED_SIZE
from recognition.checkpoint import load_extra
from recognition.data.dataset import derive_seed
from recognition.errors import InputError
from recognition.images import to_tensor, to_uint8, write_png
from recognition.loading import BUNDLED, bundled_path, load
from recognition.options import DeviceName
from recognition.recogniser import Recogniser
from recognition.runtime import choose_device, choose_dtype

#: Libraries whose versions a result depends on.
_LIBRARIES = ("arcinvert", "torch", "torchvision", "numpy", "pillow", "dlib-bin", "onnx2torch")


@dataclass(frozen=True)
class Run:
    """A finished attack.

    Args:
        images: uint8 HWC, one a sample.
        samples: one entry an image, as in result.json.
        summary: the figures over all samples.
        result: all of result.json.
        out: the folder written, or None.
        interrupted: whether it was stopped; what was finished is in it.
    """

    images: list[NDArray[np.uint8]]
    samples: list[dict[str, Any]]
    summary: dict[str, Any]
    result: dict[str, Any]
    sheet: NDArray[np.uint8] = field(repr=False)
    out: Path | None
    interrupted: bool


#: Hears of every step: the batch from 1, of how many, and the step.
Progress = Callable[[int, int, Step], None]


def _silent(batch: int, batches: int, step: Step) -> None:
    """Progress that nobody watches."""


def generate(
    class_id: int | Sequence[int] = (),
    *,
    class_name: str | Sequence[str] = (),
    model: str | os.PathLike[str] = BUNDLED,
    photos: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    device: DeviceName = "auto",
    progress: Progress = _silent,
    **options: Any,
) -> Run:
    """Synthesise faces of classes that a network learned (closed-set).

    Args:
        class_id, class_name: one or several.
        model: the bundled network's name or a file.
        photos: a folder per identity for the judge, where no references are shipped.
        out: a folder to write to; None writes nothing.
        options: of `AttackOptions`.

    Raises:
        InputError: something given is wrong; it says what.
    """
    ids = [class_id] if isinstance(class_id, int) else list(class_id)
    names = [class_name] if isinstance(class_name, str) else list(class_name)
    if not ids and not names:
        raise InputError("generate: expected a class id or a class name, got none")
    attack = _Attack(model, device, AttackOptions(**options))
    subjects = class_subjects(attack.recogniser, [*ids, *names], attack.judge, photos=photos)
    given = {"class_id": ids, "class_name": names, "photos": None if photos is None else str(photos)}
    return attack.run(subjects, out=out, command="generate", given=given, progress=progress)


def from_image(
    photograph: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    face: int = 1,
    model: str | os.PathLike[str] = BUNDLED,
    photos: str | os.PathLike[str] | None = None,
    out: str | os.PathLike[str] | None = None,
    device: DeviceName = "auto",
    progress: Progress = _silent,
    **options: Any,
) -> Run:
    """Reconstruct faces from the templates of photographs (open-set).

    Each photograph is aligned and embedded; the attack sees the template alone.

    Args:
        photograph: one path or several.
        face: which face of each, the largest first.
        photos: other photographs of the same people, for Type II and the ceiling.
        model, out, device, options: as for `generate`.

    Raises:
        InputError: something given is wrong; it says what.
    """
    paths = [photograph] if isinstance(photograph, str | os.PathLike) else list(photograph)
    if not paths:
        raise InputError("from-image: expected at least one photograph, got none")
    attack = _Attack(model, device, AttackOptions(**options))
    subjects = photograph_subjects(attack.recogniser, paths, attack.judge, face=face, photos=photos)
    given = {
        "photographs": [str(path) for path in paths],
        "face": face,
        "photos": None if photos is None else str(photos),
    }
    return attack.run(subjects, out=out, command="from-image", given=given, progress=progress)


def from_embedding(
    templates: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] = BUNDLED,
    out: str | os.PathLike[str] | None = None,
    device: DeviceName = "auto",
    progress: Progress = _silent,
    **options: Any,
) -> Run:
    """Reconstruct faces from templates alone: a .npy file, (dim,) or (n, dim).

    Without photographs the judge can only say whether a face is there.

    Raises:
        InputError: something given is wrong; it says what.
    """
    attack = _Attack(model, device, AttackOptions(**options))
    subjects = embedding_subjects(attack.recogniser, templates)
    return attack.run(
        subjects, out=out, command="from-embedding", given={"templates": str(templates)}, progress=progress
    )


class _Attack:
    """The parts of one attack, made from its options."""

    def __init__(self, model: str | os.PathLike[str], device: DeviceName, options: AttackOptions) -> None:
        self.options = options
        self.device = choose_device(device)
        self.dtype = choose_dtype(self.device, options.precision)
        self.recogniser: Recogniser = load(model).to(self.device)
        self.judge = Judge()
        has_statistics = bool(statistics_layers(self.recogniser))
        if options.prior != "none" and not has_statistics:
            raise InputError(
                f"{self.recogniser.name}: expected BatchNorm layers with statistics for --prior "
                f"{options.prior}, found none; use --prior none"
            )
        self.mean_face, self.mean_face_source = self._find_mean_face()

    def _find_mean_face(self) -> tuple[Tensor, str]:
        path = self.recogniser.source.path
        if path.endswith(".safetensors"):
            return load_extra(path, "mean_face"), "training faces of the attacked network"
        return load_extra(str(bundled_path()), "mean_face"), "training faces of the bundled network (LFW)"

    def run(
        self,
        subjects: list[Subject],
        *,
        out: str | os.PathLike[str] | None,
        command: str,
        given: dict[str, Any],
        progress: Progress,
    ) -> Run:
        # Checked before a folder is opened for the results.
        self._loss_name(subjects[0])
        if out is None:
            return self._run(subjects, None, None, command, given, progress)
        # Opened before the work, so that a folder that cannot be written is told at once.
        with output_folder(out) as folder:
            return self._run(subjects, folder, Path(out), command, given, progress)

    def _run(
        self,
        subjects: list[Subject],
        folder: Path | None,
        out: Path | None,
        command: str,
        given: dict[str, Any],
        progress: Progress,
    ) -> Run:
        tasks = [(subject, sample) for subject in subjects for sample in range(self.options.samples)]
        begin = time.monotonic()
        images: list[NDArray[np.uint8]] = []
        attacked: list[float] = []
        seconds: list[float] = []
        interrupted = False
        batches = [
            tasks[first : first + self.options.batch_size]
            for first in range(0, len(tasks), self.options.batch_size)
        ]
        for number, batch in enumerate(batches):
            batch_begin = time.monotonic()
            try:
                inversion = self._invert(batch, number, partial(progress, number + 1, len(batches)))
            except KeyboardInterrupt:
                # What is finished is kept; with nothing finished there is nothing to write.
                if not images:
                    raise
                interrupted = True
                break
            images += list(to_uint8(inversion[0]))
            attacked += inversion[1]
            seconds += [(time.monotonic() - batch_begin) / len(batch)] * len(batch)
        tasks = tasks[: len(images)]
        floor = self._floor_image()
        verdicts = judge_images(
            self.judge,
            [_to_judge_size(image) for image in images],
            floor,
            [subject.reference for subject, _ in tasks],
            thresholds(),
        )
        samples = self._describe(tasks, verdicts, attacked, seconds)
        names = [subject.name for subject, _ in tasks]
        summary = summarise(verdicts, names, attacked, thresholds())
        result = {
            "schema": SCHEMA,
            "created": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": command,
            "inputs": given,
            "options": asdict(self.options),
            "loss": self._loss_name(subjects[0]),
            "parametrisation": self._parametrisation_name(),
            "attacked": self._describe_model(),
            "attacker_knowledge": self._knowledge(),
            "judge": {key: value for key, value in calibration().items() if key not in ("people", "matrix")},
            "environment": self._environment(),
            "seconds": round(time.monotonic() - begin, 2),
            "interrupted": interrupted,
            "summary": summary,
            "samples": samples,
        }
        sheet = run_sheet(result, [subject for subject, _ in tasks], images, floor)
        if folder is not None:
            for image, sample in zip(images, samples, strict=True):
                write_png(folder / sample["image"], image)
            write_png(folder / SHEET_NAME, sheet)
            write_json(folder / RESULT_NAME, result)
        return Run(images, samples, summary, result, sheet, out, interrupted)

    def _invert(
        self, batch: list[tuple[Subject, int]], number: int, callback: Callable[[Step], None]
    ) -> tuple[Tensor, list[float]]:
        options = self.options
        # A sample's start depends on the seed, its identity and its number, not on its batch.
        seeds = [derive_seed(options.seed, subject.name, sample) for subject, sample in batch]
        start = make_start(
            options.start, seeds=seeds, size=self.recogniser.input_size, mean_face=self.mean_face
        )
        parametrisation = PARAMETRISATIONS[self._parametrisation_name()]
        generator = torch.Generator().manual_seed(derive_seed(options.seed, "views", number))
        inversion = invert(
            self.recogniser,
            self._target([subject for subject, _ in batch]),
            parametrisation(start.to(self.device)),
            Schedule(options.steps, options.learning_rate or parametrisation.learning_rate),
            view=RandomView(flip=options.flip, shift=options.shift, scale=options.scale, generator=generator),
            image_priors=[
                (name, weight, prior)
                for name, weight, prior in (
                    ("variation", options.tv_weight, total_variation),
                    ("colour", options.colour_weight, colour_variation),
                    ("l2", options.l2_weight, squared_norm),
                )
                if weight
            ],
            statistics_prior=None
            if options.prior == "none"
            else (options.prior_weight * parametrisation.statistics_share, PRIORS[options.prior]()),
            coordinate_weight=options.coordinate_weight,
            dtype=self.dtype,
            callback=callback,
        )
        return inversion.images, inversion.similarity.tolist()

    def _parametrisation_name(self) -> str:
        name = self.options.parametrisation
        if name == "eigenfaces" and self.options.start == "noise":
            raise InputError("parametrisation: expected pixels or fourier with --start noise, got eigenfaces")
        if name != "auto":
            return name
        ours = self.recogniser.source.path.endswith(".safetensors")
        return "eigenfaces" if ours and self.options.start == "mean" else "pixels"

    def _loss_name(self, subject: Subject) -> str:
        if self.options.loss != "auto":
            if self.options.loss == "arcface" and subject.label is None:
                raise InputError("loss: expected cosine or euclidean for a template, got arcface")
            return self.options.loss
        return "cosine" if subject.label is None else "arcface"

    def _target(self, subjects: list[Subject]) -> Target:
        loss = self._loss_name(subjects[0])
        if loss == "arcface":
            centres = class_centres(self.recogniser)
            labels = torch.tensor([subject.label for subject in subjects], device=self.device)
            return ClassTarget(centres, labels, scale=self.recogniser.scale, margin=self.recogniser.margin)
        templates = torch.stack([subject.template for subject in subjects]).to(self.device)
        return CosineTarget(templates) if loss == "cosine" else EuclideanTarget(templates)

    def _floor_image(self) -> NDArray[np.uint8]:
        """The mean face: what an attack that knows public faces, and nothing of the person, shows."""
        return _to_judge_size(to_uint8(self.mean_face))

    def _knowledge(self) -> dict[str, Any]:
        if self.options.start == "mean":
            known: dict[str, Any] = {"level": "public-faces", "mean_face": self.mean_face_source}
            if self._parametrisation_name() == "eigenfaces":
                known["eigenfaces"] = "single-photograph training faces of the bundled network (LFW)"
            return known
        return {"level": "weights"}

    def _describe_model(self) -> dict[str, Any]:
        source = self.recogniser.source
        centres = self.recogniser.centres
        return {
            "name": self.recogniser.name,
            "sha256": source.sha256,
            "architecture": source.architecture,
            "classes": None if centres is None else len(centres),
            "preprocessing": vars(self.recogniser.preprocessing),
        }

    def _environment(self) -> dict[str, Any]:
        return {
            "device": str(self.device),
            "dtype": str(self.dtype).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "libraries": {name: version(name) for name in _LIBRARIES},
        }

    def _describe(
        self,
        tasks: list[tuple[Subject, int]],
        verdicts: list[Verdict],
        attacked: list[float],
        seconds: list[float],
    ) -> list[dict[str, Any]]:
        samples = []
        stems = _unique_stems([subject for subject, _ in tasks])
        for (subject, sample), verdict, similarity, duration in zip(
            tasks, verdicts, attacked, seconds, strict=True
        ):
            samples.append(
                {
                    "image": f"{stems[subject.name]}_sample{sample}.png",
                    "input": subject.name,
                    "input_sha256": subject.sha256,
                    "class_id": subject.label,
                    "sample": sample,
                    "attacked_similarity": similarity,
                    "judge": asdict(verdict),
                    "seconds": round(duration, 2),
                }
            )
        return samples


def _unique_stems(subjects: Sequence[Subject]) -> dict[str, str]:
    """A file name's beginning for each subject, by its name; no two alike."""
    stems: dict[str, str] = {}
    for subject in subjects:
        if subject.name in stems:
            continue
        if subject.label is not None:
            stem = f"class{subject.label}"
        else:
            stem = re.sub(r"[^\w.-]+", "_", Path(subject.name).name.rsplit(".", 1)[0]) or "image"
            stem = re.sub(r"[^\w.-]+", "_", Path(subject.name).name) if "[" in subject.name else stem
        taken = set(stems.values())
        unique, number = stem, 2
        while unique in taken:
            unique, number = f"{stem}-{number}", number + 1
        stems[subject.name] = unique
    return stems


def _to_judge_size(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if image.shape[0] == ALIGNED_SIZE:
        return image
    resized = torch.nn.functional.interpolate(
        to_tensor(image)[None], ALIGNED_SIZE, mode="bilinear", antialias=True
    )
    return np.asarray(to_uint8(resized)[0])
