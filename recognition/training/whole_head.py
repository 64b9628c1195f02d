"""A head that every rank has whole, beside auxiliary losses."""

import torch.nn.functional as F
from torch import Tensor, nn

from recognition.errors import InputError
from recognition.heads.base import CosineHead
from recognition.training.classifier import Classifier
from recognition.training.group import Group
from recognition.training.modules import Modules
from recognition.training.options import TrainingOptions
from recognition.training.sharded_head import ShardedHead, can_be_divided


class WholeHead(Classifier):
    """A head and auxiliary losses of which every rank computes the loss of the whole batch.

    So losses that compare images compare all of them, and a head's statistics are those of all.

    Args:
        modules: The modules of the training.
        group: The ranks.
        head_weight: Weight of the head's loss; auxiliary losses have weights of their own.
    """

    def __init__(self, modules: Modules, group: Group, *, head_weight: float = 1.0) -> None:
        super().__init__(modules.head.to(group.device), group, head_weight=head_weight)
        self._modules = modules
        self._gathers_images = any(aux_loss.needs_images for aux_loss in modules.aux_losses)

    def replicated(self) -> list[nn.Parameter]:
        return [*self._modules.head.parameters(), *self._modules.aux_losses.parameters()]

    def loss(
        self, images: Tensor, embeddings: Tensor, labels: Tensor, margin_fraction: float
    ) -> tuple[Tensor, Tensor]:
        own, group = labels, self.group
        every, labels = group.gather(embeddings), group.gather_plain(labels)
        if self._gathers_images:
            images = group.gather_plain(images)
        has_class = labels >= 0
        if not has_class.any():
            return embeddings.new_zeros(()), embeddings.new_zeros(0)
        # A batch without unlabelled faces is not copied.
        if not has_class.all():
            every, labels = every[has_class], labels[has_class]
            images = images[has_class] if self._gathers_images else images
        loss, centres = self._modules.loss(
            images, every, labels, margin_fraction, head_weight=self.head_weight
        )
        has_class = own >= 0
        cosines = (F.normalize(embeddings[has_class]) * centres[own[has_class]]).sum(1)
        # Every rank has computed the whole.
        return loss / group.size, cosines.detach()


def make_classifier(modules: Modules, options: TrainingOptions, group: Group) -> Classifier:
    """Return how the ranks compute the loss: with a part of the classes each, where head and losses allow it.

    Args:
        modules: The modules of the training; their head may lose the classes of other ranks.
        options: The options of the training.
        group: The ranks.

    Raises:
        InputError: If a step is to use a sample of the classes, and head or losses need all of them.
    """
    head = modules.head
    if isinstance(head, CosineHead) and can_be_divided(head) and not options.aux_losses:
        if group.size > 1 or options.sample_rate < 1:
            return ShardedHead(
                head, group, rate=options.sample_rate, seed=options.seed, head_weight=options.head_weight
            )
    elif options.sample_rate < 1:
        what = f"the auxiliary loss {options.aux_losses[0]}" if options.aux_losses else f"head {options.head}"
        raise InputError(
            f"sample rate: expected 1 with {what}, which needs all class centres, got {options.sample_rate:g}"
        )
    return WholeHead(modules, group, head_weight=options.head_weight)
