"""Keys of faces: paths, made on demand where a file has many faces, so that memory does not grow with them.

The key of a face in a file of its own is the file's path. The key of a face inside another file is that
file's path and a number: `train.rec/17` is record 17, `faces.tar/1536` the member whose data begin at byte
1536, `faces.parquet/17` row 17.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray


class NumberedKeys(Sequence[Path]):
    """Keys of faces inside one file, 8 bytes each, or none where the numbers are a range.

    Args:
        container: The file.
        numbers: The faces' numbers in it.
    """

    __slots__ = ("container", "numbers")

    def __init__(self, container: Path, numbers: "range | NDArray[np.int64]") -> None:
        self.container = container
        self.numbers = numbers

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> "NumberedKeys": ...
    def __getitem__(self, index: int | slice) -> "Path | NumberedKeys":
        if isinstance(index, slice):
            return NumberedKeys(self.container, self.numbers[index])
        return self.container / str(int(self.numbers[index]))


class LabelledKeys(Sequence[tuple[Path, int]]):
    """All keys of some identities with the index of the identity, as one sequence that holds no key.

    Args:
        identities: Keys of each identity.
        indices: The index of each; None numbers them from 0.
    """

    def __init__(self, identities: Sequence[Sequence[Path]], indices: Sequence[int] | None = None) -> None:
        self._identities = list(identities)
        self._indices = list(range(len(self._identities)) if indices is None else indices)
        sizes = np.array([len(keys) for keys in self._identities], dtype=np.int64)
        self._ends = np.cumsum(sizes)
        #: Shape (faces,), the index of each face's identity.
        self.labels: NDArray[np.int64] = np.repeat(np.array(self._indices, dtype=np.int64), sizes)

    def __len__(self) -> int:
        return len(self.labels)

    @overload
    def __getitem__(self, index: int) -> tuple[Path, int]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[Path, int]]: ...
    def __getitem__(self, index: int | slice) -> tuple[Path, int] | list[tuple[Path, int]]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        place = index % len(self)
        identity = int(np.searchsorted(self._ends, place, side="right"))
        # Counted from the identity's end.
        return self._identities[identity][place - int(self._ends[identity])], int(self.labels[place])

    def __iter__(self) -> Iterator[tuple[Path, int]]:
        for label, keys in zip(self._indices, self._identities, strict=True):
            for key in keys:
                yield key, label

    @property
    def keys(self) -> "KeysOnly":
        """The keys without their labels."""
        return KeysOnly(self)


class KeysOnly(Sequence[Path]):
    """The keys of labelled faces as one sequence that holds no key.

    Args:
        samples: The faces.
    """

    def __init__(self, samples: LabelledKeys) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    @overload
    def __getitem__(self, index: int) -> Path: ...
    @overload
    def __getitem__(self, index: slice) -> list[Path]: ...
    def __getitem__(self, index: int | slice) -> Path | list[Path]:
        if isinstance(index, slice):
            return [key for key, _ in self._samples[index]]
        return self._samples[index][0]


def labelled(identities: Mapping[str, Sequence[Path]], names: Sequence[str] | None = None) -> LabelledKeys:
    """Return every key with the index of its identity.

    Args:
        identities: Keys by identity.
        names: The identities in the order of their indices; None takes the sorted names.
    """
    return LabelledKeys([identities[name] for name in (sorted(identities) if names is None else names)])


def number_of(key: Path) -> int | None:
    """Return the number of a face inside another file, by the name of its key; None for other keys."""
    name: Any = key.name
    return int(name) if name.isascii() and name.isdecimal() and len(name) <= 18 else None
