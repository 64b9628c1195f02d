"""From what a user names (classes, photographs, templates) to subjects of an attack."""

import difflib
import functools
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import overload

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import safe_open
from torch import Tensor

from arcinvert.evaluation.judge import Judge, similarity
from arcinvert.evaluation.scores import Reference
from arcinvert.output.folder import SHEET_IDENTITIES
from recognition.checkpoint import sha256
from recognition.detection.alignment import Face, crop_at, find_face
from recognition.errors import InputError, NoFaceError
from recognition.images import list_images, read_image, to_tensor
from recognition.recogniser import Recogniser

#: Templates of a file that are checked together.
_TEMPLATES_AT_ONCE = 1024


@dataclass(frozen=True)
class Subject:
    """One identity to attack.

    Args:
        name: the class name, or the photograph's or template file's path.
        label: the class index, closed-set; None in open-set.
        template: unit-norm, (dim,): the class centre or the embedding.
        reference: what the judge compares with.
        picture: uint8 112x112, a real photograph to show beside the result, if there is one.
        sha256: of the input file, if there is one.
        stem: what the names of its files begin with.
        key: what its random numbers follow from, besides the seed; "" for the name.
    """

    name: str
    label: int | None
    template: Tensor
    reference: Reference
    picture: NDArray[np.uint8] | None = None
    sha256: str | None = None
    stem: str = ""
    key: str = ""


def class_centres(recogniser: Recogniser) -> Tensor:
    """The unit-norm class weights, (classes, dim).

    Raises:
        InputError: the network came without.
    """
    if recogniser.centres is None:
        raise InputError(
            f"{recogniser.name}: expected a network with class centres, got a backbone alone; "
            "use from-image or from-embedding"
        )
    return recogniser.centres


def class_label(recogniser: Recogniser, wanted: int | str) -> int:
    """The class index of a number or a name.

    Raises:
        InputError: the network has no such class, or no classes at all.
    """
    classes = len(class_centres(recogniser))
    if isinstance(wanted, str):
        names = recogniser.class_names or ()
        if wanted in names:
            return names.index(wanted)
        near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.0)
        hint = f"the nearest is {near[0]!r}" if near else "this network's classes have no names"
        raise InputError(f"class name: expected one of the network's {classes}, got {wanted!r}; {hint}")
    if not 0 <= wanted < classes:
        raise InputError(f"class id: expected 0 to {classes - 1}, got {wanted}")
    return wanted


def class_subjects(
    recogniser: Recogniser,
    wanted: Sequence[int | str],
    judge: Judge,
    *,
    photos: str | os.PathLike[str] | None = None,
) -> list[Subject]:
    """Subjects of closed-set inversion.

    Args:
        photos: a folder per identity, named as the classes are, in place of the shipped references.

    Raises:
        InputError: an unknown class, or unusable photographs.
    """
    subjects: list[Subject] = []
    # A class named twice is one subject: more of it is what samples are for.
    for label in dict.fromkeys(class_label(recogniser, one) for one in wanted):
        centres = class_centres(recogniser)
        name = recogniser.class_names[label] if recogniser.class_names else f"class {label}"
        picture: NDArray[np.uint8] | None = None
        if photos is not None:
            crops = _other_crops(Path(photos) / name, 2)
            reference, picture = _reference(judge, None, crops), crops[0] if crops else None
        else:
            reference = shipped_references(recogniser.class_names or ()).get(name, Reference())
        subject = Subject(name, label, centres[label].cpu(), reference, picture, stem=f"class{label}")
        subjects.append(_shown(subject, len(subjects)))
    return subjects


