"""The file that 'arcinvert calibrate' writes: what an attacker learns from public faces about one network.

A safetensors file with

    NAME/mean, NAME/variance    (channels,) float32, over images, mirror images and positions
    NAME/count                  () int64, the number of values of each channel that they rest on
    NAME/map_mean, NAME/map_deviation
                                (channels, height, width) float16, of each position over images and mirror
                                images, symmetric: the mean less the channel's, and the standard deviation,
                                both in units of the channel's standard deviation; of convolutions whose
                                outputs are 2 to 14 high and wide
    nearest_neighbours/templates, nearest_neighbours/pca_coefficients
                                float16, see `NearestNeighbours`
    regression/template, regression/pca_coefficients, regression/matrix
                                float16, see `FaceRegression`
    regression/count            () int64
    photographs/salt, photographs/digests, photographs/hashes, photographs/people
                                uint8, see `PublicPhotographs`
    metadata                    format, model_sha256, model_name, images, faces (`public faces` or
                                `synthetic faces`), and layers: a JSON list of {"name", "side", "axis"} in
                                the network's order

NAME is the module's name in the recogniser, `side` whether its input or its output is observed, `axis` that
of the channels. Readers ignore further tensors, and read files without maps, nearest neighbours, a
regression or a list of photographs.
"""

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from arcinvert.knowledge.activation_statistics import (
    ActivationSite,
    FaceKind,
    LayerMoments,
    MeasuredStatistics,
)
from arcinvert.knowledge.nearest_neighbours import NearestNeighbours
from arcinvert.knowledge.prepared import from_metadata, refuse_another, to_metadata
from arcinvert.knowledge.public_photographs import is_of_photographs, photographs_in
from arcinvert.knowledge.regression import FaceRegression
from recognition.checkpoint import check_header, write_safetensors
from recognition.errors import InputError, one_line
from recognition.files import parse_json
from recognition.recogniser import Recogniser
from recognition.source import short_fingerprint

#: The format of the files; the number rises when old readers would misread new files.
FORMAT = "arcinvert-statistics-3"
#: The suffix of a statistics file that lies beside its network.
SUFFIX = ".statistics.safetensors"
_NEIGHBOUR_PARTS = ("templates", "pca_coefficients")
_REGRESSION_PARTS = ("template", "pca_coefficients", "matrix")
#: Keeps a channel that is constant finite in its own units.
_SMALLEST_DEVIATION = 1e-6


def save_statistics(path: str | os.PathLike[str], statistics: MeasuredStatistics) -> None:
    """Write statistics, completely or not at all."""
    tensors: dict[str, Tensor] = {}
    for layer in statistics.layers:
        name = layer.site.name
        tensors[f"{name}/mean"] = layer.mean.contiguous()
        tensors[f"{name}/variance"] = layer.variance.contiguous()
        tensors[f"{name}/count"] = torch.tensor(layer.count)
        if layer.map_mean is not None and layer.map_variance is not None:
            mean, deviation = _channel_units(layer)
            tensors[f"{name}/map_mean"] = ((layer.map_mean - mean) / deviation).half()
            tensors[f"{name}/map_deviation"] = (layer.map_variance.sqrt() / deviation).half()
    if (neighbours := statistics.nearest_neighbours) is not None:
        tensors |= {
            f"nearest_neighbours/{part}": getattr(neighbours, part).half() for part in _NEIGHBOUR_PARTS
        }
    if (regression := statistics.regression) is not None:
        tensors |= {f"regression/{part}": getattr(regression, part) for part in _REGRESSION_PARTS}
        tensors["regression/count"] = torch.tensor(regression.count)
    if statistics.photographs is not None:
        tensors |= statistics.photographs.tensors()
    metadata = {
        "format": FORMAT,
        "model_sha256": statistics.model_sha256,
        "model_name": statistics.model_name,
        "images": str(statistics.images),
        "faces": statistics.faces,
        "layers": json.dumps([asdict(layer.site) for layer in statistics.layers]),
        **to_metadata(statistics.preprocessing),
    }
    write_safetensors(path, tensors, metadata)


