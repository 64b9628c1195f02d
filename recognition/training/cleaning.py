"""Label noise, found with several centres a class: images far from their class's dominant centre.

Source: Deng et al., Sub-center ArcFace, ECCV 2020, section 3.3.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recognition.checkpoint import load_extra, load_notes
from recognition.data.embedding import embed_files
from recognition.data.sources import FaceSource
from recognition.errors import InputError
from recognition.images import to_uint8
from recognition.recogniser import Recogniser

#: Beyond this angle to the dominant centre an image is dropped, degrees: the best of the paper's table 5.
MAX_ANGLE = 75.0


@dataclass(frozen=True)
class Cluster:
    """One identity's images by sub-centre, for a sheet.

    Args:
        name: of the identity.
        crops: uint8 HWC.
        angles: degrees to the dominant centre.
        centres: which centre each is nearest to; dominant: the dominant one.
        kept: whether each stays.
    """

    name: str
    crops: list[NDArray[np.uint8]]
    angles: list[float]
    centres: list[int]
    dominant: int
    kept: list[bool]


@dataclass(frozen=True)
class Cleaning:
    """What became of each image.

    Args:
        nearest: (images,), which of its class's centres is nearest.
        dominant: (classes,), the centre that most images of the class are nearest to.
        angles: (images,), degrees to the dominant centre.
        kept: (images,), bool.
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
    """Drop images beyond `max_angle` of their class's dominant centre, but the nearest one always stays.

    Args:
        embeddings: (images, dim), unit norm.
        labels: (images,), class indices.
        subcentres: (classes, K, dim), unit norm; with K = 1 the angle alone decides.
        max_angle: degrees, above 0 to 180.

    Raises:
        InputError: the angle or a label is out of range.
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
    # A class that lost its last image would be another set of classes, and another split.
    for label in np.unique(labels):
        images = np.flatnonzero(labels == label)
        kept[images[angles[images].argmin()]] = True
    return Cleaning(nearest, dominant, angles, kept)


def clean(
    recogniser: Recogniser, source: FaceSource, *, max_angle: float = MAX_ANGLE, dtype: Any = None
) -> tuple[Cleaning, list[Path], NDArray[np.int64]]:
    """Clean the training images of a network that was trained on `source` with `--head subcentre`.

    Returns:
        What became of them, their keys, and their labels (into `recogniser.class_names`).

    Raises:
        InputError: the network has no several centres, or other identities than the source.
    """
    path = recogniser.source.path
    if not path.endswith(".safetensors") or recogniser.class_names is None:
        raise InputError(
            f"{recogniser.name}: expected a network trained here, got another; train with --head subcentre"
        )
    subcentres = load_extra(path, "subcentres").numpy()
    missing = [name for name in recogniser.class_names if name not in source.identities]
    if missing:
        raise InputError(
            f"{path}: expected the identities that it was trained on, {len(missing)} of them are missing, "
            f"such as {missing[0]}; name the data of its training"
        )
    reserved = load_notes(path).get("split", {}).get("reserved", {})
    samples = [
        (key, label)
        for label, name in enumerate(recogniser.class_names)
        for key in source.identities[name]
        if key.name != reserved.get(name)
    ]
    keys, labels = [key for key, _ in samples], np.array([label for _, label in samples])
    embeddings = embed_files(recogniser, keys, read=source.read, progress=True)
    return find_noise(embeddings, labels, subcentres, max_angle=max_angle), keys, labels


def clusters(
    cleaning: Cleaning,
    keys: list[Path],
    labels: NDArray[np.int64],
    recogniser: Recogniser,
    source: FaceSource,
    *,
    count: int,
) -> list[Cluster]:
    """The `count` identities that lost the most images, with these, for their sheets."""
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
    """The rows of the cleaned list: every image of the source, so that a retraining splits it alike.

    Columns: file, identity, angle (degrees to the dominant centre), centre (the nearest), dominant
    (whether that is the dominant one), kept. Images that the network was not trained on are kept, and
    have neither angle nor centre.
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
