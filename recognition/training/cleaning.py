"""Removal of label noise: images far from the dominant one of their class's several centres are dropped.

Source: Deng et al., Sub-center ArcFace, ECCV 2020, section 3.3.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from recognition.checkpoint import has_extra, load_extra, load_split
from recognition.data.embedding import embed_readable
from recognition.data.sources import FaceSource
from recognition.errors import InputError
from recognition.images import to_uint8
from recognition.recogniser import Recogniser

#: Largest angle to the dominant centre at which an image is kept, degrees; the best in the paper's table 5.
MAX_ANGLE = 75.0


@dataclass(frozen=True)
class Cluster:
    """The images of one identity with their nearest centres, for a contact sheet.

    Args:
        name: Name of the identity.
        crops: Aligned crops, uint8 HWC.
        angles: Angle of each image to the dominant centre, degrees.
        centres: Index of each image's nearest centre.
        dominant: Index of the dominant centre.
        kept: Whether each image is kept.
    """

    name: str
    crops: list[NDArray[np.uint8]]
    angles: list[float]
    centres: list[int]
    dominant: int
    kept: list[bool]


@dataclass(frozen=True)
class Cleaning:
    """Which images are kept, and why.

    Args:
        nearest: Index of each image's nearest centre of its class, shape (images,).
        dominant: Index of the centre that most images of a class are nearest to, shape (classes,).
        angles: Angle of each image to the dominant centre of its class, degrees, shape (images,).
        kept: Whether each image is kept, bool, shape (images,).
    """

    nearest: NDArray[np.int64]
    dominant: NDArray[np.int64]
    angles: NDArray[np.float64]
    kept: NDArray[np.bool_]


def find_noise(
    embeddings: NDArray[np.floating],
    labels: NDArray[np.integer],
    subcentres: NDArray[np.floating],
    *,
    max_angle: float = MAX_ANGLE,
) -> Cleaning:
    """Find the images that are farther than `max_angle` from the dominant centre of their class.

    The image nearest to the dominant centre is always kept, so that every class keeps an image.

    Args:
        embeddings: Unit norm, shape (images, dim).
        labels: Class indices, shape (images,).
        subcentres: Unit-norm centres, shape (classes, K, dim).
        max_angle: Degrees, above 0 and at most 180.

    Raises:
        InputError: If the angle or a label is out of range.
    """
    if not 0 < max_angle <= 180:
        raise InputError(f"angle: expected degrees above 0 to 180, got {max_angle}")
    classes, count, _ = subcentres.shape
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise InputError(
            f"labels: expected class indices in 0..{classes - 1}, got {labels.min()}..{labels.max()}"
        )
    cosines = np.einsum("nd,nkd->nk", embeddings, subcentres[labels]).astype(np.float64)
    nearest = cosines.argmax(1)
    votes = np.zeros((classes, count), dtype=np.int64)
    np.add.at(votes, (labels, nearest), 1)
    dominant = votes.argmax(1)
    own = cosines[np.arange(len(labels)), dominant[labels]]
    angles = np.degrees(np.arccos(own.clip(-1, 1)))
    kept = angles <= max_angle
    # Without a class, a training on what is left would have other classes and another split.
    for label in np.unique(labels):
        images = np.flatnonzero(labels == label)
        kept[images[angles[images].argmin()]] = True
    return Cleaning(nearest, dominant, angles, kept)


def clean(
    recogniser: Recogniser,
    source: FaceSource,
    *,
    max_angle: float = MAX_ANGLE,
    takes_one_centre: bool = False,
) -> tuple[Cleaning, list[Path], NDArray[np.int64], list[Path]]:
    """Find the label noise in the training images of a network with several centres per class.

    Args:
        recogniser: A network that was trained on `source` with `--head subcentre`.
        source: The faces that it was trained on.
        max_angle: Largest angle to the dominant centre at which an image is kept, degrees.
        takes_one_centre: Whether a network with one centre per class is taken too; its images are then at
            the dominant centre, all of them.

    Returns:
        Which images are kept, their keys, their labels, which index `recogniser.class_names`, and the keys of
        images that cannot be read, which the others do not include.

    Raises:
        InputError: If the network does not have several centres per class, identities that it was trained on
            are not in the source, or no image can be read.
    """
    path = recogniser.source.path
    if not path.endswith(".safetensors") or recogniser.class_names is None:
        raise InputError(
            f"{recogniser.name}: expected a network that the train command wrote, got another; train one "
            "with --head subcentre"
        )
    if takes_one_centre and recogniser.centres is not None and not has_extra(path, "subcentres"):
        subcentres = recogniser.centres[:, None].cpu().numpy()
    else:
        subcentres = load_extra(path, "subcentres").numpy()
    missing = [name for name in recogniser.class_names if name not in source.identities]
    if missing:
        raise InputError(
            f"{path}: expected the identities that it was trained on, {len(missing)} of them are missing, "
            f"such as {missing[0]}; give the data of its training"
        )
    reserved = load_split(path).get("reserved", {})
    samples = [
        (key, label)
        for label, name in enumerate(recogniser.class_names)
        for key in source.identities[name]
        if key.name != reserved.get(name)
    ]
    embeddings, readable = embed_readable(recogniser, [key for key, _ in samples], read=source.read)
    keys = [key for (key, _), sound in zip(samples, readable, strict=True) if sound]
    left_out = [
        *source.unlisted,
        *(key for (key, _), sound in zip(samples, readable, strict=True) if not sound),
    ]
    labels = np.array([label for _, label in samples])[readable]
    return find_noise(embeddings, labels, subcentres, max_angle=max_angle), keys, labels, left_out


def clusters(
    cleaning: Cleaning,
    keys: list[Path],
    labels: NDArray[np.int64],
    recogniser: Recogniser,
    source: FaceSource,
    *,
    count: int,
) -> list[Cluster]:
    """Return the images of the `count` identities that lose the most images, for contact sheets."""
    names = recogniser.class_names or ()
    lost = np.bincount(labels[~cleaning.kept], minlength=len(names))
    affected = [int(label) for label in np.argsort(-lost, kind="stable")[:count] if lost[label]]
    found = []
    for label in affected:
        images = np.flatnonzero(labels == label)
        found.append(
            Cluster(
                name=names[label],
                crops=[to_uint8(source.read(keys[index])) for index in images],
                angles=cleaning.angles[images].tolist(),
                centres=cleaning.nearest[images].tolist(),
                dominant=int(cleaning.dominant[label]),
                kept=cleaning.kept[images].tolist(),
            )
        )
    return found


def describe_rows(
    cleaning: Cleaning,
    keys: list[Path],
    labels: NDArray[np.int64],
    recogniser: Recogniser,
    source: FaceSource,
) -> list[dict[str, str]]:
    """Return the rows of the cleaned list: every image of the source, so that its split stays the same.

    The columns are file, identity, angle (degrees to the dominant centre), centre (index of the nearest
    one), dominant (whether that is the dominant one) and kept. Images that the network was not trained on,
    and those that cannot be read, are kept and have neither angle nor centre.
    """
    names = recogniser.class_names or ()
    judged = {(names[label], key): index for index, (key, label) in enumerate(zip(keys, labels, strict=True))}
    rows = []
    for name, files in source.identities.items():
        for key in files:
            row = {
                "file": str(key),
                "identity": name,
                "angle": "",
                "centre": "",
                "dominant": "",
                "kept": "yes",
            }
            if (index := judged.get((name, key))) is not None:
                centre = int(cleaning.nearest[index])
                row |= {
                    "angle": f"{cleaning.angles[index]:.2f}",
                    "centre": str(centre),
                    "dominant": "yes" if centre == cleaning.dominant[labels[index]] else "no",
                    "kept": "yes" if cleaning.kept[index] else "no",
                }
            rows.append(row)
    return rows
