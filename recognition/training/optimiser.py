"""The optimiser of a training: SGD with clipped gradients, and with a scaled loss in float16."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from recognition.training.options import TrainingOptions

#: Norm that the gradients of all modules together are clipped to, because the first gradients of a head are
#: large. InsightFace's arcface_torch has the same norm and clips the backbone's gradients alone.
CLIP_NORM = 5.0
#: Momentum of SGD, as in the ArcFace paper.
MOMENTUM = 0.9


class Optimiser:
    """SGD whose step is: `start`, then `backward` for each part of the batch, then `finish`.

    Args:
        parameters: What to optimise.
        undecayed: Those of them that have no weight decay.
        options: Learning rate and weight decay.
        device: Where the parameters are.
        dtype: Precision of the network's inner computation.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        undecayed: Iterable[nn.Parameter],
        options: TrainingOptions,
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.parameters = list(parameters)
        kept = {id(one) for one in undecayed}
        decaying = [one for one in self.parameters if id(one) not in kept]
        groups = [{"params": decaying, "weight_decay": options.weight_decay}]
        if kept:
            steady = [one for one in self.parameters if id(one) in kept]
            groups.append({"params": steady, "weight_decay": 0.0})
        self.sgd = torch.optim.SGD(groups, lr=options.learning_rate, momentum=MOMENTUM)
        # Without scaling, small gradients vanish in float16. For other types the scaler does nothing.
        self.scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)

    def start(self, learning_rate: float) -> None:
        """Set the learning rate of the step and clear the gradients."""
        for group in self.sgd.param_groups:
            group["lr"] = learning_rate
        self.sgd.zero_grad()

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss."""
        self.scaler.scale(loss).backward()

    def finish(self) -> None:
        """Clip the gradients and update the parameters."""
        self.scaler.unscale_(self.sgd)
        nn.utils.clip_grad_norm_(self.parameters, CLIP_NORM)
        self.scaler.step(self.sgd)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        """Return the state, from which `load_state_dict` resumes."""
        return {"sgd": self.sgd.state_dict(), "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state that `state_dict` returned."""
        self.sgd.load_state_dict(state["sgd"])
        # The scaler has no state unless training is in float16.
        if state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])