def load_statistics(path: str | os.PathLike[str]) -> MeasuredStatistics:
    """Read a file of `save_statistics`.

    Raises:
        InputError: If the file is something else or is damaged.
    """
    check_header(path, "a statistics file")
    try:
        with safe_open(Path(path), framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise InputError(
                    f"{path}: expected a file of 'arcinvert calibrate' ({FORMAT}), got "
                    f"{metadata.get('format', 'another file')!r}; calibrate again"
                )
            return _read(file, metadata)
    except InputError:
        raise
    except Exception as error:
        # Layers and shapes that contradict each other raise whatever torch does.
        raise InputError(f"{path}: damaged statistics file ({one_line(error)}); calibrate again") from None


def _read(file: Any, metadata: dict[str, str]) -> MeasuredStatistics:
    layers = tuple(
        _read_layer(file, ActivationSite(entry["name"], entry["side"], entry["axis"]))
        for entry in parse_json(metadata["layers"])
    )
    neighbours, regression = None, None
    if any(key.startswith("nearest_neighbours/") for key in file.keys()):  # noqa: SIM118  (not a dictionary)
        neighbours = NearestNeighbours(
            *(file.get_tensor(f"nearest_neighbours/{part}") for part in _NEIGHBOUR_PARTS)
        )
        neighbours.validate()
    if any(key.startswith("regression/") for key in file.keys()):  # noqa: SIM118
        template, coefficients, matrix = (file.get_tensor(f"regression/{part}") for part in _REGRESSION_PARTS)
        count = int(file.get_tensor("regression/count"))
        regression = FaceRegression(template, coefficients, matrix, count)
        regression.validate()
    return MeasuredStatistics(
        layers,
        metadata.get("model_sha256", ""),
        metadata.get("model_name", ""),
        int(metadata["images"]),
        neighbours,
        regression,
        _face_kind(metadata),
        _face_kind(metadata),
        photographs_in({key: file.get_tensor(key) for key in filter(is_of_photographs, file.keys())}),
        from_metadata(metadata),
    )


def _face_kind(metadata: dict[str, str]) -> FaceKind:
    return "synthetic faces" if metadata.get("faces") == "synthetic faces" else "public faces"


def _read_layer(file: Any, site: ActivationSite) -> LayerMoments:
    layer = LayerMoments(
        site,
        file.get_tensor(f"{site.name}/mean"),
        file.get_tensor(f"{site.name}/variance"),
        int(file.get_tensor(f"{site.name}/count")),
    )
    # One of the two alone is damage, which get_tensor reports.
    if {f"{site.name}/map_mean", f"{site.name}/map_deviation"} & set(file.keys()):
        mean, deviation = _channel_units(layer)
        layer = replace(
            layer,
            map_mean=file.get_tensor(f"{site.name}/map_mean").float() * deviation + mean,
            map_variance=(file.get_tensor(f"{site.name}/map_deviation").float() * deviation).square(),
        )
    layer.validate()
    return layer


def _channel_units(layer: LayerMoments) -> tuple[Tensor, Tensor]:
    """Return each channel's mean and standard deviation, (c, 1, 1); the units that suit half precision."""
    deviation = layer.variance.sqrt().clamp_min(_SMALLEST_DEVIATION)
    return layer.mean[:, None, None], deviation[:, None, None]


def find_statistics(
    recogniser: Recogniser, path: str | os.PathLike[str] | None = None
) -> MeasuredStatistics | None:
    """Return the statistics of a file, else those of the file that lies beside the recogniser's own.

    Args:
        recogniser: The network that they must have been measured with.
        path: The file; None looks for MODEL.statistics.safetensors, and returns None where there is none.

    Raises:
        InputError: If they were measured with another network or another preprocessing, or one of their
            layers is not in this one.
    """
    if path is None:
        beside = default_path(recogniser)
        if beside is None or not beside.is_file():
            return None
        path = beside
    statistics = load_statistics(path)
    if statistics.model_sha256 != recogniser.source.fingerprint:
        wanted = short_fingerprint(recogniser.source.fingerprint)
        got = short_fingerprint(statistics.model_sha256)
        raise InputError(
            f"{path}: expected statistics of {recogniser.name} ({wanted}), got those of "
            f"{statistics.model_name} ({got}); calibrate this network, with the same --output"
        )
    refuse_another(path, statistics.preprocessing, recogniser, "statistics")
    names = {name for name, _ in recogniser.named_modules()}
    missing = [layer.site.name for layer in statistics.layers if layer.site.name not in names]
    if missing:
        raise InputError(
            f"{path}: expected layers of {recogniser.name}, found no {missing[0]}; calibrate again"
        )
    return statistics


def default_path(recogniser: Recogniser) -> Path | None:
    """Return where statistics of a recogniser lie beside its file; None where it is not one file."""
    path = Path(recogniser.source.path)
    return path.with_name(path.name + SUFFIX) if path.is_file() else None
