"""The modules of a training, built from its options: backbone, head and auxiliary losses."""

import inspect
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recognition.backbones import BACKBONES, build_backbone
from recognition.errors import InputError
from recognition.heads import DEFAULT_MARGIN, build_head
from recognition.heads.base import Head
from recognition.heads.fixed_margin import ArcFaceHead
from recognition.losses import build_auxiliary_loss
from recognition.training.batch_norm import GroupBatchNorm
from recognition.training.options import TrainingOptions, Undecayed

#: Side of an aligned face, pixels, which every backbone takes.
_FULL_SIZE = 112
#: Normalisation layers.
_NORMS = (
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.BatchNorm3d,
    nn.SyncBatchNorm,
    GroupBatchNorm,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.InstanceNorm1d,
    nn.InstanceNorm2d,
)


@dataclass(frozen=True)
class Modules:
    """The modules of a training.

    Args:
        backbone: Normalised images to raw embeddings.
        head: Embeddings and labels to logits and a loss.
        aux_losses: The auxiliary losses (`AuxiliaryLoss`), in the order of the options.
        layout: Memory layout of the backbone's weights and of its images.
    """

    backbone: nn.Module
    head: Head
    aux_losses: nn.ModuleList
    layout: torch.memory_format

    def parameters(self) -> list[nn.Parameter]:
        """Return the parameters of all modules."""
        parts = (self.backbone, self.head, self.aux_losses)
        return [parameter for part in parts for parameter in part.parameters()]

    def undecayed(self, names: Collection[Undecayed]) -> list[nn.Parameter]:
        """Return the parameters without weight decay, as `TrainingOptions.no_decay` names them."""
        found: dict[nn.Parameter, None] = {}
        for part in (self.backbone, self.head, self.aux_losses):
            for module in part.modules():
                for name, parameter in module.named_parameters(recurse=False):
                    is_bias = name == "bias" or isinstance(module, nn.PReLU)
                    if (
                        ("norms" in names and isinstance(module, _NORMS))
                        or ("biases" in names and is_bias)
                        or ("centres" in names and part is not self.backbone and not is_bias)
                    ):
                        found[parameter] = None
        return list(found)

    def loss(
        self,
        images: Tensor,
        embeddings: Tensor,
        labels: Tensor,
        margin_fraction: float,
        *,
        head_weight: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """Return the weighted losses of head and auxiliary losses, a scalar, and the class centres.

        Args:
            images: Shape (batch, 3, side, side), in [0, 1].
            embeddings: Shape (batch, dim), of any positive norm.
            labels: Shape (batch,), class indices.
            margin_fraction: Fraction of the margin that is applied, from 0 to 1.
            head_weight: Weight of the head's loss; auxiliary losses have weights of their own.
        """
        labels = labels.long()
        loss = head_weight * self.head.loss(embeddings, labels, margin_fraction)
        # After the head's loss, which may change which of several centres of a class is the dominant one.
        centres = self.head.centres
        for aux_loss in self.aux_losses:
            more = (images,) if aux_loss.needs_images else ()
            loss = loss + aux_loss.weight * aux_loss(embeddings, labels, centres, *more)
        return loss, centres


def build_modules(options: TrainingOptions, classes: int, device: torch.device) -> Modules:
    """Build the modules of a training with random weights, drawn from torch's generator.

    Args:
        options: The options of the training.
        classes: Number of training identities.
        device: Where to put the backbone and the auxiliary losses. The head stays in main memory, because a
            device may have to hold a part of it only.

    Raises:
        InputError: If an option is out of range, or the backbone does not have it.
    """
    architecture = options.architecture()
    if options.dropout:
        if "dropout" not in inspect.signature(BACKBONES[options.network]).parameters:
            raise InputError(
                f"dropout: expected 0 with {options.network}, which has no dropout layer, got "
                f"{options.dropout}"
            )
        architecture["dropout"] = options.dropout
    backbone = build_backbone(architecture.pop("network"), **architecture)
    smallest = min(options.start_size, options.image_size)
    if smallest != _FULL_SIZE and not getattr(backbone, "takes_any_size", False):
        raise InputError(
            f"start size: expected {_FULL_SIZE} pixels with {options.network}, got {smallest}; only IResNets "
            "train on smaller images"
        )
    sizes = (options.embedding_size, classes)
    margin = DEFAULT_MARGIN if options.margin is None else options.margin
    head = build_head(options.head, *sizes, scale=options.scale, margin=margin)
    if options.margin is not None and not isinstance(head, ArcFaceHead):
        raise InputError(
            f"margin: expected it with arcface and its variants only, got it with {options.head}; options of "
            "other heads follow the head's name, as in --head cosface:margin=0.3"
        )
    head.label_smoothing = options.label_smoothing
    aux_losses = nn.ModuleList(build_auxiliary_loss(spec, *sizes) for spec in options.aux_losses)
    # In the channels-last layout, oneDNN's backward pass of strided 1x1 convolutions with fewer than 8
    # channels writes out of bounds (seen in torch 2.14 with AVX2).
    layout = torch.channels_last if options.width >= 1 / 8 else torch.contiguous_format
    backbone.to(device).to(memory_format=layout)
    return Modules(backbone, head, aux_losses.to(device), layout)


def check_pairs(modules: Modules, options: TrainingOptions, labels: NDArray[np.integer]) -> None:
    """Check that batches can hold the pairs of images that some auxiliary losses compare.

    Args:
        modules: The modules of the training.
        options: The options of the training.
        labels: Shape (images,), class indices of the training images; negative ones have no class.

    Raises:
        InputError: If no batch can hold two images of one identity.
    """
    specs = zip(options.aux_losses, modules.aux_losses, strict=True)
    spec = next((spec for spec, aux_loss in specs if aux_loss.needs_pairs), None)
    if spec is None:
        return
    if np.bincount(labels[labels >= 0]).max() < 2:
        raise InputError(
            f"auxiliary loss {spec}: expected an identity with two training images, got one image each; "
            "use another loss or more images"
        )
    if options.images_per_identity < 2:
        raise InputError(
            f"auxiliary loss {spec}: expected batches with several images of an identity, got "
            f"--images-per-identity {options.images_per_identity}; use 2 or more"
        )
