"""What the judge compares reconstructions with: photographs of the person, or shipped embeddings of them."""

import functools
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from arcinvert.evaluation.judges import Judge
from arcinvert.evaluation.scores import Reference
from arcinvert.evaluation.similarity import similarity
from arcinvert.knowledge.public_photographs import PhotographKey, photograph_key
from recognition.checkpoint import sha256
from recognition.data.faces import is_copy, read_face
from recognition.errors import InputError, NoFaceError
from recognition.files import printable
from recognition.images import list_images

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ClassReference:
    """What is shipped for one class.

    Args:
        reference: What the judge compares with: Type I (`source`) if the photograph is one of those that
            trained the network, which the class centre came from; Type II (`second`) if it was kept out.
        trained_on: How many photographs of the class trained the network.
    """

    reference: Reference
    trained_on: int


@functools.cache
def shipped_references(class_names: tuple[str, ...]) -> dict[str, ClassReference]:
    """Return the judge's reference of each class, shipped for the bundled network's classes.

    With them a machine without the photographs can judge what it made. Empty for other lists of classes.
    """
    path = Path(str(files("arcinvert").joinpath("data/references.safetensors")))
    if not path.exists():
        return {}
    with safe_open(path, framework="np") as file:
        if (file.metadata() or {}).get("classes_sha256") != class_list_digest(class_names):
            return {}
        parts = [file.get_tensor(name) for name in ("embeddings", "ceilings", "trained_on", "held_out")]
    return {
        name: ClassReference(
            _shipped(embedding.astype(np.float64), float(ceiling), held_out=bool(held_out)), int(trained_on)
        )
        for name, embedding, ceiling, trained_on, held_out in zip(class_names, *parts, strict=True)
    }


def _shipped(embedding: NDArray[np.float64], ceiling: float, *, held_out: bool) -> Reference:
    known = None if np.isnan(ceiling) else ceiling
    return Reference(second=embedding, ceiling=known) if held_out else Reference(embedding, None, known)


def class_list_digest(class_names: Sequence[str]) -> str:
    """Return the SHA-256 of class names in their order, which identifies a list of classes."""
    return hashlib.sha256("\n".join(class_names).encode("utf-8", "surrogateescape")).hexdigest()


def reference_of(
    judge: Judge, source: NDArray[np.uint8] | None, others: Sequence[NDArray[np.uint8]]
) -> Reference:
    """Return the reference of a person.

    Args:
        judge: Embeds the crops.
        source: The crop that the template came from, for Type I; None if there is none.
        others: Crops of other photographs of the person: the first for Type II, the second for the
            ceiling where there is no source.
    """
    real = ([] if source is None else [source]) + list(others)
    embeddings = list(judge.embed(real))
    first = embeddings.pop(0) if source is not None else None
    second = embeddings.pop(0) if embeddings else None
    partner = first if first is not None else (embeddings[0] if embeddings else None)
    ceiling = None if second is None or partner is None else float(similarity(second, partner))
    return Reference(first, second, ceiling)


def folder_of(path: Path, photos: Path, *, single: bool) -> Path:
    """Return the folder with other photographs of the person in a photograph.

    Args:
        path: The photograph; the name of its folder is the identity.
        photos: A folder of folders of identities, or of one person's photographs.
        single: Whether there is one photograph only, so that `photos` may be its person's folder.

    Raises:
        InputError: If there is none.
    """
    if not photos.is_dir():
        raise InputError(f"{photos}: expected a folder of people's photographs, found none; check --photos")
    folder = photos / path.resolve().parent.name
    if folder.is_dir():
        return folder
    if single and photos.is_dir() and list_images(photos):
        return photos
    raise InputError(
        f"{photos}: expected a folder {folder.name!r} in it, with other photographs of the person in {path}; "
        "rename one, or leave --photos out"
    )


@dataclass(frozen=True)
class OtherPhotograph:
    """Another photograph of a person: its aligned face, uint8 112x112x3, and what identifies it."""

    crop: NDArray[np.uint8]
    key: PhotographKey


def other_photographs(
    folder: Path,
    limit: int,
    *,
    besides: Path | None = None,
    unlike: NDArray[np.uint8] | None = None,
) -> list[OtherPhotograph]:
    """Return a person's photographs that have a face, the last by name first.

    Those without a face, those that cannot be read, and copies of another one are left out.

    Args:
        folder: The person's photographs.
        limit: The largest number of photographs.
        besides: A photograph to leave out.
        unlike: The same as an aligned face, uint8 112x112x3: copies of it are left out too.

    Raises:
        InputError: If there is no such folder.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder}: expected a folder of the person's photographs, found none; check --photos"
        )
    own = besides.resolve() if besides else None
    found: list[OtherPhotograph] = []
    for path in reversed(list_images(folder)):
        if len(found) == limit or path.resolve() == own:
            continue
        try:
            crop = read_face(path)
            known = [*(() if unlike is None else (unlike,)), *(other.crop for other in found)]
            if not any(is_copy(crop, one) for one in known):
                key = photograph_key(f"{folder.name}/{path.name}", crop, sha256(path))
                found.append(OtherPhotograph(crop, key))
        except NoFaceError:
            continue
        except InputError as error:
            _log.warning("left out: %s", printable(str(error)))
    return found
