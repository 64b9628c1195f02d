"""A face recogniser: preprocessing, backbone and, where known, its class centres."""

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError, NotFiniteError, one_line
from recognition.images import resized
from recognition.source import Source
from recognition.subcentres import SubCentres

#: Number of images in a batch outside training.
EMBEDDING_BATCH = 64
#: Largest side in pixels of the square input of a network in a file.
MAX_INPUT_SIZE = 1024
#: How the embedding of the mirrored image is used.
Flip = Literal["average", "concatenate", "none"]


@dataclass(frozen=True)
class Preprocessing:
    """How a network expects its RGB images in [0, 1] to be prepared: (image - mean) / std, then a channel
    order.

    The defaults are those of InsightFace.

    Args:
        mean: One number, or three for red, green and blue.
        std: One positive number, or three for red, green and blue.
        channels: Order of the channels that the network takes.
        input_size: Side of the square image in pixels.

    Raises:
        InputError: If a value is out of its range.
    """

    mean: float | tuple[float, ...] = 0.5
    std: float | tuple[float, ...] = 0.5
    channels: Literal["RGB", "BGR"] = "RGB"
    input_size: int = ALIGNED_SIZE

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            value = getattr(self, name)
            if isinstance(value, list):
                # JSON has no tuples, and equal preprocessings must compare equal.
                object.__setattr__(self, name, tuple(value))
            numbers = value if isinstance(value, list | tuple) else (value,)
            if len(numbers) not in (1, 3) or not all(_is_finite(number) for number in numbers):
                raise InputError(f"preprocessing: expected {name} to be one number or three, got {value!r}")
            if name == "std" and min(numbers) <= 0:
                raise InputError(f"preprocessing: expected std to be above 0, got {value!r}")
        if self.channels not in ("RGB", "BGR"):
            raise InputError(f"preprocessing: expected channels to be 'RGB' or 'BGR', got {self.channels!r}")
        if not isinstance(self.input_size, int) or self.input_size < 1:
            raise InputError(
                f"preprocessing: expected input_size to be a number of pixels, got {self.input_size!r}"
            )

    def __call__(self, images: Tensor) -> Tensor:
        """Return the network's input, shape (batch, 3, h, w), of RGB images in [0, 1] of the same shape."""
        images = (images - _per_channel(self.mean, images)) / _per_channel(self.std, images)
        return images.flip(1) if self.channels == "BGR" else images


def _is_finite(number: Any) -> bool:
    return isinstance(number, int | float) and math.isfinite(number)


def _per_channel(value: float | tuple[float, ...], images: Tensor) -> float | Tensor:
    if not isinstance(value, tuple):
        return value
    # A non-blocking copy does not wait for the work that is queued on the device.
    return torch.tensor(value, dtype=images.dtype).to(images.device, non_blocking=True)[:, None, None]


