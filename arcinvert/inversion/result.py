"""What an inversion reports while it runs, and what it returns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor


class StopInversion(Exception):  # noqa: N818  (like StopIteration, it is not an error)
    """Raise it in a callback to stop: the result is then what has been reached so far."""


class Losses(Mapping[str, float]):
    """The weighted losses of one step by name, copied from the device only when one is read.

    A read waits for the device to finish its queue, so a callback should read only now and then.

    Args:
        names: Names of the losses.
        values: Shape (losses,), without gradients.
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
    """One finished step of the optimiser.

    Args:
        number: The step's number from 1, counted through all restarts and stages of the batch.
        steps: The number of steps of the batch.
        losses: The weighted losses of the step by name, means over the batch.
        images: Returns the images as they are, shape (batch, 3, h, w) in [0, 1] on the CPU. It costs nothing
            until it is called, and is valid during the callback only.
        batch: The batch's number from 1.
        batches: The number of batches.
        extra: How many of the batch's steps a later batch need not take: those that prepare the
            initialisation, and those of further attempts.
    """

    number: int
    steps: int
    losses: Mapping[str, float]
    images: Callable[[], Tensor] = field(repr=False, compare=False)
    batch: int = 1
    batches: int = 1
    extra: int = 0


@dataclass(frozen=True)
class Inversion:
    """The result of an optimisation.

    Args:
        images: Shape (batch, 3, h, w) in [0, 1], on the CPU.
        start: The initial images, likewise.
        similarity: Shape (batch,), cosine similarity of the images' embeddings to the target's in the
            attacked network, without augmentation.
        losses: The weighted losses of the last step by name, means over the batch.
        steps: The number of steps that every image took.
        stopped: Whether a callback stopped it early.
        further_steps: Steps that each image took besides in further attempts, integers, shape (batch,); None
            if there were none.
    """

    images: Tensor
    start: Tensor
    similarity: Tensor
    losses: dict[str, float]
    steps: int
    stopped: bool = False
    further_steps: Tensor | None = None

    @property
    def steps_of_each(self) -> list[int]:
        """The number of steps that each image took, further attempts included."""
        if self.further_steps is None:
            return [self.steps] * len(self.images)
        return (self.steps + self.further_steps).tolist()
