"""People whom an audit has twice: under two names outside the attack, or attacked and outside it.

A person who is enrolled twice makes a pair of different people that is of one person. A few of these pairs
are all of the false matches that a threshold at a low false match rate allows, so that the threshold rises
until the judge accepts no reconstruction, and no real photograph either. A person outside who is attacked as
well is among the public faces that the attack on a defence has, and in the gallery. Both are left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from arcinvert.audit.cohort import Cohort
from arcinvert.audit.enrolled import Enrolled
from arcinvert.audit.units import CalibrationUnit, Embeddings, Skipped, no_hashes, texts
from arcinvert.evaluation.similarity import Array
from arcinvert.knowledge.nearest_neighbours import SAME_TEMPLATE
from arcinvert.knowledge.public_photographs import normalised_name
from recognition.perceptual_hash import SAME_PHOTOGRAPH

#: Templates tell nobody apart where half of the cosines of different people are above this.
_APART = 0.5
#: Photographs that are compared with all others at once.
_BLOCK = 256
#: Why photographs are left out.
_ALSO_ATTACKED = "of somebody who is attacked under this or another name"
_ANOTHER_NAME = "of somebody who is here under another name too"


@dataclass(frozen=True)
class Copies:
    """Who is there twice.

    Args:
        attacked: Those outside the attack who are also attacked.
        outside: Those outside the attack who are there under another name too, but for one name of each,
            that with the most photographs.
        twice: Those attacked who are attacked under another name too, but for one name of each.
    """

    attacked: tuple[str, ...] = ()
    outside: tuple[str, ...] = ()
    twice: tuple[str, ...] = ()

    def describe(self) -> dict[str, int]:
        """Return counts as JSON: a report has no names."""
        return {"attacked": len(self.attacked), "outside": len(self.outside), "twice": len(self.twice)}

    def notes(self) -> list[str]:
        """Return sentences for the report, without names."""
        found = []
        how = "by copies of a photograph, by nearly equal templates, or by the name"
        if self.attacked:
            found.append(
                f"Left out of the people outside the attack: {len(self.attacked):,} who are attacked as well "
                f"({how})."
            )
        if self.outside:
            found.append(
                f"Left out of the people outside the attack: {len(self.outside):,} who are there under "
                "another name too (by copies of a photograph, or by nearly equal templates). As pairs of "
                "different people they would raise the judges' thresholds."
            )
        if self.twice:
            found.append(
                f"Attacked under two names: {len(self.twice):,} people. They count twice, so the intervals "
                "are a little too narrow."
            )
        return found


def without_copies(
    cohort: Cohort | None, calibration: CalibrationUnit, enrolled: Enrolled
) -> tuple[Cohort | None, CalibrationUnit, Copies]:
    """Return the people of an audit without those outside the attack who are there twice, and who these are.

    Args:
        cohort: The people; None without photographs.
        calibration: Those outside the attack.
        enrolled: Those attacked.
    """
    if cohort is None or not enrolled.units:
        return cohort, calibration, Copies()
    copies = find_copies(calibration, enrolled)
    reasons = dict.fromkeys(copies.attacked, _ALSO_ATTACKED) | dict.fromkeys(copies.outside, _ANOTHER_NAME)
    if not reasons:
        return cohort, calibration, copies
    left_out = [(path, name) for path, name in cohort.calibration if name in reasons]
    known = set(calibration.skipped.paths.tolist())
    rows = [
        *calibration.skipped.rows(),
        *((name, reasons[name], str(path)) for path, name in left_out if str(path) not in known),
    ]
    names, why, paths = zip(*rows, strict=True)
    kept = np.array([name not in reasons for name in calibration.names.tolist()], dtype=np.bool_)
    unit = CalibrationUnit(
        texts(calibration.names[kept].tolist()),
        _chosen(calibration.embeddings, kept),
        calibration.hashes[kept],
        Skipped(texts(names), texts(why), texts(paths)),
    )
    others = [(path, name) for path, name in cohort.calibration if name not in reasons]
    return replace(cohort, calibration=others), unit, copies


def find_copies(calibration: CalibrationUnit, enrolled: Enrolled) -> Copies:
    """Return who is there twice.

    Args:
        calibration: Those outside the attack.
        enrolled: Those attacked, with photographs.
    """
    attacked, owners, hashes, templates = _of_attacked(enrolled)
    unique, counts = np.unique(calibration.names, return_counts=True)
    outside = unique[np.argsort(-counts, kind="stable")].tolist()
    names = [*attacked, *outside]
    place = {name: len(attacked) + index for index, name in enumerate(outside)}
    people = np.concatenate([owners, [place[name] for name in calibration.names.tolist()]]).astype(np.int64)
    pairs = [
        _by_name(attacked, outside),
        _by_photograph(np.concatenate([hashes, calibration.hashes]), people),
    ]
    if templates is not None:
        own = None if calibration.embeddings is None else calibration.embeddings.attacked
        pairs.append(_by_template(templates if own is None else np.concatenate([templates, own]), people))
    ends = np.concatenate(pairs)
    graph = coo_array((np.ones(len(ends)), ends.T), shape=(len(names), len(names)))
    groups = connected_components(graph, directed=False)[1]
    first: dict[int, int] = {}
    found: dict[str, list[str]] = {"attacked": [], "outside": [], "twice": []}
    for index, group in enumerate(groups.tolist()):
        other = first.setdefault(group, index)
        if other != index:
            kind = "twice" if index < len(attacked) else "attacked" if other < len(attacked) else "outside"
            found[kind].append(names[index])
    return Copies(**{kind: tuple(found[kind]) for kind in found})


def _of_attacked(
    enrolled: Enrolled,
) -> tuple[list[str], NDArray[np.int64], NDArray[np.uint8], Array | None]:
    """Return the names of those attacked, and of each photograph its person's index, hashes and template."""
    names: list[str] = enrolled.names.tolist()
    owners, templates, begin = [np.zeros(0, np.int64)], [], 0
    for unit in enrolled.units:
        rows = begin + np.arange(len(unit.names))
        # The first photographs of a unit, and then the last ones, as are its keys.
        owners += [rows, rows]
        begin += len(rows)
        for embeddings in (unit.source_embeddings, unit.second_embeddings):
            if embeddings is not None and embeddings.attacked is not None:
                templates.append(embeddings.attacked)
    keys = enrolled.photograph_keys
    hashes = np.stack([key.hashes for key in keys]) if keys else no_hashes()
    people = np.concatenate(owners)
    joined = np.concatenate(templates) if templates else None
    return names, people, hashes, joined if joined is not None and len(joined) == len(people) else None


