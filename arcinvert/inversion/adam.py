"""Adam in one kernel for the leaves of a parametrisation.

The kernel is the one that `torch.optim.Adam(fused=True)` calls, with the same numbers in the same order. The
class around it imports PyTorch's compiler when it is made, which takes several seconds of each first attack;
tests/arcinvert/inversion/test_adam.py compares the two, bit for bit.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

#: Added to the root of the second moment. Source: Kingma and Ba, arXiv:1412.6980, algorithm 1.
EPSILON = 1e-8


class Adam:
    """Adam without weight decay.

    The learning rate and the number of steps are tensors on the parameters' device, so that a captured CUDA
    graph takes a new rate at each replay.

    Args:
        parameters: The leaves, floating-point tensors on one device.
        betas: The decay rates of the first and the second moment.

    Source: Kingma and Ba, arXiv:1412.6980.
    """

    def __init__(self, parameters: Sequence[Tensor], betas: tuple[float, float]) -> None:
        self._parameters = list(parameters)
        self._betas = betas
        self._means = [torch.zeros_like(one) for one in self._parameters]
        self._squares = [torch.zeros_like(one) for one in self._parameters]
        self._steps = [torch.zeros((), device=one.device) for one in self._parameters]
        # In the kernel of a CPU a float keeps its double precision.
        on_cpu = all(one.device.type == "cpu" for one in self._parameters)
        self._rate: float | Tensor = 1.0 if on_cpu else torch.ones((), device=self._parameters[0].device)

    def set_rate(self, rate: float) -> None:
        """Set the learning rate of the next steps, without waiting for the device."""
        if isinstance(self._rate, Tensor):
            self._rate.fill_(rate)
        else:
            self._rate = rate

    def clear_gradients(self) -> None:
        """Forget the gradients of the leaves."""
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        """Move each leaf that has a gradient."""
        moved = [
            (parameter, parameter.grad, mean, square, steps)
            for parameter, mean, square, steps in zip(
                self._parameters, self._means, self._squares, self._steps, strict=True
            )
            if parameter.grad is not None
        ]
        if not moved:
            return
        parameters, gradients, means, squares, counts = (list(one) for one in zip(*moved, strict=True))
        torch._foreach_add_(counts, 1)
        torch._fused_adam_(
            parameters,
            gradients,
            means,
            squares,
            [],
            counts,
            lr=self._rate,
            beta1=self._betas[0],
            beta2=self._betas[1],
            weight_decay=0.0,
            eps=EPSILON,
            amsgrad=False,
            maximize=False,
        )
