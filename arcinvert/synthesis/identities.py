"""Identities of a synthetic set: directions of a network's own spread, apart from each other and from people.

A network's templates fill the sphere unevenly: few directions vary widely, and a direction drawn evenly would
be one that no face has. So candidates are drawn from the normal distribution with the mean and covariance of
class centres, or of templates of faces, and those too near to a known person or to an earlier identity are
rejected. The first identities of two numbers are the same.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.synthesis.options import SpreadName
from recognition.errors import InputError
from recognition.recogniser import Recogniser
from recognition.seeds import derive_seed

#: Candidates that are drawn at once; part of what decides the identities.
CHUNK = 256
#: Candidates for one wanted identity, on average, after which the angles count as unreachable.
_MOST_TRIES = 500
#: A fraction of the mean variance, added to the variance of each direction, since few templates determine the
#: smallest variances badly.
SHRINKAGE = 0.1
#: Templates compared at once.
_PART = 8192


@dataclass(frozen=True)
class Spread:
    """How a network's templates spread: their mean and the square root of their covariance.

    Args:
        mean: Shape (dim,).
        root: Shape (dim, dim), symmetric.
        source: Whose templates they are.
    """

    mean: Tensor
    root: Tensor
    source: str

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Return random directions of this spread, unit norm, float64, shape (count, dim)."""
        noise = torch.randn(count, len(self.mean), generator=generator, dtype=torch.float64)
        return F.normalize(self.mean + noise @ self.root)


def spread_of(templates: Tensor, source: str) -> Spread:
    """Return the spread of unit-norm templates, shape (n, dim), n at least 2.

    Args:
        templates: The templates.
        source: Whose they are.
    """
    wide = templates.cpu().double()
    centred = wide - wide.mean(0)
    variances, directions = torch.linalg.eigh(centred.T @ centred / len(wide))
    deviations = (variances.clamp(min=0) + SHRINKAGE * variances.mean()).sqrt()
    return Spread(wide.mean(0), (directions * deviations) @ directions.T, source)


def isotropic(dim: int) -> Spread:
    """Return the spread that is equal in all directions."""
    return Spread(torch.zeros(dim).double(), torch.eye(dim).double() / math.sqrt(dim), "isotropic")


def choose_spread(name: SpreadName, recogniser: Recogniser, knowledge: Knowledge) -> Spread:
    """Return the spread of a network's templates.

    Args:
        name: Whose templates they are; `auto` takes class centres, else measured faces, else isotropic.
        recogniser: The network.
        knowledge: What is known of faces, at the level that the set may use.

    Raises:
        InputError: If the network has no such templates.
    """
    centres, faces = recogniser.centres, knowledge.nearest_neighbours
    if name in ("auto", "centres") and centres is not None and len(centres) > 1:
        return spread_of(centres, f"{len(centres)} class centres")
    if name in ("auto", "faces") and faces is not None and len(faces) > 1 and knowledge.statistics:
        return spread_of(faces.templates, f"{len(faces)} {knowledge.statistics.template_faces}")
    if name in ("auto", "isotropic"):
        return isotropic(recogniser.embedding_size)
    lacking, advice = {
        "centres": ("class centres", "give --centres"),
        "faces": ("measured faces", "use --knowledge public-faces, or run arcinvert calibrate"),
    }[name]
    raise InputError(f"spread: expected a network with {lacking}, got {recogniser.name}; {advice}")


def draw_identities(
    spread: Spread, known: Tensor, count: int, *, angle: float, known_angle: float, seed: int
) -> Tensor:
    """Return directions at least these angles apart, unit norm, float64, shape (count, dim).

    Args:
        spread: What candidates are drawn from.
        known: Templates of known people, unit norm, shape (people, dim); may have no rows.
        count: The number of identities.
        angle: The smallest angle between two identities, degrees.
        known_angle: The smallest angle of an identity to a known person, degrees.
        seed: The seed.

    Raises:
        InputError: If too few candidates are so far apart.
    """
    accepted = torch.empty(count, len(spread.mean), dtype=torch.float64)
    most, most_known = math.cos(math.radians(angle)), math.cos(math.radians(known_angle))
    found = tries = 0
    while found < count:
        if tries >= _MOST_TRIES * count:
            raise InputError(
                f"identities: expected {count} directions {angle:g} degrees apart and {known_angle:g} from "
                f"known people, found {found} among {tries} candidates; use fewer --identities or a smaller "
                "--angle or --known-angle"
            )
        generator = torch.Generator().manual_seed(derive_seed(seed, "identities", tries // CHUNK))
        candidates = spread.draw(CHUNK, generator)
        near = nearest_cosines(candidates, known) > most_known
        if found:
            near |= nearest_cosines(candidates, accepted[:found]) > most
        first = found
        for candidate in candidates[~near]:
            # Those of earlier chunks are compared already, all at once.
            if found < count and not bool((accepted[first:found] @ candidate > most).any()):
                accepted[found] = candidate
                found += 1
        tries += CHUNK
    return accepted


def nearest_cosines(templates: Tensor, others: Tensor) -> Tensor:
    """Return the highest cosine similarity of each template to one of the others, shape (n,), float64.

    Args:
        templates: Shape (n, dim), unit norm.
        others: Shape (m, dim), unit norm; with no rows, the result is -1.
    """
    best = torch.full((len(templates),), -1.0, dtype=torch.float64)
    for part in others.split(_PART):
        if len(part):
            best = torch.maximum(best, (templates.double() @ part.double().T).amax(1))
    return best


def smallest_angle(directions: Tensor) -> float:
    """Return the smallest angle between two of several directions, degrees; 180 for a single one."""
    best = -1.0
    for begin in range(1, len(directions), _PART):
        part = directions[begin : begin + _PART]
        cosines = part @ directions[: begin + len(part)].T
        rows = torch.arange(len(part))[:, None] + begin
        before = torch.arange(cosines.shape[1])[None] < rows
        best = max(best, float(cosines[before].max()))
    return math.degrees(math.acos(min(1.0, best)))
