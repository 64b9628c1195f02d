"""Batch normalisation whose statistics are those of the images of all ranks."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition.heads.base import single_precision
from recognition.training.group import Group

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class GroupBatchNorm(nn.Module):
    """Batch normalisation over the batches of all ranks, as one process normalises the whole batch.

    It stands in for torch's SyncBatchNorm, which is for GPUs alone.

    Args:
        layer: The layer that is replaced; its parameters and running statistics are used.
        group: The ranks.
    """

    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def __init__(self, layer: nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d, group: Group) -> None:
        super().__init__()
        self.group, self.eps, self.momentum = group, layer.eps, layer.momentum
        self.weight, self.bias = layer.weight, layer.bias
        for name in ("running_mean", "running_var", "num_batches_tracked"):
            self.register_buffer(name, getattr(layer, name))
        self.train(layer.training)

    def forward(self, images: Tensor) -> Tensor:
        """Return the normalised values, of any shape (batch, channels, ...)."""
        if not self.training:
            return F.batch_norm(
                images, self.running_mean, self.running_var, self.weight, self.bias, False, 0.0, self.eps
            )
        values = single_precision(images)
        others = [0, *range(2, values.dim())]
        own = torch.stack([values.mean(others), values.var(others, correction=0)])
        means, variances = self.group.gather(own[None]).unbind(1)
        # Every rank has equally many images.
        mean = means.mean(0)
        variance = variances.mean(0) + means.var(0, correction=0)
        count = values.numel() // values.shape[1] * self.group.size
        self._update(mean.detach(), variance.detach() * count / max(1, count - 1))
        shape = [1, -1] + [1] * (values.dim() - 2)
        factor = (variance + self.eps).rsqrt()
        if self.weight is not None:
            factor = self.weight * factor
        result = (values - mean.view(shape)) * factor.view(shape)
        return (result if self.bias is None else result + self.bias.view(shape)).to(images.dtype)

    def _update(self, mean: Tensor, variance: Tensor) -> None:
        """Move the running statistics towards those of a batch."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        momentum = 1 / int(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)


def share_statistics(module: nn.Module, group: Group) -> None:
    """Replace all batch normalisation inside a module by that of all ranks; one rank keeps its layers."""
    if group.size == 1:
        return
    if group.device.type == "cuda":
        nn.SyncBatchNorm.convert_sync_batchnorm(module)
        return
    for name, child in module.named_children():
        if isinstance(child, _BATCH_NORMS):
            setattr(module, name, GroupBatchNorm(child, group))
        else:
            share_statistics(child, group)
