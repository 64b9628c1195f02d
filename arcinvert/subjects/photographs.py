"""Photographs and aligned crops as subjects: open-set; only the template is kept for the attack."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from arcinvert.arguments import whole_number
from arcinvert.evaluation.judges import Judge
from arcinvert.knowledge.public_photographs import photograph_key
from arcinvert.subjects.references import OtherPhotograph, folder_of, other_photographs, reference_of
from arcinvert.subjects.subject import Subject, shown
from recognition.checkpoint import sha256
from recognition.data.faces import at_size
from recognition.detection.alignment import ALIGNED_SIZE, Face, crop_at
from recognition.detection.search import check_detector, find_face
from recognition.errors import InputError, NoFaceError
from recognition.files import printable
from recognition.images import read_image, to_tensor, upright_rgb
from recognition.options import Detector


class Embedder(Protocol):
    """What makes templates of crops: a `Recogniser`, or a black box that enrols people."""

    @property
    def input_size(self) -> int:
        """Side of the crops in pixels."""
        ...

    @property
    def device(self) -> torch.device:
        """Where the crops go."""
        ...

    def __call__(self, images: Tensor, /) -> Tensor:
        """Return unit-norm templates, (batch, dim), of crops, (batch, 3, size, size) in [0, 1]."""
        ...


@dataclass(frozen=True)
class LeftOut:
    """A photograph that could not be used.

    Args:
        name: What results call it.
        reason: Why it was left out.
    """

    name: str
    reason: str


def photograph_subjects(
    recogniser: Embedder,
    photographs: Sequence[Any],
    judge: Judge,
    *,
    face: int = 1,
    detector: Detector = "hog",
    photos: str | os.PathLike[str] | None = None,
    left_out: list[LeftOut] | None = None,
) -> list[Subject]:
    """Return subjects of an open-set attack: photographs are aligned and embedded.

    Args:
        recogniser: The attacked network.
        photographs: Paths, PIL images or uint8 arrays, (height, width, 3) RGB.
        judge: Embeds the crops.
        face: Which face of each photograph, the largest is 1.
        detector: The detector of faces.
        photos: Other photographs of the people: a folder of one folder for each identity, found by the
            name of the folder that the photograph is in; or, for one photograph, a folder of the person's
            images.
        left_out: Receives the photographs that cannot be read or have no face; None refuses them.

    Raises:
        InputError: If no photograph can be used, or `photos` cannot; without `left_out`, if one cannot.
    """
    if not photographs:
        raise InputError("from-image: expected at least one photograph, got none")
    face = whole_number("face", face)
    check_detector(detector)
    subjects: list[Subject] = []
    distinct = _distinct(photographs)
    names = _shown_names(distinct)
    refused: InputError | None = None
    for number, given in enumerate(distinct):
        try:
            where, pixels, digest = read_photograph(given, number)
            found = find_face(pixels, name=where, face=face, detector=detector)
        except InputError as error:
            # An object of another type is a mistake of the program, not a bad photograph.
            mistake = not isinstance(given, str | os.PathLike) and not isinstance(error, NoFaceError)
            if left_out is None or mistake:
                raise
            refused = refused or error
            left_out.append(_left_out(given, names[number], error))
            continue
        others: list[OtherPhotograph] = []
        if photos is not None:
            if not isinstance(given, str | os.PathLike):
                raise InputError(
                    "photos: expected it with paths of photographs, got it with images in memory"
                )
            path = Path(given)
            folder = folder_of(path, Path(photos), single=len(distinct) == 1)
            others = other_photographs(folder, 1, besides=path, unlike=crop_at(pixels, found))
        subject = face_subject(
            recogniser, pixels, found, judge, name=names[number], others=others, digest=digest
        )
        subjects.append(shown(subject, len(subjects)))
    if refused is not None and not subjects:
        raise refused
    return subjects


def _left_out(given: Any, name: str, error: InputError) -> LeftOut:
    path = os.fspath(given) if isinstance(given, str | os.PathLike) else name
    reason = str(error).replace(path, name).replace(printable(path), name)
    return LeftOut(name, reason)


def _shown_names(photographs: Sequence[Any]) -> list[str]:
    """Return what results call photographs: paths below the folder that all of them are in.

    Where that folder is on this machine is nobody else's business.
    """
    paths = [os.path.abspath(one) for one in photographs if isinstance(one, str | os.PathLike)]  # noqa: PTH100
    root = os.path.commonpath([os.path.dirname(path) for path in paths]) if paths else ""  # noqa: PTH120
    return [
        Path(os.path.relpath(os.path.abspath(one), root)).as_posix()  # noqa: PTH100
        if isinstance(one, str | os.PathLike)
        else f"image {number + 1}"
        for number, one in enumerate(photographs)
    ]


def _distinct(photographs: Iterable[Any]) -> list[Any]:
    """Return images without repeated paths; images in memory are not compared."""
    paths: set[str] = set()
    distinct: list[Any] = []
    for one in photographs:
        if isinstance(one, str | os.PathLike):
            whole = os.path.abspath(one)  # noqa: PTH100
            if whole in paths:
                continue
            paths.add(whole)
            distinct.append(Path(one))
        else:
            distinct.append(one)
    return distinct


def read_photograph(given: Any, number: int = 0) -> tuple[str, NDArray[np.uint8], str]:
    """Return name, pixels (uint8, height x width x 3, RGB) and SHA-256 of a photograph.

    Args:
        given: A path, a PIL image or an array.
        number: Names an image in memory.

    Raises:
        InputError: If it is something else, or cannot be read.
    """
    if isinstance(given, str | os.PathLike):
        return str(given), read_image(given), sha256(given)
    if isinstance(given, Image.Image):
        given = upright_rgb(given)
    pixels = _as_pixels(given, "photograph")
    return f"image {number + 1}", pixels, hashlib.sha256(pixels.tobytes()).hexdigest()


def _as_pixels(given: Any, what: str) -> NDArray[np.uint8]:
    """Return an array or tensor as uint8 (height, width, 3).

    Raises:
        InputError: If it is something else.
    """
    if isinstance(given, Tensor):
        given = given.detach().cpu().numpy()
    if not isinstance(given, np.ndarray) or given.ndim != 3 or given.shape[2] != 3 or given.dtype != np.uint8:
        shape = f"{given.dtype} {given.shape}" if isinstance(given, np.ndarray) else type(given).__name__
        raise InputError(
            f"{what}: expected a path, a PIL image or a uint8 array (height, width, 3) in RGB, got {shape}"
        )
    return np.ascontiguousarray(given)


def crop_subjects(recogniser: Embedder, crops: Any, judge: Judge) -> list[Subject]:
    """Return subjects of an open-set attack from crops that are aligned already.

    Args:
        recogniser: The attacked network.
        crops: One or several paths, PIL images or uint8 arrays, 112x112x3 RGB.
        judge: Embeds the crops.

    Raises:
        InputError: If a crop has another size or type.
    """
    # Texts and single images can be iterated too: letter by letter, row by row.
    several = isinstance(crops, Iterable) and not isinstance(crops, str) and getattr(crops, "ndim", 4) == 4
    distinct = _distinct(crops if several else [crops])
    if not distinct:
        raise InputError("from-crops: expected at least one crop, got none")
    subjects: list[Subject] = []
    names = _shown_names(distinct)
    for number, given in enumerate(distinct):
        name, crop, digest = read_photograph(given, number)
        if crop.shape[:2] != (ALIGNED_SIZE, ALIGNED_SIZE):
            raise InputError(
                f"{name}: expected an aligned {ALIGNED_SIZE}x{ALIGNED_SIZE} crop, got "
                f"{crop.shape[1]}x{crop.shape[0]}; use from_image for photographs"
            )
        subject = Subject(
            name=names[number],
            label=None,
            template=template_of(recogniser, at_size(crop, recogniser.input_size)),
            reference=reference_of(judge, crop, []),
            picture=crop,
            sha256=digest,
            stem=Path(names[number]).stem,
            key=digest,
            photograph_keys=(photograph_key(names[number], crop, digest),),
        )
        subjects.append(shown(subject, number))
    return subjects


def face_subject(
    recogniser: Embedder,
    photograph: NDArray[np.uint8],
    face: Face,
    judge: Judge,
    *,
    name: str,
    others: Sequence[OtherPhotograph] = (),
    digest: str | None = None,
) -> Subject:
    """Return the subject of one face in a photograph.

    Args:
        recogniser: The attacked network.
        photograph: uint8, (height, width, 3), RGB.
        face: The face in it.
        judge: Embeds the crops.
        name: The name in results.
        others: Other photographs of the person, for the judge.
        digest: SHA-256 of the photograph's file; random numbers follow from it, wherever the file is.
    """
    crop = crop_at(photograph, face)
    return Subject(
        name=name,
        label=None,
        template=template_of(recogniser, crop_at(photograph, face, recogniser.input_size)),
        reference=reference_of(judge, crop, [one.crop for one in others]),
        picture=crop,
        sha256=digest,
        stem=Path(name).stem,
        key=digest or "",
        photograph_keys=(photograph_key(name, crop, digest), *(one.key for one in others)),
    )


@torch.no_grad()
def template_of(recogniser: Embedder, crop: NDArray[np.uint8]) -> Tensor:
    """Return the template of one aligned crop of the network's input size, unit norm, (dim,), on the CPU."""
    return recogniser(to_tensor(crop)[None].to(recogniser.device))[0].cpu()
