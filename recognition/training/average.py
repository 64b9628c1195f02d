"""The exponential moving average of a training's weights."""

import contextlib
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn


class WeightAverage:
    """An exponential moving average of the parameters and buffers of some modules.

    The average follows the weights closely in the first steps: its decay is at most (1 + step) / (10 + step).

    Args:
        modules: The modules, by name.
        decay: Share of the average that a step keeps, at least 0 and below 1.

    Source: TensorFlow's tf.train.ExponentialMovingAverage, with num_updates.
    """

    def __init__(self, modules: Mapping[str, nn.Module], decay: float) -> None:
        self.decay = decay
        self._current = {
            f"{name}.{key}": value
            for name, module in modules.items()
            for key, value in (*module.named_parameters(), *module.named_buffers())
        }
        #: The averages, by module and name.
        self.tensors: dict[str, Tensor] = {
            key: value.detach().clone() for key, value in self._current.items()
        }

    @torch.no_grad()
    def reset(self) -> None:
        """Begin anew with the weights as they are."""
        for key, value in self._current.items():
            self.tensors[key].copy_(value)

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average towards the weights after a step, whose number counts from 0."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        for key, value in self._current.items():
            average = self.tensors[key]
            if average.is_floating_point():
                average.lerp_(value.detach(), share)
            else:
                average.copy_(value)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Give the modules the average in place of their weights, without a copy of either."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for key, value in self._current.items():
            value.data, self.tensors[key] = self.tensors[key], value.data

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace the averages by those of an earlier run.

        Raises:
            ValueError: If they are of other modules.
        """
        if tensors.keys() != self.tensors.keys():
            raise ValueError("averages of other weights")
        for key, value in tensors.items():
            self.tensors[key].copy_(value)