def photograph_subjects(
    recogniser: Recogniser,
    paths: Sequence[str | os.PathLike[str]],
    judge: Judge,
    *,
    face: int = 1,
    photos: str | os.PathLike[str] | None = None,
) -> list[Subject]:
    """Subjects of open-set inversion: align, embed, and keep only the template for the attack.

    Args:
        face: which of a photograph's faces, the largest first.
        photos: other photographs: a folder per identity, found by the name of the folder a
            photograph is in; or, of a single person, a folder of images.

    Raises:
        InputError: an unreadable photograph, no face in it, or unusable `photos`.
    """
    subjects: list[Subject] = []
    for path in dict.fromkeys(map(Path, paths)):
        photograph = read_image(path)
        found = find_face(photograph, name=str(path), face=face)
        others: list[NDArray[np.uint8]] = []
        if photos is not None:
            folder = _folder_of(path, Path(photos), single=len(paths) == 1)
            others = _other_crops(folder, 1, besides=path)
        subject = face_subject(
            recogniser, photograph, found, judge, name=str(path), others=others, digest=sha256(path)
        )
        subjects.append(_shown(subject, len(subjects)))
    return subjects


def _shown(subject: Subject, number: int) -> Subject:
    """Without the picture, where the sheet has no room for it: it would take memory for nothing."""
    return subject if number < SHEET_IDENTITIES else replace(subject, picture=None)


def face_subject(
    recogniser: Recogniser,
    photograph: NDArray[np.uint8],
    face: Face,
    judge: Judge,
    *,
    name: str,
    others: Sequence[NDArray[np.uint8]] = (),
    digest: str | None = None,
) -> Subject:
    """The subject of one face in a photograph, uint8 HWC RGB.

    Args:
        name: what results call it.
        others: aligned crops of other photographs of the person, for the judge.
        digest: SHA-256 of the photograph's file.
    """
    crop = crop_at(photograph, face)
    return Subject(
        name=name,
        label=None,
        template=template_of(recogniser, crop_at(photograph, face, recogniser.input_size)),
        reference=_reference(judge, crop, list(others)),
        picture=crop,
        sha256=digest,
        stem=Path(name).stem,
        # The photograph, wherever it lies.
        key=digest or "",
    )


class TemplateSubjects(Sequence[Subject]):
    """Subjects of open-set inversion from templates alone: a .npy file, (dim,) or (n, dim).

    The file stays where it is: each template is read when it is asked for.

    Raises:
        InputError: the file is no such array, has another dimension, or has NaN, infinite or zero
            templates.
    """

    def __init__(self, recogniser: Recogniser, path: str | os.PathLike[str]) -> None:
        self._path = path = Path(path)
        try:
            templates = np.lib.format.open_memmap(path, mode="r")
        except FileNotFoundError:
            raise InputError(
                f"{path}: expected a .npy file of templates, found no such file; check the path"
            ) from None
        except Exception as error:
            # A damaged header raises whatever the tokeniser, the parser or the allocator do.
            raise InputError(
                f"{path}: expected a .npy file of numbers, got something else ({error}); save it with "
                "numpy.save"
            ) from None
        dim = embedding_size(recogniser)
        if (
            not isinstance(templates, np.ndarray)
            or templates.ndim not in (1, 2)
            or templates.shape[-1] != dim
        ):
            shape = getattr(templates, "shape", "an archive")
            raise InputError(
                f"{path}: expected templates of {dim} numbers, ({dim},) or (n, {dim}), got {shape}"
            )
        if templates.dtype.kind not in "fiu":
            raise InputError(f"{path}: expected real numbers, got {templates.dtype}")
        self._templates = np.atleast_2d(templates)
        if not len(self._templates):
            raise InputError(f"{path}: expected at least one template, got none")
        for first in range(0, len(self._templates), _TEMPLATES_AT_ONCE):
            largest = np.abs(self._templates[first : first + _TEMPLATES_AT_ONCE].astype(np.float64)).max(1)
            wrong = np.flatnonzero(~np.isfinite(largest) | (largest == 0))
            if len(wrong):
                raise InputError(
                    f"{path}: expected finite, non-zero templates, got NaN, infinite or zero ones (the first "
                    f"is number {first + wrong[0]}); enrol them again"
                )
        self._digest = sha256(path)

    def __len__(self) -> int:
        return len(self._templates)

    @overload
    def __getitem__(self, index: int) -> Subject: ...
    @overload
    def __getitem__(self, index: slice) -> list[Subject]: ...
    def __getitem__(self, index: int | slice) -> Subject | list[Subject]:
        if isinstance(index, slice):
            return [self[one] for one in range(len(self))[index]]
        index = range(len(self))[index]
        template = self._templates[index].astype(np.float64)
        # By the largest number first: a norm's squares would leave the range.
        template /= np.abs(template).max()
        template /= np.linalg.norm(template)
        stem = self._path.stem
        return Subject(
            f"{self._path.name}[{index}]",
            None,
            torch.from_numpy(template.astype(np.float32)),
            Reference(),
            sha256=self._digest,
            # All of one length, so that folders list them in order.
            stem=stem if len(self) == 1 else f"{stem}-{index:0{len(str(len(self) - 1))}}",
        )


