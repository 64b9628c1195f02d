"""The training photographs of a class by the nearest of its several centres."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from recognition.checkpoint import load_split
from recognition.data.embedding import embed_readable
from recognition.data.sources import FaceSource
from recognition.errors import InputError
from recognition.recogniser import Recogniser
from recognition.subcentres import SubCentres


@dataclass(frozen=True)
class NearPhotograph:
    """A training photograph, and its angle to the nearest centre of its class in degrees."""

    key: Path
    angle: float


def cluster_photographs(
    recogniser: Recogniser, subcentres: SubCentres, source: FaceSource, label: int
) -> list[list[NearPhotograph]]:
    """Return the training photographs of a class that are nearest to each of its centres, the nearest first.

    Photographs that were kept out of the training are left out, and so are those that cannot be read.

    Args:
        recogniser: The network, with class names.
        subcentres: Its sub-centres.
        source: The faces that it was trained on.
        label: The class index.

    Raises:
        InputError: If the network's classes have no names, the source has no photographs of the class, or
            none of them can be read.
    """
    if recogniser.class_names is None:
        raise InputError(
            f"clusters: expected a network with class names, got {recogniser.name}, whose classes have none"
        )
    name = recogniser.class_names[label]
    reserved = load_split(recogniser.source.path).get("reserved", {}).get(name)
    keys: Sequence[Path] = [key for key in source.identities.get(name, ()) if key.name != reserved]
    if not keys:
        raise InputError(
            f"clusters: expected training photographs of {name}, found none; give the data of the training"
        )
    embeddings, readable = embed_readable(recogniser, keys, read=source.read, progress=False)
    cosines = embeddings.astype(np.float64) @ subcentres.directions[label].cpu().double().numpy().T
    nearest = cosines.argmax(1)
    angles = np.degrees(np.arccos(cosines.max(1).clip(-1, 1)))
    sound = [key for key, is_sound in zip(keys, readable, strict=True) if is_sound]
    return [
        [
            NearPhotograph(sound[index], float(angles[index]))
            for index in sorted(np.flatnonzero(nearest == number), key=lambda index: angles[index])
        ]
        for number in range(subcentres.count)
    ]
