"""What is measured of a synthetic set: how far its identities are from known people and from each other."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from arcinvert.synthesis.identities import nearest_cosines, smallest_angle
from arcinvert.synthesis.known import KnownPeople
from recognition.images import to_tensor
from recognition.metrics.shares import exact_interval
from recognition.recogniser import EMBEDDING_BATCH, Recogniser, embed

#: The quantiles of angles that a data card lists.
QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75)
#: Known people whose distance to others is measured, at most: quantiles change little with more.
STRANGERS = 2000


def measure_identities(
    recogniser: Recogniser,
    images: Sequence[NDArray[np.uint8]],
    identities: Sequence[int],
    directions: Tensor,
    known: KnownPeople,
) -> list[dict[str, Any]]:
    """Return what the network finds of the pictures of several identities, as JSON, one entry for each.

    It is `own`, each picture's cosine similarity to its identity; `rank_1`, how many pictures are nearer to
    it than to any other identity; and the highest cosine similarity of the pictures' mean template to a known
    person, `known`, and to one of `KnownPeople.strangers`, `stranger`, each None where there is none.

    Args:
        recogniser: The network.
        images: The pictures, uint8 RGB, identity by identity, as many of each.
        identities: The identities' numbers.
        directions: All identities, unit norm, float64, shape (identities, dim).
        known: Known people.
    """
    tensors = [to_tensor(image) for image in images]
    batches = (
        torch.stack(tensors[begin : begin + EMBEDDING_BATCH])
        for begin in range(0, len(tensors), EMBEDDING_BATCH)
    )
    templates = torch.from_numpy(embed(recogniser, batches, flip="none")).double()
    templates = templates.unflatten(0, (len(identities), -1))
    means = F.normalize(templates.mean(1))
    to_known, to_strangers = nearest_cosines(means, known.templates), nearest_cosines(means, known.strangers)
    found = []
    for place, identity in enumerate(identities):
        cosines = templates[place] @ directions.T
        own = cosines[:, identity].clone()
        cosines[:, identity] = -1
        found.append(
            {
                "identity": identity,
                "own": [round(float(cosine), 6) for cosine in own],
                "rank_1": int((own > cosines.amax(1)).sum()),
                "known": round(float(to_known[place]), 6) if len(known.templates) else None,
                "stranger": round(float(to_strangers[place]), 6) if len(known.strangers) else None,
            }
        )
    return found


def degrees(cosines: Any) -> NDArray[np.float64]:
    """Return the angles of cosines, degrees."""
    return np.degrees(np.arccos(np.clip(np.asarray(cosines, dtype=np.float64), -1, 1)))


def describe_angles(cosines: Any) -> dict[str, Any]:
    """Return count, smallest, mean and quantiles of the angles of cosines, degrees, as JSON."""
    angles = degrees(cosines)
    quantiles = np.quantile(angles, QUANTILES)
    return {
        "count": len(angles),
        "smallest": round(float(angles.min()), 2),
        "mean": round(float(angles.mean()), 2),
        "quantiles": {f"{q:g}": round(float(v), 2) for q, v in zip(QUANTILES, quantiles, strict=True)},
    }


def share(hits: int, count: int) -> dict[str, Any]:
    """Return a share with its exact 95 % interval, as JSON."""
    low, high = exact_interval(hits, count)
    return {"hits": hits, "count": count, "share": hits / count, "low": float(low), "high": float(high)}


def privacy(
    measured: Sequence[dict[str, Any]], directions: Tensor, known: KnownPeople, known_angle: float
) -> dict[str, Any] | None:
    """Return how near the identities are to known people, beside how near strangers are; None without people.

    Args:
        measured: `measure_identities` of each finished identity.
        directions: All identities, unit norm, float64, shape (identities, dim).
        known: Known people.
        known_angle: The stated angle, degrees.
    """
    if not len(known.templates) or not measured:
        return None
    pictures = [one["known"] for one in measured]
    chosen = directions[[one["identity"] for one in measured]]
    return {
        "known_people": known.sources,
        "stated_angle": known_angle,
        "directions": describe_angles(nearest_cosines(chosen, known.templates)),
        "pictures": describe_angles(pictures),
        "pictures_nearer_than_stated": share(int((degrees(pictures) < known_angle).sum()), len(pictures)),
        "to_reference_people": _to_reference(measured, chosen, known),
    }


def _to_reference(
    measured: Sequence[dict[str, Any]], chosen: Tensor, known: KnownPeople
) -> dict[str, Any] | None:
    people = known.strangers
    if len(people) < 2:
        return None
    picked = torch.linspace(0, len(people) - 1, min(len(people), STRANGERS)).round().long()
    nearest = []
    wide = people.double()
    for part in picked.split(EMBEDDING_BATCH):
        cosines = wide[part] @ wide.T
        cosines[torch.arange(len(part)), part] = -1
        nearest.append(cosines.amax(1))
    return {
        "people": f"{len(people)} {known.stranger_source}",
        "directions": describe_angles(nearest_cosines(chosen, people)),
        "pictures": describe_angles([one["stranger"] for one in measured]),
        "strangers": describe_angles(torch.cat(nearest)),
    }


def pictures_of_identities(measured: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return how well pictures show their identity to the network, as JSON."""
    own = [cosine for one in measured for cosine in one["own"]]
    return {
        "angle_to_identity": describe_angles(own),
        "nearest_to_own_identity": share(sum(one["rank_1"] for one in measured), len(own)),
    }


def apart(directions: Tensor, stated: float) -> dict[str, float]:
    """Return the stated and the smallest angle between two identities, degrees."""
    return {"stated_angle": stated, "smallest": round(smallest_angle(directions), 2)}
