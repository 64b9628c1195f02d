"""Statistics of a network's activations on public faces, for networks that carry none of their own.

Networks with folded BatchNorm, GroupNorm, LayerNorm or attention have no running statistics. What
training would have left in them is measured instead, on aligned faces without labels, and kept in a
safetensors file:

    NAME/mean, NAME/variance    (channels,) float32, over images, mirror images and places
    NAME/count                  () int64, how many values of each channel they rest on
    metadata                    format, model_sha256, model_name, images, and layers: a JSON list of
                                {"name", "side", "axis"} in the network's order

NAME is the module's name in the recogniser, `side` whether its input or its output is meant, `axis`
that of the channels. Beside the activations, the file has what a template tells of its face (regression.py):

    regression/mean, weights, intercept     as in `FaceRegression`
    metadata                                regression_faces

Readers pass over further tensors, such as NAME/map_mean and NAME/map_variance of
each place, (channels, height, width).
"""

import contextlib
import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from arcinvert.regression import FaceRegression, RegressionFit
from recognition.errors import InputError, one_line
from recognition.images import atomic_path
from recognition.recogniser import Recogniser

#: Is told an activation, the axis of its channels, and their mean and variance on faces.
Hearer = Callable[[Tensor, int, Tensor, Tensor], None]
#: Marks the files; the number rises when old readers would misread new files.
FORMAT = "arcinvert-statistics-1"
#: The parts of a regression in the file.
_REGRESSION = ("mean", "weights", "intercept")
#: Below this number of convolutions and normalisations the linear layers are measured too.
_FEW_LAYERS = 8
#: What stands before the ending of a statistics file that lies beside its model.
SUFFIX = ".statistics.safetensors"


@dataclass(frozen=True)
class Place:
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
    """One activation's statistics: mean and variance, each (channels,), and how many values they rest on."""

    place: Place
    mean: Tensor
    variance: Tensor
    count: int


@dataclass(frozen=True)
class MeasuredStatistics:
    """All measured activations of one network, in its order, and how faces follow from its templates."""

    layers: tuple[LayerMoments, ...]
    model_sha256: str
    model_name: str
    images: int
    regression: FaceRegression | None = None


def spread_axes(activations: Tensor, axis: int) -> tuple[int, ...]:
    """All axes but that of the channels."""
    return tuple(one for one in range(activations.ndim) if one != axis % activations.ndim)


