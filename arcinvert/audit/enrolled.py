"""The attacked people of an audit, and where their photographs are on disk."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.cache import Cache
from arcinvert.audit.cohort import Crop
from arcinvert.audit.units import Crops, Embeddings, Names, PeopleUnit
from arcinvert.evaluation.similarity import Array
from arcinvert.knowledge.public_photographs import PhotographKey


@dataclass(frozen=True)
class Enrolled:
    """The people whose photographs or templates can be used, in the order of all further arrays.

    Args:
        names: Shape (people,).
        templates: Shape (people, dim), what is attacked.
        units: The units that they are in, without crops.
        photograph_keys: What identifies the photographs of each that are used, by their faces.
    """

    names: Names
    templates: NDArray[np.float32]
    units: tuple[PeopleUnit, ...]
    photograph_keys: tuple[PhotographKey, ...] = ()

    def place(self, index: int) -> tuple[int, int]:
        """Return in which unit, and in which row of it, a person is."""
        for number, unit in enumerate(self.units):
            if index < len(unit.names):
                return number, index
            index -= len(unit.names)
        raise IndexError(index)

    def embeddings(self, pick: Callable[[Embeddings], Array | None]) -> tuple[Array, Array]:
        """Return one verifier's embeddings of the first and of the second photograph, each (people, dim)."""
        sides = []
        for name in ("source_embeddings", "second_embeddings"):
            found = [getattr(unit, name) for unit in self.units]
            sides.append(
                np.concatenate([part for one in found if one is not None and (part := pick(one)) is not None])
            )
        return sides[0], sides[1]

    def crops(self, cache: Cache, index: int) -> tuple[Crop, Crop] | None:
        """Return the crops of a person's two photographs; None if there are none."""
        if not self.units:
            return None
        number, row = self.place(index)
        unit = cache.read(photograph_unit("people", number), PeopleUnit)
        if unit is None or unit.source is None or unit.second is None:
            return None
        return unit.source[row], unit.second[row]

    def sources(self, cache: Cache, part: slice) -> Crops | None:
        """Return crops of the first photographs of some people; None if there are none."""
        if not self.units:
            return None
        places = [self.place(index) for index in range(len(self.names))[part]]
        units = {
            number: cache.read(photograph_unit("people", number), PeopleUnit)
            for number in {number for number, _ in places}
        }
        crops = []
        for number, row in places:
            if (unit := units[number]) is not None and unit.source is not None:
                crops.append(unit.source[row])
        return np.stack(crops)


def photograph_unit(title: str, number: int) -> str:
    """Return the key of a unit of photographs: of `people`, or for `calibration`."""
    return f"{title}-{number:05d}"
