"""The optimiser of a training: SGD or AdamW with clipped gradients, and with a scaled loss in float16."""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.utils import clip_grads_with_norm_, get_total_norm

from recognition.training.classifier import Classifier
from recognition.training.group import Group
from recognition.training.options import TrainingOptions

#: Norm that the gradients of all modules together are clipped to, because the first gradients of a head are
#: large. InsightFace's arcface_torch has the same norm and clips the backbone's gradients alone.
CLIP_NORM = 5.0
#: Momentum of SGD, as in the ArcFace paper.
MOMENTUM = 0.9


class Optimiser:
    """An optimiser whose step is: `start`, then `backward` for each part of the batch, then `finish`.

    Args:
        backbone: Its parameters, whose gradients are summed over the ranks already.
        classifier: The parameters of the head and of auxiliary losses.
        undecayed: Those of all that have no weight decay.
        options: The kind of optimiser, learning rate and weight decay.
        group: The ranks.
        dtype: Precision of the network's inner computation.
    """

    def __init__(
        self,
        backbone: Iterable[nn.Parameter],
        classifier: Classifier,
        undecayed: Iterable[nn.Parameter],
        options: TrainingOptions,
        *,
        group: Group,
        dtype: torch.dtype,
    ) -> None:
        self.classifier, self.group = classifier, group
        self._summed = classifier.replicated()
        self.parameters = [*backbone, *classifier.parameters()]
        groups = _groups(self.parameters, classifier, undecayed, options)
        rate, decay = options.peak_learning_rate, options.decay
        if options.optimiser == "adamw":
            self.inner: torch.optim.Optimizer = torch.optim.AdamW(groups, lr=rate, weight_decay=decay)
        else:
            self.inner = torch.optim.SGD(groups, lr=rate, weight_decay=decay, momentum=MOMENTUM)
        # Without scaling, small gradients vanish in float16. For other types the scaler does nothing.
        enabled = dtype == torch.float16
        if group.size > 1:
            from torch.distributed.fsdp.sharded_grad_scaler import ShardedGradScaler

            # Every rank skips a step in which the gradients of one are not finite.
            self.scaler: torch.amp.GradScaler = ShardedGradScaler(
                group.device.type, enabled=enabled, process_group=dist.group.WORLD
            )
        else:
            self.scaler = torch.amp.GradScaler(group.device.type, enabled=enabled)

    def start(self, learning_rate: float) -> None:
        """Set the learning rate of the step and clear the gradients."""
        for group in self.inner.param_groups:
            group["lr"] = learning_rate * group["factor"]
        self.inner.zero_grad()

    def backward(self, loss: Tensor) -> None:
        """Add the gradients of a loss."""
        self.scaler.scale(loss).backward()

    def finish(self) -> None:
        """Clip the gradients and update the parameters."""
        for parameter in self._summed:
            if parameter.grad is not None:
                self.group.sum_(parameter.grad)
        with self._sampled_rows():
            self.scaler.unscale_(self.inner)
            self._clip()
            self.scaler.step(self.inner)
            self.scaler.update()

    def _clip(self) -> None:
        """Clip the norm of all gradients, of which every rank has those of its own class centres."""
        sharded = self.classifier.sharded if self.group.size > 1 else None
        gradients = [one.grad for one in self.parameters if one.grad is not None and one is not sharded]
        norm = get_total_norm(gradients)
        if sharded is not None and sharded.grad is not None:
            squared = self.group.sum_(sharded.grad.square().sum())
            norm = (norm.square() + squared).sqrt()
        clip_grads_with_norm_(self.parameters, CLIP_NORM, norm)

    @contextlib.contextmanager
    def _sampled_rows(self) -> Iterator[None]:
        """Let the optimiser update those class centres alone, with their momentum, that the step uses."""
        weight, rows, values = self.classifier.sharded, self.classifier.rows, self.classifier.values
        if weight is None or rows is None or values is None:
            yield
            return
        whole, state = weight.data, self.inner.state[weight]
        kept = {name: value for name, value in state.items() if _is_like(value, whole)}
        state.update({name: value[rows] for name, value in kept.items()})
        # The same memory: they were copied when the step began.
        weight.data = values.detach()
        weight.grad = values.grad
        yield
        whole.index_copy_(0, rows, weight.data)
        for name, value in state.items():
            if _is_like(value, weight.data):
                whole_state = kept[name] if name in kept else torch.zeros_like(whole)
                state[name] = whole_state.index_copy_(0, rows, value)
        weight.grad = None
        weight.data = whole

    def state_dict(self) -> dict[str, Any]:
        """Return the state, from which `load_state_dict` resumes, on the main rank whole.

        Every rank must call it.
        """
        state = self.inner.state_dict()
        place = self._place()
        if place in state["state"]:
            state["state"] = dict(state["state"])
            state["state"][place] = {
                name: self.classifier.collect(value) if value.dim() else value
                for name, value in state["state"][place].items()
            }
        return {"inner": state, "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state that `state_dict` returned, of any number of ranks."""
        inner, place = dict(state["inner"]), self._place()
        if place in inner["state"]:
            own = self.classifier.own
            inner["state"] = dict(inner["state"])
            inner["state"][place] = {
                name: value[own].clone() if value.dim() else value
                for name, value in inner["state"][place].items()
            }
        self.inner.load_state_dict(inner)
        for group in self.inner.param_groups:
            group["fused"] = _is_fused(group["params"], self.classifier)
        # The scaler has no state unless training is in float16.
        if state["scaler"]:
            self.scaler.load_state_dict(state["scaler"])

    def _place(self) -> int | None:
        """Return the number of the class centres that are divided over the ranks in the state."""
        parameters = [one for group in self.inner.param_groups for one in group["params"]]
        return next((i for i, one in enumerate(parameters) if one is self.classifier.sharded), None)


def _is_like(value: Any, other: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == other.shape


def _is_fused(parameters: list[nn.Parameter], classifier: Classifier) -> bool | None:
    """Return whether a group is updated without copies of it, as the largest one must; None for others."""
    return True if any(one is classifier.sharded for one in parameters) else None


def _groups(
    parameters: Iterable[nn.Parameter],
    classifier: Classifier,
    undecayed: Iterable[nn.Parameter],
    options: TrainingOptions,
) -> list[dict[str, Any]]:
    """Return groups of parameters with the same weight decay and the same factor of the learning rate.

    The class centres are a group of their own, whether the ranks divide them or not.
    """
    steady, of_head = {id(one) for one in undecayed}, {id(one) for one in classifier.parameters()}
    groups: dict[tuple[float, float, bool], list[nn.Parameter]] = {}
    for one in parameters:
        factor = options.head_learning_rate if id(one) in of_head else 1.0
        decay = 0.0 if id(one) in steady else options.decay
        groups.setdefault((factor, decay, one is classifier.head.weight), []).append(one)
    return [
        {"params": found, "weight_decay": decay, "factor": factor, "fused": _is_fused(found, classifier)}
        for (factor, decay, _), found in groups.items()
    ]