def _by_name(attacked: Sequence[str], outside: Sequence[str]) -> NDArray[np.int64]:
    """Return pairs, (n, 2), of an attacked person and one outside whose names differ in spelling alone."""
    known = {normalised_name(name): index for index, name in enumerate(attacked)}
    known.pop("", None)
    found = [
        (known[spelling], len(attacked) + index)
        for index, name in enumerate(outside)
        if (spelling := normalised_name(name)) in known
    ]
    return np.array(found, np.int64).reshape(-1, 2)


def _by_photograph(hashes: NDArray[np.uint8], people: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return pairs of people, (n, 2), of whom there is one photograph, perhaps mirrored.

    Args:
        hashes: Shape (photographs, 2, 32), of each photograph and of its mirror image.
        people: Shape (photographs,), whose each is.
    """
    signs = np.unpackbits(hashes, axis=2).astype(np.float32) * 2 - 1
    whole, mirrored = signs[:, 0], signs[:, 1]
    least = signs.shape[2] - 2 * SAME_PHOTOGRAPH

    def alike(part: slice) -> NDArray[np.bool_]:
        # Plus or minus one a bit: the sum of the products is the bits less twice those that differ.
        return np.maximum(whole[part] @ whole.T, mirrored[part] @ whole.T) >= least - 0.5

    return _pairs(people, alike)


def _by_template(templates: Array, people: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return pairs of people, (n, 2), with nearly equal templates; none where all templates are alike.

    Args:
        templates: Shape (photographs, dim).
        people: Shape (photographs,), whose each is.
    """
    unit = templates / np.linalg.norm(templates, axis=1, keepdims=True)
    sample = unit[:_BLOCK] @ unit.T
    others = sample[people[:_BLOCK, None] != people]
    if not len(others) or np.median(others) > _APART:
        return np.zeros((0, 2), np.int64)
    return _pairs(people, lambda part: unit[part] @ unit.T > SAME_TEMPLATE)


def _pairs(people: NDArray[np.int64], alike: Callable[[slice], NDArray[np.bool_]]) -> NDArray[np.int64]:
    """Return the pairs of different people, (n, 2), of whom two photographs are alike."""
    found = [np.zeros((0, 2), np.int64)]
    for begin in range(0, len(people), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        rows, columns = np.nonzero(alike(part) & (people[part, None] != people))
        found.append(np.stack([people[part][rows], people[columns]], axis=1))
    return np.concatenate(found)


def _chosen(embeddings: Embeddings | None, kept: NDArray[np.bool_]) -> Embeddings | None:
    """Return the embeddings of some photographs; None if there are none."""
    if embeddings is None or not kept.any():
        return None
    attacked = None if embeddings.attacked is None else embeddings.attacked[kept]
    return Embeddings(tuple(judge[kept] for judge in embeddings.judges), attacked)
