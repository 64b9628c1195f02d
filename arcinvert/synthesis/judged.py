"""Known people by a judge, a network that was not inverted: whom it finds in a picture, the set may show."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.evaluation.judges import Judge
from arcinvert.evaluation.similarity import Array, similarity_matrix
from arcinvert.subjects.references import shipped_references
from recognition.data.faces import read_face
from recognition.errors import InputError
from recognition.images import list_images_below
from recognition.recogniser import Recogniser

#: The quantiles of similarities that a data card lists.
QUANTILES = (0.25, 0.5, 0.75, 0.95, 0.99)
#: Known people who are compared with each other at once.
_PART = 512


@dataclass(frozen=True)
class JudgedPeople:
    """Known people as a judge embeds them.

    Args:
        judge: The judge.
        embeddings: One photograph of each person, shape (people, dim).
    """

    judge: Judge
    embeddings: Array

    def nearest(self, crops: Sequence[NDArray[np.uint8]]) -> list[float]:
        """Return the similarity of each aligned crop to the person whom the judge finds most similar."""
        found = similarity_matrix(self.judge.embed(crops), self.embeddings, self.judge.metric)
        return [round(float(one), 6) for one in found.max(1)]

    def strangers(self) -> NDArray[np.float64]:
        """Return the similarity of each person to the most similar other one, shape (people,)."""
        nearest = []
        for begin in range(0, len(self.embeddings), _PART):
            part = self.embeddings[begin : begin + _PART]
            found = similarity_matrix(part, self.embeddings, self.judge.metric)
            found[np.arange(len(part)), begin + np.arange(len(part))] = -np.inf
            nearest.append(found.max(1))
        return np.concatenate(nearest)

    def describe(self, judged: Sequence[float]) -> dict[str, Any]:
        """Return how similar the judge finds pictures, and strangers, to known people, as JSON.

        Args:
            judged: `nearest` of one picture of each identity.
        """
        return {
            "judge": self.judge.describe(),
            "people": len(self.embeddings),
            "pictures": _quantiles(judged),
            "strangers": _quantiles(self.strangers()),
        }


def judged_people(
    judge: Judge, recogniser: Recogniser, folder: str | os.PathLike[str] | None = None
) -> JudgedPeople:
    """Return the known people: shipped references of the network's classes, and those in a folder.

    Args:
        judge: The judge that the references are of.
        recogniser: The network.
        folder: Photographs or aligned crops, searched with all folders below it, of which the first readable
            one of each folder is used.

    Raises:
        InputError: If there are fewer than two people.
    """
    rows = []
    for one in shipped_references(recogniser.class_names or ()).values():
        embedding = one.reference.source if one.reference.second is None else one.reference.second
        if embedding is not None:
            rows.append(embedding[None])
    crops = [] if folder is None else _first_of_each(Path(folder))
    if crops:
        rows.append(np.asarray(judge.embed(crops)))
    embeddings = np.concatenate(rows) if rows else np.zeros((0, 0))
    if len(embeddings) < 2:
        raise InputError(
            f"judge: expected photographs of at least two known people, found {len(embeddings)}; "
            f"{recogniser.name} has no shipped references, so give --known DIR"
        )
    return JudgedPeople(judge, embeddings)


def _first_of_each(folder: Path) -> list[NDArray[np.uint8]]:
    found: dict[Path, NDArray[np.uint8]] = {}
    for path in list_images_below(folder):
        if path.parent in found:
            continue
        try:
            found[path.parent] = read_face(path)
        except InputError:
            # The check of templates reports it.
            continue
    return list(found.values())


def _quantiles(similarities: Any) -> dict[str, Any]:
    values = np.asarray(similarities, dtype=np.float64)
    quantiles = np.quantile(values, QUANTILES)
    return {
        "count": len(values),
        "highest": round(float(values.max()), 4),
        "quantiles": {f"{q:g}": round(float(v), 4) for q, v in zip(QUANTILES, quantiles, strict=True)},
    }
