"""Statistics of a network's activations on public faces, of each channel and of each place.

Networks with folded BatchNorm, GroupNorm, LayerNorm or attention have no running statistics; and no network
says where in a picture an activation belongs. Both are measured on aligned faces without labels, and kept in
a safetensors file:

    NAME/mean, NAME/variance    (channels,) float32, over images, mirror images and places
    NAME/count                  () int64, how many values of each channel they rest on
    NAME/map_mean, NAME/map_deviation
                                (channels, height, width) float16, of each place over images and mirror
                                images, symmetric: the mean less the channel's, and the standard deviation,
                                both in units of the channel's standard deviation; of convolutions whose
                                outputs are 2 to 14 high and wide
    metadata                    format, model_sha256, model_name, images, and layers: a JSON list of
                                {"name", "side", "axis"} in the network's order

NAME is the module's name in the recogniser, `side` whether its input or its output is meant, `axis`
that of the channels. Beside the activations, the file has faces with their templates (nearest_neighbours.py):

    nearest_neighbours/templates, coordinates       as in `NearestNeighbours`, float16

and the map from templates to faces (regression.py), which shows nobody:

    regression/template, coordinates, matrix    as in `FaceRegression`, float16
    regression/count                            () int64

Readers pass over further tensors, and take files without maps, look-alikes or a regression.
"""

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from arcinvert.knowledge.nearest_neighbours import Gathered, NearestNeighbours
from arcinvert.knowledge.regression import FaceRegression, RegressionSums
from recognition.errors import InputError, one_line
from recognition.images import atomic_path
from recognition.recogniser import Recogniser

#: Marks the files; the number rises when old readers would misread new files.
FORMAT = "arcinvert-statistics-2"
#: Faces, about, after which statistics of activations move little; look-alikes and the regression gain by
#: all there are.
ACTIVATION_FACES = 1024
#: The parts of look-alikes in the file.
_NEIGHBOUR_PARTS = ("templates", "coordinates")
#: The parts of the regression in the file.
_REGRESSION = ("template", "coordinates", "matrix")
#: Below this number of convolutions and normalisations the linear layers are measured too.
_FEW_LAYERS = 8
#: Sides of the activations whose places are measured: larger maps say little more and make large files.
_MAP_SIDES = range(2, 15)
#: Keeps a channel that is the same everywhere finite in its own units.
_SMALLEST_DEVIATION = 1e-6
#: What stands before the ending of a statistics file that lies beside its model.
SUFFIX = ".statistics.safetensors"


@dataclass(frozen=True)
class ActivationSite:
    """Where an activation is heard.

    Args:
        name: of the module in the recogniser.
        side: the module's first input, or its output.
        axis: of the channels.
    """

    name: str
    side: Literal["input", "output"]
    axis: int


@dataclass(frozen=True)
class LayerMoments:
    """One activation's statistics on faces.

    Args:
        mean, variance: of each channel, (channels,).
        count: how many values of a channel they rest on.
        map_mean, map_variance: of each place, (channels, h, w), symmetric under mirroring; None where
            they were not measured.
    """

    place: ActivationSite
    mean: Tensor
    variance: Tensor
    count: int
    map_mean: Tensor | None = None
    map_variance: Tensor | None = None

    def to(self, device: torch.device) -> "LayerMoments":
        """The same on a device."""
        maps = (None if one is None else one.to(device) for one in (self.map_mean, self.map_variance))
        return LayerMoments(self.place, self.mean.to(device), self.variance.to(device), self.count, *maps)


#: Is told an activation, and its statistics on faces, on the activation's device.
ActivationCallback = Callable[[Tensor, LayerMoments], None]


@dataclass(frozen=True)
class MeasuredStatistics:
    """All measured activations of one network, in its order, and what tells faces of its templates."""

    layers: tuple[LayerMoments, ...]
    model_sha256: str
    model_name: str
    images: int
    nearest_neighbours: NearestNeighbours | None = None
    regression: FaceRegression | None = None

    @property
    def maps(self) -> tuple[LayerMoments, ...]:
        """The layers whose places were measured."""
        return tuple(layer for layer in self.layers if layer.map_mean is not None)


