"""Statistics of a network's activations on faces, of each channel and of each position.

Networks with folded BatchNorm, GroupNorm, LayerNorm or attention have no running statistics, and no network
says where in an image an activation belongs. Both can be measured on aligned faces without labels
(arcinvert/knowledge/measure.py) and kept in a file (arcinvert/knowledge/statistics_file.py).
"""

import re
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from arcinvert.knowledge.nearest_neighbours import NearestNeighbours
from arcinvert.knowledge.public_photographs import PublicPhotographs
from arcinvert.knowledge.regression import FaceRegression
from recognition.errors import InputError
from recognition.recogniser import Preprocessing

#: What error messages recommend where statistics are missing.
CALIBRATE = (
    "measure them with 'arcinvert calibrate --model MODEL --images FACES' and use --knowledge public-faces"
)
#: Below this number of convolutions and normalisations the linear layers are measured too.
_FEW_LAYERS = 8

Side = Literal["input", "output"]
#: Whose faces a network was measured on.
FaceKind = Literal["public faces", "synthetic faces"]


@dataclass(frozen=True)
class ActivationSite:
    """Where in a network an activation is observed.

    Args:
        name: The module's name in the recogniser.
        side: Whether the module's first input or its output is observed.
        axis: The axis of the channels.
    """

    name: str
    side: Side
    axis: int


@dataclass(frozen=True)
class LayerMoments:
    """The statistics of one activation on faces.

    Args:
        site: Where the activation is observed.
        mean: Mean of each channel, shape (channels,).
        variance: Variance of each channel, shape (channels,).
        count: The number of values of a channel that they rest on.
        map_mean: Mean at each position, shape (channels, h, w), symmetric under mirroring; None where it was
            not measured.
        map_variance: Variance at each position, likewise.
    """

    site: ActivationSite
    mean: Tensor
    variance: Tensor
    count: int
    map_mean: Tensor | None = None
    map_variance: Tensor | None = None

    def to(self, device: torch.device) -> "LayerMoments":
        """Return the same statistics on a device."""
        maps = (None if one is None else one.to(device) for one in (self.map_mean, self.map_variance))
        return LayerMoments(self.site, self.mean.to(device), self.variance.to(device), self.count, *maps)

    def validate(self) -> None:
        """Raise a ValueError if the statistics are not finite or do not fit together."""
        values = [self.mean, self.variance]
        fits = self.mean.shape == self.variance.shape and self.mean.ndim == 1
        if self.map_mean is not None and self.map_variance is not None:
            values += [self.map_mean, self.map_variance]
            fits = fits and self.map_mean.shape == self.map_variance.shape
            fits = fits and self.map_mean.ndim == 3 and len(self.map_mean) == len(self.mean)
        finite = fits and all(bool(one.isfinite().all()) for one in values)
        if not finite or not bool(self.variance.ge(0).all()):
            raise ValueError(f"statistics of {self.site.name}")


#: Receives an activation and its statistics on faces, on the activation's device.
ActivationCallback = Callable[[Tensor, LayerMoments], None]


@dataclass(frozen=True)
class MeasuredStatistics:
    """What was measured on faces with one network.

    Args:
        layers: Statistics of activations, in the network's order.
        model_sha256: SHA-256 of the network's file, with its output if it has several: its fingerprint.
        model_name: The network's name.
        images: The number of faces that the statistics of activations rest on.
        nearest_neighbours: The faces with their templates; None where they were not kept.
        regression: The linear map from templates to faces; None where there were too few faces.
        faces: Whose faces the statistics of activations rest on.
        template_faces: Whose faces nearest neighbours and regression rest on.
        photographs: Which photographs the faces are of; None where that is not known.
        preprocessing: How the faces were prepared for the network; None where that is not known.
    """

    layers: tuple[LayerMoments, ...]
    model_sha256: str
    model_name: str
    images: int
    nearest_neighbours: NearestNeighbours | None = None
    regression: FaceRegression | None = None
    faces: FaceKind = "public faces"
    template_faces: FaceKind = "public faces"
    photographs: PublicPhotographs | None = None
    preprocessing: Preprocessing | None = None

    def shows_people(self, used: Container[str]) -> bool:
        """Return whether what an attack uses of it is of photographs, which may show attacked people.

        Args:
            used: The kinds that are used, as a plan names them.
        """
        of = {
            "nearest_neighbours": self.template_faces,
            "regression": self.template_faces,
            "decoder_map": self.template_faces,
            "statistics": self.faces,
        }
        return any(kind in used and faces != "synthetic faces" for kind, faces in of.items())

    @property
    def maps(self) -> tuple[LayerMoments, ...]:
        """The layers whose positions were measured."""
        return tuple(layer for layer in self.layers if layer.map_mean is not None)


def statistics_layers(network: nn.Module) -> list[nn.BatchNorm2d]:
    """Return the BatchNorm2d layers of a network that have running statistics."""
    return [
        module
        for module in network.modules()
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None
    ]


def measurable_sites(network: nn.Module, pattern: str | None = None) -> list[tuple[str, Side, nn.Module]]:
    """Return the modules to measure: outputs of convolutions, inputs of LayerNorms.

    Where there are few of them, the outputs of linear layers are measured too.

    Args:
        network: The network.
        pattern: A regular expression; of all these layers, those whose name it is found in are chosen.

    Raises:
        InputError: If there is none.
    """
    modules = list(network.named_modules())
    chosen: list[tuple[str, Side, nn.Module]] = [
        (name, "output" if isinstance(module, nn.Conv2d) else "input", module)
        for name, module in modules
        if isinstance(module, nn.Conv2d | nn.LayerNorm)
    ]
    if len(chosen) < _FEW_LAYERS or pattern is not None:
        chosen += [(name, "output", module) for name, module in modules if isinstance(module, nn.Linear)]
    if pattern is not None:
        try:
            chosen = [entry for entry in chosen if re.search(pattern, entry[0])]
        except re.error as error:
            raise InputError(f"layers: expected a regular expression, got {pattern!r} ({error})") from None
    if not chosen:
        examples = ", ".join(name for name, _ in modules[1:4])
        raise InputError(
            "layers: expected convolutions, LayerNorms or linear layers to measure, found none"
            + (f" that match {pattern!r}; names are such as {examples}" if pattern else "")
        )
    return chosen


def mirrored_moments(mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance of maps and their mirror images together, from those of the maps, (..., w)."""
    other = mean.flip(-1)
    between = ((mean - other) / 2).square()
    return (mean + other) / 2, (variance + variance.flip(-1)) / 2 + between


def observe(
    network: nn.Module, layers: Iterable[LayerMoments], callback: ActivationCallback
) -> list[RemovableHandle]:
    """Call back with the activation at each site of the statistics, in every pass.

    Returns:
        Handles of the hooks; remove them to stop.
    """
    return [
        network.get_submodule(layer.site.name).register_forward_hook(_hook(layer, callback))
        for layer in layers
    ]


def _hook(
    layer: LayerMoments, callback: ActivationCallback
) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
    moved: dict[torch.device, LayerMoments] = {}

    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        activations = inputs[0] if layer.site.side == "input" else output
        device = activations.device
        if device not in moved:
            moved[device] = layer.to(device)
        callback(activations, moved[device])

    return hook
