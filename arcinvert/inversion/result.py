"""What an inversion gives."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor


class StopInversion(Exception):  # noqa: N818  (like StopIteration, it is no error)
    """Raised by a callback: the optimisation ends, and what it has so far is its result."""


class LossParts(Mapping[str, float]):
    """The parts of a loss by their names, read from the device only when somebody looks.

    Reading waits for the device to finish its queue; so who watches should look now and then alone.

    Args:
        names: of the parts.
        values: (parts,), without gradients.
    """

    def __init__(self, names: Sequence[str], values: Tensor) -> None:
        self._names = tuple(names)
        self._values: Tensor | list[float] = values

    def __getitem__(self, name: str) -> float:
        if isinstance(self._values, Tensor):
            self._values = self._values.tolist()
        try:
            return self._values[self._names.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


@dataclass(frozen=True)
class Step:
    """One step, for progress: its place in the schedule from 1, of how many, and the parts of the loss, batch
    means.

    Args:
        parts: `LossParts` of an inversion.
        images: looks at the batch as it is now, (batch, 3, h, w) in [0, 1] on the CPU; costs nothing
            until it is called, and is good only during the callback.
    """

    number: int
    steps: int
    parts: Mapping[str, float]
    images: Callable[[], Tensor] = field(repr=False, compare=False)


@dataclass(frozen=True)
class Inversion:
    """The end of an optimisation.

    Args:
        images: (batch, 3, h, w) in [0, 1], on the CPU.
        start: the images that it began with, likewise.
        similarity: (batch,), cosine of the plain images' embeddings to the target, as the attacked
            network itself sees it.
        parts: the parts of the last step's loss, batch means.
        steps: that were taken.
        stopped: whether a callback ended it early.
    """

    images: Tensor
    start: Tensor
    similarity: Tensor
    parts: dict[str, float]
    steps: int
    stopped: bool = False