def measurable_places(
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
    """Mean and variance of each channel, gathered batch by batch.

    Source: Chan, Golub and LeVeque, COMPSTAT 1982, for the sums of two parts.
    """

    def __init__(self) -> None:
        self.axis = 1
        self.count = 0
        self.mean = torch.zeros(())
        self.squares = torch.zeros(())

    def add(self, activations: Tensor, module: nn.Module) -> None:
        if self.count == 0:
            self.axis = _channel_axis(activations, module)
        axes = spread_axes(activations, self.axis)
        # A batch alone is exact enough in float32; its sums with others are kept in float64.
        moments = torch.var_mean(activations.detach().float(), dim=axes, correction=0)
        variance, mean = (moment.to("cpu", torch.float64) for moment in moments)
        count = activations.numel() // mean.numel()
        total = self.count + count
        difference = mean - self.mean
        self.squares = self.squares + variance * count + difference.square() * (self.count * count / total)
        self.mean = self.mean + difference * (count / total)
        self.count = total


def _channel_axis(activations: Tensor, module: nn.Module) -> int:
    if isinstance(module, nn.Conv2d):
        return 1
    if isinstance(module, nn.LayerNorm) and activations.shape[-1] != module.normalized_shape[-1]:
        # Some networks normalise (batch, channels, h, w) over the second axis.
        return 1
    return -1


@torch.no_grad()
def measure(
    recogniser: Recogniser, batches: Iterable[Tensor], *, pattern: str | None = None
) -> MeasuredStatistics:
    """Statistics of a frozen recogniser's activations over aligned faces and their mirror images.

    Args:
        batches: images, (batch, 3, h, w) in [0, 1].
        pattern: as in `measurable_places`.

    Raises:
        InputError: there is no layer to measure, or no image.
    """
    places = measurable_places(recogniser, pattern)
    moments = {name: _Moments() for name, _, _ in places}
    images, fit = 0, RegressionFit()
    with contextlib.ExitStack() as stack:
        for name, side, module in places:
            hooked = module.register_forward_hook(_gather(moments[name], side))
            stack.callback(hooked.remove)
        for batch in batches:
            for faces in (batch, batch.flip(-1)):
                fit.add(recogniser(faces), faces)
            images += len(batch)
    heard = [(name, side) for name, side, _ in places if moments[name].count]
    if not heard:
        raise InputError("statistics: expected at least one image to measure, got none")
    layers = tuple(
        LayerMoments(
            Place(name, side, moments[name].axis),
            moments[name].mean.float(),
            (moments[name].squares / moments[name].count).float(),
            moments[name].count,
        )
        for name, side in heard
    )
    return MeasuredStatistics(layers, recogniser.source.sha256, recogniser.name, images, fit.solve())


def _gather(moments: _Moments, side: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        moments.add(inputs[0] if side == "input" else output, module)

    return hook


def save_statistics(path: str | os.PathLike[str], statistics: MeasuredStatistics) -> None:
    """Write statistics, whole or not at all."""
    tensors: dict[str, Tensor] = {}
    for layer in statistics.layers:
        tensors[f"{layer.place.name}/mean"] = layer.mean.contiguous()
        tensors[f"{layer.place.name}/variance"] = layer.variance.contiguous()
        tensors[f"{layer.place.name}/count"] = torch.tensor(layer.count)
    metadata = {
        "format": FORMAT,
        "model_sha256": statistics.model_sha256,
        "model_name": statistics.model_name,
        "images": str(statistics.images),
        "layers": json.dumps([asdict(layer.place) for layer in statistics.layers]),
    }
    if statistics.regression is not None:
        tensors |= {
            f"regression/{name}": getattr(statistics.regression, name).contiguous() for name in _REGRESSION
        }
        metadata["regression_faces"] = str(statistics.regression.faces)
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata)


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
                LayerMoments(
                    place := Place(entry["name"], entry["side"], entry["axis"]),
                    file.get_tensor(f"{place.name}/mean"),
                    file.get_tensor(f"{place.name}/variance"),
                    int(file.get_tensor(f"{place.name}/count")),
                )
                for entry in json.loads(metadata["layers"])
            )
            images, regression = int(metadata["images"]), None
            if "regression_faces" in metadata:
                parts = {name: file.get_tensor(f"regression/{name}").float() for name in _REGRESSION}
                regression = FaceRegression(**parts, faces=int(metadata["regression_faces"]))
    except FileNotFoundError:
        raise InputError(f"{path}: expected a statistics file, found no such file; check the path") from None
    except InputError:
        raise
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: damaged statistics file ({one_line(error)}); calibrate again") from None
    for layer in layers:
        sound = layer.mean.shape == layer.variance.shape and layer.mean.ndim == 1
        if not sound or not (layer.mean.isfinite().all() and layer.variance.ge(0).all()):
            raise InputError(f"{path}: damaged statistics of {layer.place.name}; calibrate again")
    if regression is not None and not regression.is_sound():
        raise InputError(f"{path}: damaged regression; calibrate again")
    return MeasuredStatistics(
        layers, metadata.get("model_sha256", ""), metadata.get("model_name", ""), images, regression
    )


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


def listen(network: nn.Module, statistics: MeasuredStatistics, hear: Hearer) -> list[RemovableHandle]:
    """Hooks that let `hear` have the activation at each place of the statistics, in every pass."""
    return [
        network.get_submodule(layer.place.name).register_forward_hook(_report(layer, hear))
        for layer in statistics.layers
    ]


def _report(layer: LayerMoments, hear: Hearer) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
    moved: dict[torch.device, tuple[Tensor, Tensor]] = {}

    def hook(module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        activations = inputs[0] if layer.place.side == "input" else output
        device = activations.device
        if device not in moved:
            moved[device] = (layer.mean.to(device), layer.variance.to(device))
        hear(activations, layer.place.axis, *moved[device])

    return hook