class Recogniser(nn.Module):
    """Embeds faces: float32 NCHW RGB images in [0, 1] to unit-norm embeddings.

    Args:
        backbone: Any module from prepared images, shape (batch, 3, h, w), to raw embeddings, (batch, dim).
        name: The recogniser's name in reports.
        preprocessing: How the backbone expects its images; InsightFace's if not given.
        centres: Class weights, shape (classes, dim), of any positive norm.
        subcentres: All centres of each class, where a class has several; None where it has one.
        class_names: One name per class, in the order of the centres.
        class_photographs: Number of photographs of each class that the network was trained on, in the same
            order; None if it is not known.
        scale: Scale of the ArcFace loss that trained the network.
        margin: Margin of that loss in radians.
        source: Where the network came from.
        output: Which output of the backbone is the embedding, where it gives several: a key of a dict, or a
            number from 0. None takes the only one of shape (batch, dim) with more than one dimension, so that
            the norm beside an embedding is left out.

    Raises:
        InputError: If the backbone, the preprocessing or the centres are not of these types and shapes.

    Example:
        >>> bgr = Preprocessing(channels="BGR")
        >>> recogniser = Recogniser(backbone, name="mine", preprocessing=bgr).freeze()
        >>> embeddings = recogniser(images)
    """

    centres: Tensor | None

    def __init__(
        self,
        backbone: nn.Module,
        *,
        name: str,
        preprocessing: Preprocessing | None = None,
        centres: Tensor | None = None,
        subcentres: SubCentres | None = None,
        class_names: tuple[str, ...] | None = None,
        class_photographs: tuple[int, ...] | None = None,
        scale: float = 64.0,
        margin: float = 0.5,
        source: Source | None = None,
        output: str | None = None,
    ) -> None:
        super().__init__()
        _check_parts(name, backbone, preprocessing, centres, class_names)
        _check_photographs(name, centres, class_photographs)
        self.backbone = backbone
        self.name = name
        self.preprocessing = preprocessing or Preprocessing()
        self.register_buffer("centres", None if centres is None else F.normalize(centres.float()))
        self.subcentres = subcentres
        self.class_names = class_names
        self.class_photographs = class_photographs
        self.scale = scale
        self.margin = margin
        self.source = source or Source()
        self.output = output
        #: The memory layout that the backbone's input is brought into; None leaves it as it is.
        self._layout: torch.memory_format | None = None

    def forward(self, images: Tensor) -> Tensor:
        """Return unit-norm float32 embeddings, shape (batch, dim), of images in [0, 1]."""
        prepared = self.preprocessing(images)
        if self._layout is not None:
            prepared = prepared.contiguous(memory_format=self._layout)
        return F.normalize(_embeddings(self.backbone(prepared), self.output, len(images)).float())

    def freeze(self) -> "Recogniser":
        """Switch to evaluation mode without weight gradients, in the memory layout of convolutions.

        That is channels_last, in which convolutions are fastest. A network that needs contiguous feature
        maps, as one with `x.view(x.size(0), -1)` does, stays contiguous; a pass of two images shows it.
        """
        self.eval().requires_grad_(False)
        self._layout = None
        if not self._runs(torch.channels_last) and self._runs(torch.contiguous_format):
            self._layout = torch.contiguous_format
        else:
            self.backbone.to(memory_format=torch.channels_last)
        return self

    @torch.no_grad()
    def _runs(self, layout: torch.memory_format) -> bool:
        """Bring the backbone into a memory layout, and return whether it then takes images of this layout."""
        self.backbone.to(memory_format=layout)
        images = torch.zeros(2, 3, self.input_size, self.input_size, device=self.device)
        try:
            self.backbone(images.contiguous(memory_format=layout))
        except Exception:
            # The network may be anyone's, and raise anything; `embedding_size` says what.
            return False
        return True

    @property
    def input_size(self) -> int:
        """Side of the square input image in pixels."""
        return self.preprocessing.input_size

    @property
    def device(self) -> torch.device:
        """The device of the weights; the CPU for a network without weights."""
        values = (*self.parameters(), *self.buffers())
        return values[0].device if values else torch.device("cpu")

    @torch.no_grad()
    def _embedding_size(self) -> int:
        size, name = self.input_size, self.source.path or self.name
        # A network that divides by an image's own deviation has no embedding of a constant one.
        images = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
        prepared = self.preprocessing(images.to(self.device))
        embeddings = self._probed(
            prepared, f"a batch of two {size}x{size} images", "give its size as --preset input_size=N"
        )
        if not embeddings.isfinite().all():
            raise InputError(
                f"{name}: expected finite embeddings, got others; its weights are damaged, or it takes "
                "another range of pixel values (--preset)"
            )
        self._probed(
            prepared[:1], "a single image", "keep the batch, as flatten(1) does and squeeze() does not"
        )
        return int(embeddings.shape[1])

    def _probed(self, prepared: Tensor, words: str, advice: str) -> Tensor:
        """Return the raw embeddings of prepared images."""
        name, batch = self.source.path or self.name, len(prepared)
        try:
            outputs = self.backbone(prepared)
        except Exception as error:
            # The network may be anyone's: whatever it raises is about the input that it was given.
            raise InputError(f"{name}: does not run on {words} ({one_line(error)}); {advice}") from None
        try:
            embeddings = _embeddings(outputs, self.output, batch)
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
        if embeddings.ndim != 2 or embeddings.shape[0] != batch:
            raise InputError(
                f"{name}: expected embeddings (batch, dim), got an output of shape {tuple(embeddings.shape)} "
                f"for {words}"
            )
        return embeddings

    @functools.cached_property
    def embedding_size(self) -> int:
        """Number of dimensions of an embedding, found by passes of two images and of one in evaluation mode.

        Raises:
            InputError: If the backbone does not run on images of the input size, or its output is not finite
                or not of shape (batch, dim).
        """
        modes = [(module, module.training) for module in self.backbone.modules()]
        self.backbone.eval()
        try:
            return self._embedding_size()
        finally:
            # A pass in training mode would have changed the statistics of BatchNorm layers.
            for module, training in modes:
                module.training = training


