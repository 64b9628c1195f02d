"""A head whose class centres are divided over the ranks, and of which a step may use a sample.

Source: An et al., Partial FC, arXiv:2010.05222 and arXiv:2203.15565.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition.errors import InputError
from recognition.heads.base import CosineHead, Head, single_precision
from recognition.seeds import derive_seed
from recognition.training.classifier import Classifier
from recognition.training.group import Group

#: Keeps the division by the norm of a class weight finite, as torch's normalize does.
_SMALLEST_NORM = 1e-12


def can_be_divided(head: Head) -> bool:
    """Return whether ranks can have a part of a head's classes each: its logits are scaled cosines."""
    return isinstance(head, CosineHead) and head.one_centre_per_class and head.has_fixed_scale


class ShardedHead(Classifier):
    """The loss of a head of which each rank has a part of the classes.

    All ranks see the embeddings of the whole batch, and each computes the cosines to its own classes. Which
    classes a step uses follows from the seed and the step alone, so that the loss does not depend on the
    number of ranks.

    Args:
        head: The head, with all centres, on any device; it keeps those of this rank, on the rank's device.
        group: The ranks.
        rate: Share of the classes that a step uses: those of its images, and others drawn at random.
        seed: Seed of these draws.
        head_weight: Weight of the loss.

    Raises:
        InputError: If the head cannot be divided, see `can_be_divided`, or there are more ranks than classes.
    """

    def __init__(
        self, head: CosineHead, group: Group, *, rate: float = 1.0, seed: int = 0, head_weight: float = 1.0
    ) -> None:
        if not can_be_divided(head):
            raise InputError(
                "sample rate: expected a head with one centre per class and a fixed scale; use "
                "--sample-rate 1"
            )
        if head.classes < group.size:
            raise InputError(f"ranks: expected at most the {head.classes} classes, got {group.size}")
        super().__init__(head, group, head_weight=head_weight)
        self.cosine_head, self.rate, self.seed = head, rate, seed
        self.own = group.share(head.classes)
        # The device holds no other part of the head.
        own = head.weight.detach()[self.own].to(group.device, copy=True)
        self.sharded = head.weight = nn.Parameter(own)
        head.to(group.device)
        self._used = head.classes

    def replicated(self) -> list[nn.Parameter]:
        return []

    def start(self, labels: Tensor, step: int) -> None:
        """Choose the classes of a step."""
        if self.rate == 1:
            return
        labels = self.group.gather_plain(labels)
        chosen = sample_classes(
            labels[labels >= 0].long(), self.head.classes, self.rate, derive_seed("classes", self.seed, step)
        )
        self._used = len(chosen)
        inside = (chosen >= self.own.start) & (chosen < self.own.stop)
        self.rows = chosen[inside] - self.own.start
        self.values = self.cosine_head.weight.detach()[self.rows].requires_grad_()

    def loss(
        self, images: Tensor, embeddings: Tensor, labels: Tensor, margin_fraction: float
    ) -> tuple[Tensor, Tensor]:
        head, group = self.cosine_head, self.group
        weight = head.weight if self.values is None else self.values
        every, all_labels = group.gather(embeddings), group.gather_plain(labels).long()
        own = torch.zeros(len(every), dtype=torch.bool, device=every.device)
        own[group.rank * len(labels) : (group.rank + 1) * len(labels)] = True
        has_class = all_labels >= 0
        if not has_class.all():
            every, all_labels, own = every[has_class], all_labels[has_class], own[has_class]
        if not len(every):
            return embeddings.sum() * 0, embeddings.new_zeros(0)
        with torch.autocast(every.device.type, enabled=False):
            every = single_precision(every)
            here, places = self._places(all_labels)
            cosines, found = _Cosines.apply(F.normalize(every), weight, here, places)
            targets = cosines.new_zeros(len(every), 1).index_put((here,), found[:, None])
            changed = head.with_margin(targets, every.norm(dim=1, keepdim=True), margin_fraction)
            what = _Sum(here, places, head.scale, head.label_smoothing, self._used, group)
            losses: Tensor = _CrossEntropy.apply(cosines, changed[here, 0], what)
            share = losses[own].sum() / len(every)
            penalty = head.penalty(every[own]) if own.any() else None
        if penalty is not None:
            share = share + penalty * (own.sum() / len(every))
        return self.head_weight * share, found.detach()

    def _places(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return which images have a class of this rank, and the columns of the classes."""
        places = labels - self.own.start
        here = ((labels >= self.own.start) & (labels < self.own.stop)).nonzero()[:, 0]
        places = places[here]
        # Every class of an image is among the rows.
        return here, places if self.rows is None else torch.searchsorted(self.rows, places)


def sample_classes(labels: Tensor, classes: int, rate: float, seed: int) -> Tensor:
    """Return the classes that a step uses, rising: all of its images, and others drawn without replacement.

    Args:
        labels: Class indices of the step's images, on the device where the draws are made.
        classes: Number of all classes.
        rate: Share of all classes to return; more if the images have more.
        seed: Seed of the draws.
    """
    generator = torch.Generator(labels.device).manual_seed(seed)
    priority = torch.rand(classes, generator=generator, device=labels.device)
    # Above all that is drawn.
    priority[labels] = 2.0
    count = max(math.ceil(rate * classes), len(labels.unique()))
    return priority.topk(count).indices.sort().values


class _Cosines(torch.autograd.Function):
    """Cosines of unit vectors, (batch, dim), to class weights of any norm, (classes, dim), and some of these.

    Beside the cosines and the gradients it needs no memory: the weights are not normalised.
    """

    @staticmethod
    def forward(
        ctx: Any, unit: Tensor, weight: Tensor, here: Tensor, places: Tensor
    ) -> tuple[Tensor, Tensor]:
        norms = weight.norm(dim=1).clamp_min_(_SMALLEST_NORM)
        ctx.save_for_backward(unit, weight, norms, here, places)
        cosines = F.linear(unit, weight).div_(norms)
        return cosines, cosines[here, places]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None, None]:
        unit, weight, norms, here, places = ctx.saved_tensors
        # In place: the cross-entropy, from which it comes, does not need it any more.
        gradient = gradients[0]
        gradient[here, places] += gradients[1]
        gradient.div_(norms)
        of_weight = gradient.T @ unit
        # The part along the weight does not change its direction. A product of rows, without a copy of them.
        along = torch.bmm(of_weight[:, None], weight[:, :, None])[:, 0]
        of_weight.addcmul_(weight, along / norms.square()[:, None], value=-1)
        return gradient @ weight, of_weight, None, None


class _CrossEntropy(torch.autograd.Function):
    """The cross-entropy of scaled cosines whose columns are divided over the ranks, shape (batch,).

    All ranks have the same images, and get the same losses; a loss that several ranks use counts as often.
    The cosines, for millions of classes the largest tensor of a step, become their own gradient in place.
    """

    @staticmethod
    def forward(ctx: Any, cosines: Tensor, changed: Tensor, sum_of: "_Sum") -> Tensor:
        here, places, scale = sum_of.here, sum_of.places, sum_of.scale
        cosines[here, places] = changed
        logits = cosines.mul_(scale)
        empty = logits.new_full((len(logits), 1), -torch.inf)
        highest = sum_of.group.largest_((logits if logits.shape[1] else empty).amax(1))
        targets = logits.new_zeros(len(logits)).index_put((here,), scale * changed)
        uniform = logits.sum(1) if sum_of.smoothing else torch.zeros_like(targets)
        exponentials = logits.sub_(highest[:, None]).exp_()
        total, targets, uniform = sum_of.group.sum_(torch.stack([exponentials.sum(1), targets, uniform]))
        ctx.probabilities, ctx.sum_of = exponentials.div_(total[:, None]), sum_of
        own = (1 - sum_of.smoothing) * targets + sum_of.smoothing * uniform / sum_of.classes
        return total.log() + highest - own

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        sum_of: _Sum = ctx.sum_of
        gradient = sum_of.scale * sum_of.group.sum_(gradients[0].clone())
        result = ctx.probabilities.mul_(gradient[:, None])
        del ctx.probabilities
        result[sum_of.here, sum_of.places] -= (1 - sum_of.smoothing) * gradient[sum_of.here]
        if sum_of.smoothing:
            result -= (sum_of.smoothing / sum_of.classes) * gradient[:, None]
        of_changed = result[sum_of.here, sum_of.places]
        result[sum_of.here, sum_of.places] = 0
        return result, of_changed, None


@dataclass(frozen=True)
class _Sum:
    """What a cross-entropy over the classes of all ranks is of.

    Args:
        here: Numbers of the images whose class this rank has.
        places: The columns of these classes.
        scale: Factor of the cosines.
        smoothing: Share of a label's weight that is spread over all classes.
        classes: Number of classes of all ranks.
        group: The ranks.
    """

    here: Tensor
    places: Tensor
    scale: float
    smoothing: float
    classes: int
    group: Group
