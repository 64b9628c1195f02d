"""A step of an optimisation as a CUDA graph: captured once, then replayed without the host's work.

A small network's step is hundreds of kernels of microseconds each, which the host cannot start as fast as a
card runs them. A graph starts them all at once. What changes from step to step lies in tensors that are
written between replays: the learning rate (arcinvert/inversion/adam.py) and the random views
(arcinvert/inversion/augmentation.py).

`torch.compile(mode="reduce-overhead")` also makes graphs, but traces the step for it, and stumbles on the
forward passes that penalties replace and on hooks (PyTorch issues 117758 and 170110); here they simply run
while the graph is captured.
"""

from collections.abc import Callable

import torch
from torch import Tensor

#: Steps before the capture, on a stream of their own: libraries choose algorithms and allocate in them.
#: Source: PyTorch's notes on CUDA semantics, which take three.
WARM_UP = 3

#: Takes a step; returns what is read of it afterwards.
StepFunction = Callable[[], tuple[Tensor, Tensor]]


class GraphedStep:
    """Takes the first steps as they are, captures one, and replays it from then on.

    Args:
        step: Takes a step. All that it reads and writes must stay where it is in memory.
        clear_gradients: Forgets gradients, so that those of the capture lie in the graph's own memory.
        device: The CUDA device.
    """

    def __init__(self, step: StepFunction, clear_gradients: Callable[[], None], device: torch.device) -> None:
        self._step, self._clear_gradients, self._device = step, clear_gradients, device
        self._taken = 0
        self._graph: torch.cuda.CUDAGraph | None = None
        self._results: tuple[Tensor, Tensor] | None = None

    def __call__(self) -> tuple[Tensor, Tensor]:
        """Take a step; the results are the caller's, and no later step writes them."""
        self._taken += 1
        with torch.cuda.device(self._device):
            if self._taken <= WARM_UP:
                return self._beside()
            if self._graph is None or self._results is None:
                self._clear_gradients()
                self._graph = torch.cuda.CUDAGraph()
                # Other threads, as of the page, may use the card meanwhile.
                with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                    self._results = self._step()
            self._graph.replay()
        values, embeddings = self._results
        return values.clone(), embeddings.clone()

    def _beside(self) -> tuple[Tensor, Tensor]:
        """Take a step on another stream than the usual one."""
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            results = self._step()
        torch.cuda.current_stream().wait_stream(stream)
        return results
