"""A face recogniser: preprocessing, backbone and, where known, its class centres."""

import functools
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from recognition.detection.alignment import ALIGNED_SIZE
from recognition.images import resized

#: Images embedded at once outside training.
EMBEDDING_BATCH = 64
#: What becomes of the mirror image's embedding.
Flip = Literal["average", "concatenate", "none"]


@dataclass(frozen=True)
class Preprocessing:
    """What a network expects of an RGB image in [0, 1]: (image - mean) / std, in a channel order.

    The defaults are InsightFace's.

    Args:
        mean, std: one number, or one each of red, green and blue.
        input_size: side of the square image, pixels.
    """

    mean: float | tuple[float, ...] = 0.5
    std: float | tuple[float, ...] = 0.5
    channels: Literal["RGB", "BGR"] = "RGB"
    input_size: int = ALIGNED_SIZE

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            # JSON knows lists alone; equal preprocessings compare as equal.
            if isinstance(value := getattr(self, name), list):
                object.__setattr__(self, name, tuple(value))
            numbers = value if isinstance(value, list | tuple) else (value,)
            if not all(isinstance(number, int | float) for number in numbers) or len(numbers) not in (1, 3):
                raise ValueError(f"{name} of {numbers}")
        if self.channels not in ("RGB", "BGR") or not isinstance(self.input_size, int):
            raise ValueError(f"channels {self.channels!r}, input size {self.input_size!r}")

    def __call__(self, images: Tensor) -> Tensor:
        images = (images - _per_channel(self.mean, images)) / _per_channel(self.std, images)
        return images.flip(1) if self.channels == "BGR" else images


def _per_channel(value: float | tuple[float, ...], images: Tensor) -> float | Tensor:
    if not isinstance(value, tuple):
        return value
    # Without waiting for what is in the device's queue.
    return torch.tensor(value, dtype=images.dtype).to(images.device, non_blocking=True)[:, None, None]


class Recogniser(nn.Module):
    """Images, float32 NCHW RGB in [0, 1], to unit-norm embeddings.

    Args:
        backbone: normalised images to raw embeddings, (batch, dim).
        name: what reports call it.
        preprocessing: of the backbone's training.
        centres: unit-norm class weights, (classes, dim), if they came with it.
        class_names: one name a class, in their order.
        scale, margin: of the ArcFace loss that trained it, if known.
        source: where it came from: file, SHA-256, architecture.
    """

    centres: Tensor | None

    def __init__(
        self,
        backbone: nn.Module,
        *,
        name: str,
        preprocessing: Preprocessing | None = None,
        centres: Tensor | None = None,
        class_names: tuple[str, ...] | None = None,
        scale: float = 64.0,
        margin: float = 0.5,
        source: "Source | None" = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.name = name
        self.preprocessing = preprocessing or Preprocessing()
        self.register_buffer("centres", None if centres is None else F.normalize(centres.float()))
        self.class_names = class_names
        self.scale = scale
        self.margin = margin
        self.source = source or Source()

    def forward(self, images: Tensor) -> Tensor:
        """Unit-norm embeddings, (batch, dim), float32, of images in [0, 1]."""
        return F.normalize(self.backbone(self.preprocessing(images)).float())

    def freeze(self) -> "Recogniser":
        """Evaluation mode without weight gradients, in the memory layout that convolutions like."""
        self.eval().requires_grad_(False)
        self.backbone.to(memory_format=torch.channels_last)
        return self

    @property
    def input_size(self) -> int:
        """Side of the square input image, pixels."""
        return self.preprocessing.input_size

    @property
    def device(self) -> torch.device:
        """The device that the weights are on; the CPU for a network without weights."""
        return next((parameter.device for parameter in self.parameters()), torch.device("cpu"))

    @functools.cached_property
    def embedding_size(self) -> int:
        """Dimensions of an embedding, found by one pass of a black image."""
        if self.centres is not None:
            return self.centres.shape[1]
        with torch.no_grad():
            image = torch.zeros(1, 3, self.input_size, self.input_size, device=self.device)
            return int(self(image).shape[1])


@dataclass(frozen=True)
class Source:
    """Where a network came from.

    Args:
        architecture: its family and size, for reports.
        format: what kind of file it was read from.
        reason: why its preprocessing is assumed.
    """

    path: str = ""
    sha256: str = ""
    architecture: dict[str, Any] = field(default_factory=dict)
    format: str = ""
    reason: str = ""


@torch.no_grad()
def embed(
    recogniser: Recogniser,
    batches: Iterable[Tensor],
    *,
    dtype: torch.dtype = torch.float32,
    flip: Flip = "average",
) -> NDArray[np.float32]:
    """Unit-norm embeddings of batches of images, (images, dim), or (images, 2 dim) if concatenated.

    Args:
        batches: images of the recogniser's input size, or aligned ones, which are resized to it.
        flip: `average` the embeddings of an image and its mirror image, as LFW's figures
            usually do, `concatenate` the two, or take the image alone (`none`).
    """
    device = next(recogniser.parameters()).device
    size = recogniser.input_size
    rows = []
    for images in batches:
        images = images.to(device).contiguous(memory_format=torch.channels_last)
        if size != ALIGNED_SIZE:
            images = resized(images, size)
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            embeddings = recogniser(images)
            if flip != "none":
                mirrored = recogniser(images.flip(-1))
        embeddings = embeddings.float()
        if flip == "average":
            embeddings = F.normalize(embeddings + mirrored)
        elif flip == "concatenate":
            embeddings = F.normalize(torch.cat([embeddings, mirrored], 1))
        rows.append(embeddings.cpu().numpy())
    return np.concatenate(rows)