@torch.no_grad()
def template_of(recogniser: Recogniser, crop: NDArray[np.uint8]) -> Tensor:
    """The unit-norm embedding, (dim,), of one aligned crop, on the CPU."""
    device = next(recogniser.parameters()).device
    return recogniser(to_tensor(crop)[None].to(device))[0].cpu()


def embedding_size(recogniser: Recogniser) -> int:
    """Dimensions of the recogniser's embeddings."""
    size = recogniser.input_size
    return len(template_of(recogniser, np.zeros((size, size, 3), np.uint8)))


@functools.cache
def shipped_references(class_names: tuple[str, ...]) -> dict[str, Reference]:
    """Judge embeddings of one photograph a class, shipped for the bundled network's classes.

    They let a machine without the photographs judge what it made. Empty for other class lists.
    """
    path = Path(str(files("arcinvert").joinpath("data/references.safetensors")))
    if not path.exists():
        return {}
    with safe_open(path, framework="np") as file:
        if (file.metadata() or {}).get("classes_sha256") != class_list_digest(class_names):
            return {}
        embeddings = file.get_tensor("embeddings").astype(np.float64)
        ceilings = file.get_tensor("ceilings").astype(np.float64)
    return {
        name: Reference(second=embedding, ceiling=None if np.isnan(ceiling) else float(ceiling))
        for name, embedding, ceiling in zip(class_names, embeddings, ceilings, strict=True)
    }


def class_list_digest(class_names: Sequence[str]) -> str:
    """SHA-256 of the names in their order, to know a class list by."""
    return hashlib.sha256("\n".join(class_names).encode()).hexdigest()


def _reference(judge: Judge, source: NDArray[np.uint8] | None, others: list[NDArray[np.uint8]]) -> Reference:
    """Type I against `source`; Type II against the first other; the ceiling between two real ones."""
    real = ([] if source is None else [source]) + others
    embeddings = list(judge.embed(real))
    first = embeddings.pop(0) if source is not None else None
    second = embeddings.pop(0) if embeddings else None
    partner = first if first is not None else (embeddings[0] if embeddings else None)
    ceiling = None if second is None or partner is None else float(similarity(second, partner))
    return Reference(first, second, ceiling)


def _folder_of(path: Path, photos: Path, *, single: bool) -> Path:
    folder = photos / path.resolve().parent.name
    if folder.is_dir():
        return folder
    if single and photos.is_dir() and list_images(photos):
        return photos
    raise InputError(
        f"{photos}: expected a folder {folder.name!r} in it, with other photographs of the person in {path}"
    )


def _other_crops(folder: Path, limit: int, *, besides: Path | None = None) -> list[NDArray[np.uint8]]:
    """Aligned crops of a person's photographs, the last by name first, those with a face."""
    if not folder.is_dir():
        raise InputError(
            f"{folder}: expected a folder of the person's photographs, found none; check --photos"
        )
    own = besides.resolve() if besides else None
    crops: list[NDArray[np.uint8]] = []
    for path in reversed(list_images(folder)):
        if len(crops) == limit or path.resolve() == own:
            continue
        photograph = read_image(path)
        try:
            crops.append(crop_at(photograph, find_face(photograph, name=str(path), pick="central")))
        except NoFaceError:
            continue
    return crops