def spread_axes(activations: Tensor, axis: int) -> tuple[int, ...]:
    """All axes but that of the channels."""
    return tuple(one for one in range(activations.ndim) if one != axis % activations.ndim)


def measurable_sites(
    network: nn.Module, pattern: str | None = None
) -> list[tuple[str, Literal["input", "output"], nn.Module]]:
    """Modules to hear: convolutions' outputs, LayerNorms' inputs; where few, linear layers' outputs too.

    Args:
        pattern: a regular expression; of all these layers, those whose name it is found in.

    Raises:
        InputError: there is none.
    """
    modules = list(network.named_modules())
    chosen: list[tuple[str, Literal["input", "output"], nn.Module]] = [
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


class _Moments:
    """Mean and variance over some axes, gathered batch by batch.

    Source: Chan, Golub and LeVeque, COMPSTAT 1982, for the sums of two parts.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(())
        self.squares = torch.zeros(())

    @property
    def variance(self) -> Tensor:
        return self.squares / self.count

    def add(self, activations: Tensor, axes: tuple[int, ...]) -> None:
        # A batch alone is exact enough in float32; its sums with others are kept in float64.
        moments = torch.var_mean(activations.detach().float(), dim=axes, correction=0)
        variance, mean = (moment.to("cpu", torch.float64) for moment in moments)
        count = activations.numel() // mean.numel()
        total = self.count + count
        difference = mean - self.mean
        self.squares = self.squares + variance * count + difference.square() * (self.count * count / total)
        self.mean = self.mean + difference * (count / total)
        self.count = total


class _Heard:
    """What an activation's channels and, where they are few, its places are like."""

    def __init__(self) -> None:
        self.axis = 1
        self.channels = _Moments()
        self.places = _Moments()

    def add(self, activations: Tensor, module: nn.Module) -> None:
        if self.channels.count == 0:
            self.axis = _channel_axis(activations, module)
        self.channels.add(activations, spread_axes(activations, self.axis))
        maps = isinstance(module, nn.Conv2d) and activations.ndim == 4
        if maps and all(side in _MAP_SIDES for side in activations.shape[2:]):
            self.places.add(activations, (0,))

    def statistics(self, name: str, side: Literal["input", "output"]) -> LayerMoments:
        channels, places = self.channels, self.places
        layer = LayerMoments(
            ActivationSite(name, side, self.axis),
            channels.mean.float(),
            channels.variance.float(),
            channels.count,
        )
        if not places.count:
            return layer
        # A stride does not look at both sides of a picture alike; a pile of faces has no side.
        mean, variance = mirrored_moments(places.mean, places.variance)
        return replace(layer, map_mean=mean.float(), map_variance=variance.float())


def mirrored_moments(mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of some maps and of their mirror images, from those of the maps: each (..., w)."""
    other = mean.flip(-1)
    between = ((mean - other) / 2).square()
    return (mean + other) / 2, (variance + variance.flip(-1)) / 2 + between


def _channel_axis(activations: Tensor, module: nn.Module) -> int:
    if isinstance(module, nn.Conv2d):
        return 1
    if isinstance(module, nn.LayerNorm) and activations.shape[-1] != module.normalized_shape[-1]:
        # Some networks normalise (batch, channels, h, w) over the second axis.
        return 1
    return -1


@torch.no_grad()
def measure(
    recogniser: Recogniser, batches: Iterable[Tensor], *, pattern: str | None = None, keep_faces: bool = True
) -> MeasuredStatistics:
    """Statistics of a frozen recogniser's activations over aligned faces and their mirror images.

    Args:
        batches: images, (batch, 3, h, w) in [0, 1]; activations are heard on about the first
            `ACTIVATION_FACES`; look-alikes and regression are of all.
        pattern: as in `measurable_sites`.
        keep_faces: whether to keep look-alikes, which show people.

    Raises:
        InputError: there is no layer to measure, or no image.
    """
    places = measurable_sites(recogniser, pattern)
    heard = {name: _Heard() for name, _, _ in places}
    images, gathered, sums = 0, Gathered(), RegressionSums()
    with contextlib.ExitStack() as stack:
        for name, side, module in places:
            hooked = module.register_forward_hook(_gather(heard[name], side))
            stack.callback(hooked.remove)
        for batch in batches:
            if images >= ACTIVATION_FACES:
                stack.close()
            else:
                images += len(batch)
            templates, mirrored = recogniser(batch), recogniser(batch.flip(-1))
            if keep_faces:
                gathered.add(templates, mirrored, batch)
            sums.add(F.normalize(templates + mirrored), batch)
    layers = tuple(
        heard[name].statistics(name, side) for name, side, _ in places if heard[name].channels.count
    )
    if not layers:
        raise InputError("statistics: expected at least one image to measure, got none")
    nearest_neighbours = gathered.all() if keep_faces else None
    return MeasuredStatistics(
        layers, recogniser.source.sha256, recogniser.name, images, nearest_neighbours, sums.fit()
    )


def _gather(heard: _Heard, side: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        heard.add(inputs[0] if side == "input" else output, module)

    return hook


def save_statistics(path: str | os.PathLike[str], statistics: MeasuredStatistics) -> None:
    """Write statistics, whole or not at all."""
    tensors: dict[str, Tensor] = {}
    for layer in statistics.layers:
        tensors[f"{layer.place.name}/mean"] = layer.mean.contiguous()
        tensors[f"{layer.place.name}/variance"] = layer.variance.contiguous()
        tensors[f"{layer.place.name}/count"] = torch.tensor(layer.count)
        if layer.map_mean is not None and layer.map_variance is not None:
            mean, deviation = _channel_units(layer)
            tensors[f"{layer.place.name}/map_mean"] = ((layer.map_mean - mean) / deviation).half()
            tensors[f"{layer.place.name}/map_deviation"] = (layer.map_variance.sqrt() / deviation).half()
    metadata = {
        "format": FORMAT,
        "model_sha256": statistics.model_sha256,
        "model_name": statistics.model_name,
        "images": str(statistics.images),
        "layers": json.dumps([asdict(layer.place) for layer in statistics.layers]),
    }
    if statistics.nearest_neighbours is not None:
        tensors |= {
            f"nearest_neighbours/{name}": getattr(statistics.nearest_neighbours, name).half()
            for name in _NEIGHBOUR_PARTS
        }
    if (regression := statistics.regression) is not None:
        tensors |= {f"regression/{name}": getattr(regression, name) for name in _REGRESSION}
        tensors["regression/count"] = torch.tensor(regression.count)
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata)


def _channel_units(layer: LayerMoments) -> tuple[Tensor, Tensor]:
    """A channel's mean and standard deviation, in whose units half precision is enough: (channels, 1, 1)."""
    deviation = layer.variance.sqrt().clamp_min(_SMALLEST_DEVIATION)
    return layer.mean[:, None, None], deviation[:, None, None]


def load_statistics(path: str | os.PathLike[str]) -> MeasuredStatistics:
    """Read what `save_statistics` wrote.

    Raises:
        InputError: the file is something else or is damaged.
    """
    try:
        with safe_open(Path(path), framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise InputError(
                    f"{path}: expected statistics that 'arcinvert calibrate' wrote ({FORMAT}), got others"
                )
            layers = tuple(
                _read_layer(file, ActivationSite(entry["name"], entry["side"], entry["axis"]))
                for entry in json.loads(metadata["layers"])
            )
            images, nearest_neighbours = int(metadata["images"]), None
            parts = [f"nearest_neighbours/{name}" for name in _NEIGHBOUR_PARTS]
            if {*parts} & {*file.keys()}:
                nearest_neighbours = NearestNeighbours(*(file.get_tensor(part) for part in parts))
            regression = _read_regression(file)
    except FileNotFoundError:
        raise InputError(f"{path}: expected a statistics file, found no such file; check the path") from None
    except InputError:
        raise
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: damaged statistics file ({one_line(error)}); calibrate again") from None
    for layer in layers:
        if not _is_sound(layer):
            raise InputError(f"{path}: damaged statistics of {layer.place.name}; calibrate again")
    if nearest_neighbours is not None and not nearest_neighbours.is_valid():
        raise InputError(f"{path}: damaged look-alikes; calibrate again")
    if regression is not None and not regression.is_valid():
        raise InputError(f"{path}: damaged regression; calibrate again")
    named = metadata.get("model_sha256", ""), metadata.get("model_name", "")
    return MeasuredStatistics(layers, *named, images, nearest_neighbours, regression)


def _read_regression(file: Any) -> FaceRegression | None:
    parts = [f"regression/{name}" for name in (*_REGRESSION, "count")]
    if not {*parts} & {*file.keys()}:
        return None
    template, coordinates, matrix, count = (file.get_tensor(part) for part in parts)
    return FaceRegression(template, coordinates, matrix, int(count))


def _read_layer(file: Any, place: ActivationSite) -> LayerMoments:
    layer = LayerMoments(
        place,
        file.get_tensor(f"{place.name}/mean"),
        file.get_tensor(f"{place.name}/variance"),
        int(file.get_tensor(f"{place.name}/count")),
    )
    # One of the two alone is damage, which get_tensor tells.
    if not {f"{place.name}/map_mean", f"{place.name}/map_deviation"} & set(file.keys()):
        return layer
    mean, deviation = _channel_units(layer)
    return replace(
        layer,
        map_mean=file.get_tensor(f"{place.name}/map_mean").float() * deviation + mean,
        map_variance=(file.get_tensor(f"{place.name}/map_deviation").float() * deviation).square(),
    )


def _is_sound(layer: LayerMoments) -> bool:
    values = [layer.mean, layer.variance]
    sound = layer.mean.shape == layer.variance.shape and layer.mean.ndim == 1
    if layer.map_mean is not None and layer.map_variance is not None:
        values += [layer.map_mean, layer.map_variance]
        sound = sound and layer.map_mean.shape == layer.map_variance.shape
        sound = sound and layer.map_mean.ndim == 3 and len(layer.map_mean) == len(layer.mean)
    return sound and all(bool(one.isfinite().all()) for one in values) and bool(layer.variance.ge(0).all())


def statistics_for(recogniser: Recogniser, path: str | os.PathLike[str] | None) -> MeasuredStatistics | None:
    """The statistics to use with a recogniser: those of a file, else those that lie beside its own file.

    Args:
        path: the user's choice; None looks for MODEL.statistics.safetensors.

    Raises:
        InputError: they were measured on another network, or a layer of theirs is not in this one.
    """
    if path is None:
        beside = default_path(recogniser)
        if beside is None or not beside.is_file():
            return None
        path = beside
    statistics = load_statistics(path)
    if statistics.model_sha256 != recogniser.source.sha256:
        raise InputError(
            f"{path}: expected statistics of {recogniser.name} ({recogniser.source.sha256[:12]}), got "
            f"those of {statistics.model_name} ({statistics.model_sha256[:12]}); calibrate this network"
        )
    names = {name for name, _ in recogniser.named_modules()}
    missing = [layer.place.name for layer in statistics.layers if layer.place.name not in names]
    if missing:
        raise InputError(
            f"{path}: expected layers of {recogniser.name}, found no {missing[0]}; calibrate again"
        )
    return statistics


def default_path(recogniser: Recogniser) -> Path | None:
    """Where statistics of a recogniser lie beside its file; None where it is not one file."""
    path = Path(recogniser.source.path)
    return path.with_name(path.name + SUFFIX) if path.is_file() else None


def listen(
    network: nn.Module, layers: Iterable[LayerMoments], hear: ActivationCallback
) -> list[RemovableHandle]:
    """Hooks that let `hear` have the activation at each place of the statistics, in every pass."""
    return [
        network.get_submodule(layer.place.name).register_forward_hook(_report(layer, hear))
        for layer in layers
    ]


def _report(
    layer: LayerMoments, hear: ActivationCallback
) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
    moved: dict[torch.device, LayerMoments] = {}

    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        activations = inputs[0] if layer.place.side == "input" else output
        device = activations.device
        if device not in moved:
            moved[device] = layer.to(device)
        hear(activations, moved[device])

    return hook
