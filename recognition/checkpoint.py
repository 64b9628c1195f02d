"""Files of the networks that this project trains: safetensors with metadata."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from recognition.backbones import build_backbone
from recognition.errors import InputError, one_line
from recognition.images import atomic_path
from recognition.recogniser import Preprocessing, Recogniser, Source

#: Format of these files; the number rises when older readers would misread newer files.
FORMAT = "arcinvert-recogniser-1"


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_recogniser(
    path: str | os.PathLike[str],
    recogniser: Recogniser,
    *,
    extra: dict[str, Tensor] | None = None,
    notes: dict[str, Any] | None = None,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Write a network, completely or not at all.

    Args:
        path: The file, with the ending .safetensors.
        recogniser: A network whose `source.architecture` is what `build_backbone` takes.
        extra: Further tensors by name, such as the mean aligned face.
        notes: Further facts as JSON values, such as training options and results.
        dtype: Type of the stored weights; half precision changes similarities by less than 1e-3.

    Raises:
        InputError: If a weight is not finite or the file cannot be written.
    """
    tensors = {f"backbone.{key}": value for key, value in recogniser.backbone.state_dict().items()}
    if recogniser.centres is not None:
        tensors["centres"] = recogniser.centres
    tensors |= {f"extra.{key}": value for key, value in (extra or {}).items()}
    stored = {
        key: (value.to(dtype) if value.is_floating_point() else value).cpu().contiguous()
        for key, value in tensors.items()
    }
    if not all(value.isfinite().all() for value in stored.values()):
        raise InputError(
            f"{path}: expected finite weights that {dtype} can hold, got others: the training diverged; "
            "lower --learning-rate or --scale (what was saved before is kept)"
        )
    preprocessing = recogniser.preprocessing
    metadata = {
        "format": FORMAT,
        "name": recogniser.name,
        "architecture": json.dumps(recogniser.source.architecture),
        "preprocessing": json.dumps(vars(preprocessing)),
        "class_names": json.dumps(recogniser.class_names),
        "scale": repr(recogniser.scale),
        "margin": repr(recogniser.margin),
        "notes": json.dumps(notes or {}),
    }
    with atomic_path(path) as temporary:
        try:
            save_file(stored, temporary, metadata)
        except SafetensorError as error:
            raise InputError(
                f"{path}: cannot be written ({one_line(error)}); free some space or choose another folder"
            ) from None


def load_recogniser(path: str | os.PathLike[str]) -> Recogniser:
    """Return a network that `save_recogniser` wrote, frozen and in float32.

    Raises:
        InputError: If the file is of another kind or damaged, or its tensors do not fit.
    """
    tensors, metadata = _read_safetensors(path)
    if metadata.get("format") != FORMAT:
        raise InputError(
            f"{path}: expected a network that arcinvert saved ({FORMAT}), got other safetensors; "
            "for an arcface_torch backbone give its .pt or .pth file"
        )
    try:
        architecture = json.loads(metadata["architecture"])
        options = dict(architecture)
        # Takes no memory until the file's tensors are assigned, whatever size the file declares.
        with torch.device("meta"):
            backbone = build_backbone(options.pop("network"), **options)
        preprocessing = Preprocessing(**json.loads(metadata["preprocessing"]))
        class_names = json.loads(metadata["class_names"])
        scale, margin = float(metadata["scale"]), float(metadata["margin"])
        state = {
            key.removeprefix("backbone."): value
            for key, value in tensors.items()
            if key.startswith("backbone.")
        }
        backbone.load_state_dict(state, assign=True)
        centres = tensors.get("centres")
        if centres is not None and centres.shape[1:] != (options["embedding_size"],):
            raise ValueError(f"centres of shape {tuple(centres.shape)}")
        if class_names is not None and (centres is None or len(class_names) != len(centres)):
            raise ValueError("as many class names as centres expected")
        name = metadata["name"]
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{path}: damaged network file ({one_line(error)}); get an intact copy") from None
    return Recogniser(
        backbone,
        name=name,
        preprocessing=preprocessing,
        centres=centres,
        class_names=tuple(class_names) if class_names else None,
        scale=scale,
        margin=margin,
        source=Source(str(path), sha256(path), architecture, FORMAT, "saved with the network"),
    ).freeze()


def load_extra(path: str | os.PathLike[str], key: str) -> Tensor:
    """Return a tensor that `save_recogniser` stored as `extra`, in float32.

    Raises:
        InputError: If the file has no such tensor.
    """
    tensors, _ = _read_safetensors(path)
    if f"extra.{key}" not in tensors:
        raise InputError(f"{path}: expected a tensor {key!r} in it, found none; train or save it anew")
    return tensors[f"extra.{key}"]


def load_notes(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the `notes` that `save_recogniser` stored.

    Raises:
        InputError: If the file does not exist or is damaged.
    """
    return dict(json.loads(_read_safetensors(path)[1].get("notes", "{}")))


def _read_safetensors(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(Path(path), framework="pt") as file:
            tensors = {key: _widen(file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except FileNotFoundError:
        raise InputError(f"{path}: expected a model file, found no such file; check the path") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"{path}: damaged safetensors file ({one_line(error)}); get an intact copy"
        ) from None


def _widen(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
