"""The guide: a small network from aligned faces to pose and expression, whose gradients attacks follow.

It only says how an image ought to change. What an image shows is measured by other means.
"""

import functools
import os
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition.appearance.measures import ATTRIBUTES, Attribute
from recognition.bundled import guide_path
from recognition.checkpoint import read_safetensors, write_safetensors
from recognition.errors import InputError, one_line

#: Format of the file; the number rises when older readers would misread newer files.
FORMAT = "arcinvert-guide-1"
#: Side in pixels at which the guide sees a face: that of the face PCA, whose images have no more detail.
SIDE = 56
#: Channels of the convolutions, each of which halves the sides, and of the layer before the outputs.
_CHANNELS = (16, 24, 48)
_SQUEEZED, _HIDDEN = 24, 64
#: Luma weights of ITU-R BT.601.
_LUMA = (0.299, 0.587, 0.114)
#: Least contrast of an image, so that an even one has no infinite gradient.
_LEAST_CONTRAST = 0.02


@dataclass(frozen=True)
class Labels:
    """What the numbers of `ATTRIBUTES` are on the faces of the training.

    Args:
        mean: Shape (5,).
        deviation: Shape (5,), the standard deviations.
        quantiles: Shape (5, 101), the percentiles from 0 to 100.
    """

    mean: Tensor
    deviation: Tensor
    quantiles: Tensor

    @classmethod
    def of(cls, values: Tensor) -> "Labels":
        """Return those of labels, shape (faces, 5)."""
        percentiles = torch.linspace(0, 1, 101, dtype=values.dtype)
        return cls(values.mean(0), values.std(0), torch.quantile(values, percentiles, dim=0).T.contiguous())

    def quantile(self, attribute: Attribute, share: float) -> float:
        """Return the value that a share of the faces, in [0, 1], has at most, to a hundredth of a share."""
        return float(self.quantiles[ATTRIBUTES.index(attribute), round(100 * share)])

    def normalised(self, attribute: Attribute, value: float) -> float:
        """Return a value in standard deviations from the mean."""
        place = ATTRIBUTES.index(attribute)
        return float((value - self.mean[place]) / self.deviation[place])


class Guide(nn.Module):
    """Four convolutions and two linear layers on the luminance of an aligned face.

    The light of a picture says nothing about the pose, so each picture has its mean and contrast removed.

    Args:
        labels: What the numbers are on the faces of the training.
    """

    def __init__(self, labels: Labels) -> None:
        super().__init__()
        self.labels = labels
        layers: list[nn.Module] = []
        before = 1
        for channels in _CHANNELS:
            kernel = 5 if before == 1 else 3
            layers += [nn.Conv2d(before, channels, kernel, stride=2, padding=kernel // 2), nn.SiLU()]
            before = channels
        self.convolutions = nn.Sequential(*layers, nn.Conv2d(before, _SQUEEZED, 1), nn.SiLU())
        side = SIDE // 2 ** len(_CHANNELS)
        self.outputs = nn.Sequential(
            nn.Flatten(), nn.Linear(_SQUEEZED * side * side, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, 5)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return the numbers of `ATTRIBUTES` in standard deviations from the mean, shape (batch, 5).

        Args:
            images: Aligned faces, shape (batch, 3, h, w) in [0, 1].
        """
        return self.of_luminance(luminance(images))

    def of_luminance(self, pictures: Tensor) -> Tensor:
        """Return the numbers of pictures of `luminance`, shape (batch, 5); see `forward`."""
        centred = pictures - pictures.mean((2, 3), keepdim=True)
        contrast = centred.square().mean((2, 3), keepdim=True).add(_LEAST_CONTRAST**2).sqrt()
        found: Tensor = self.outputs(self.convolutions(centred / contrast))
        return found

    def symmetric(self, images: Tensor) -> Tensor:
        """Return the mean over images and their mirror images, shape (batch, 5); see `forward`."""
        return (self(images) + mirrored_labels(self(images.flip(-1)))) / 2

    def values(self, images: Tensor) -> Tensor:
        """Return the numbers in their own units, shape (batch, 5); see `forward`."""
        return self.symmetric(images) * self.labels.deviation.to(images) + self.labels.mean.to(images)


def luminance(images: Tensor) -> Tensor:
    """Return what the guide sees of aligned faces, (batch, 3, h, w) in [0, 1]: shape (batch, 1, 56, 56)."""
    # Without a tensor of the weights, which could not be made while a CUDA graph is captured.
    red, green, blue = images.split(1, dim=1)
    pictures = _LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue
    if images.shape[-1] == 2 * SIDE:
        return F.avg_pool2d(pictures, 2)
    return F.interpolate(pictures, (SIDE, SIDE), mode="bilinear", antialias=True)


def mirrored_labels(values: Tensor) -> Tensor:
    """Return the numbers of the mirror images of faces, shape (faces, 5)."""
    yaw = ATTRIBUTES.index("yaw")
    return torch.cat([values[:, :yaw], -values[:, yaw : yaw + 1], values[:, yaw + 1 :]], 1)


def save_guide(path: str | os.PathLike[str], guide: Guide, notes: str) -> None:
    """Write a guide in half precision, completely or not at all.

    Args:
        path: The file.
        guide: The guide.
        notes: What it was trained on.

    Raises:
        InputError: If the file cannot be written.
    """
    tensors = {f"network.{key}": value.half().cpu() for key, value in guide.state_dict().items()}
    tensors |= {f"labels.{key}": value.float().cpu() for key, value in vars(guide.labels).items()}
    write_safetensors(path, tensors, {"format": FORMAT, "notes": notes})


def load_guide(path: str | os.PathLike[str]) -> Guide:
    """Return a guide that `save_guide` wrote, frozen and in float32.

    Raises:
        InputError: If the file does not exist, is damaged or of another kind.
    """
    tensors, metadata = read_safetensors(path, "a guide")
    if metadata.get("format") != FORMAT:
        raise InputError(
            f"{path}: expected a guide of 'python -m recognition train-guide' ({FORMAT}), got another file"
        )
    try:
        labels = Labels(*(tensors[f"labels.{name}"].float() for name in ("mean", "deviation", "quantiles")))
        if labels.quantiles.shape != (len(ATTRIBUTES), 101):
            raise ValueError(f"percentiles of shape {tuple(labels.quantiles.shape)}")
        guide = Guide(labels)
        weights = {key.removeprefix("network."): value.float() for key, value in tensors.items()}
        guide.load_state_dict({key: weights[key] for key in guide.state_dict()})
    except Exception as error:
        # Missing names and other shapes raise what torch does.
        raise InputError(f"{path}: damaged guide ({one_line(error)}); get an intact copy") from None
    return guide.eval().requires_grad_(False)


@functools.cache
def bundled_guide() -> Guide:
    """Return the guide that the package ships, loaded once."""
    return load_guide(guide_path())