def _check_parts(
    name: str, backbone: object, preprocessing: object, centres: object, class_names: tuple[str, ...] | None
) -> None:
    if not isinstance(backbone, nn.Module):
        raise InputError(
            f"{name}: expected a torch.nn.Module as its backbone, got {type(backbone).__name__}; "
            "use recognition.loading.load for files"
        )
    if preprocessing is not None and not isinstance(preprocessing, Preprocessing):
        raise InputError(
            f"{name}: expected a Preprocessing, got {type(preprocessing).__name__}; "
            "give preprocessing=Preprocessing(...)"
        )
    if centres is not None and (not isinstance(centres, Tensor) or centres.ndim != 2):
        shape = tuple(centres.shape) if isinstance(centres, Tensor) else type(centres).__name__
        raise InputError(f"{name}: expected class centres (classes, dim), got {shape}")
    if class_names is not None and (not isinstance(centres, Tensor) or len(class_names) != len(centres)):
        count = 0 if centres is None else len(centres)
        raise InputError(f"{name}: expected one class name per centre, got {len(class_names)} for {count}")


def _check_photographs(name: str, centres: Tensor | None, photographs: tuple[int, ...] | None) -> None:
    if photographs is None:
        return
    count = 0 if centres is None else len(centres)
    if len(photographs) != count:
        raise InputError(
            f"{name}: expected one number of photographs per centre, got {len(photographs)} for {count}"
        )
    if not all(type(number) is int and number >= 0 for number in photographs):
        raise InputError(f"{name}: expected numbers of photographs of 0 or more")


def _embeddings(outputs: Any, chosen: str | None, batch: int) -> Tensor:
    """Return the embeddings among what a backbone returned.

    Args:
        outputs: A tensor, or several in a tuple, list or dict.
        chosen: The key or number of one of several; None takes the only one of shape (batch, dim), dim > 1.
        batch: Number of images that it was given.

    Raises:
        InputError: If there is not exactly one such output, or none of that name.
    """
    if isinstance(outputs, Tensor):
        if chosen is not None:
            raise InputError(f"output: the network has a single one, got {chosen!r}; leave --output out")
        return _with_batch(outputs, batch)
    if not isinstance(outputs, dict | list | tuple):
        raise InputError(f"expected embeddings (batch, dim), got {type(outputs).__name__}")
    named = outputs if isinstance(outputs, dict) else dict(enumerate(outputs))
    tensors = {
        str(key): _with_batch(value, batch) for key, value in named.items() if isinstance(value, Tensor)
    }
    fitting = [key for key, value in tensors.items() if value.ndim == 2 and value.shape[1] > 1]
    key = chosen if chosen is not None else fitting[0] if len(fitting) == 1 else None
    if key is None or key not in tensors:
        listed = ", ".join(f"{key} {tuple(value.shape)}" for key, value in tensors.items())
        raise InputError(
            f"expected one output of embeddings (batch, dim), got {listed or 'none'}; give --output NAME"
        )
    return tensors[key]


def _with_batch(output: Tensor, batch: int) -> Tensor:
    """Return an output with its batch, which a network that ends in `squeeze()` removes of a single image."""
    return output[None] if batch == 1 and output.ndim == 1 and len(output) > 1 else output


@torch.no_grad()
def embed(
    recogniser: Recogniser,
    batches: Iterable[Tensor],
    *,
    dtype: torch.dtype = torch.float32,
    flip: Flip = "average",
) -> NDArray[np.float32]:
    """Return unit-norm embeddings of batches of images, shape (images, dim), or (images, 2 dim) if
    concatenated.

    Args:
        recogniser: The network; its device is used.
        batches: Images of the recogniser's input size, or aligned ones, which are resized to it.
        dtype: Precision of the network's inner computation.
        flip: `average` the embeddings of an image and its mirror image, as results on LFW usually do,
            `concatenate` the two, or use the image alone (`none`).

    Raises:
        NotFiniteError: If an embedding is infinite or not a number.
    """
    device = recogniser.device
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
    found = np.concatenate(rows)
    # A comparison with what is not a number is false, and would count as a rejection.
    wrong = int((~np.isfinite(found)).any(1).sum())
    if wrong:
        raise NotFiniteError(
            f"{recogniser.name}: expected embeddings of finite numbers, got {wrong:,} of {len(found):,} with "
            "others; check its weights, --preset and the precision"
        )
    return found
