"""Files of the networks that this project trains: safetensors with metadata."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from recognition.backbones import build_backbone
from recognition.backbones.undrawn import undrawn_weights
from recognition.errors import InputError, one_line
from recognition.files import MAX_WEIGHTS, open_regular, parse_json
from recognition.images import atomic_path
from recognition.recogniser import MAX_INPUT_SIZE, Preprocessing, Recogniser
from recognition.source import Source
from recognition.subcentres import SubCentres, subcentres_of_centres

#: Format of these files; the number rises when older readers would misread newer files.
FORMAT = "arcinvert-recogniser-1"
#: Longest header in bytes: 10,000 tensors, and the names of a million classes, take half of it.
MAX_HEADER = 32 << 20


def sha256(path: str | os.PathLike[str]) -> str:
    """Return the hexadecimal SHA-256 of a regular file.

    Raises:
        InputError: If it cannot be read or is not a regular file.
    """
    with open_regular(path, "a file") as file:
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
        "class_photographs": json.dumps(recogniser.class_photographs),
        "scale": repr(recogniser.scale),
        "margin": repr(recogniser.margin),
        "notes": json.dumps(notes or {}),
    }
    write_safetensors(path, stored, metadata)


def load_recogniser(path: str | os.PathLike[str]) -> Recogniser:
    """Return a network that `save_recogniser` wrote, frozen and in float32.

    Raises:
        InputError: If the file is of another kind or damaged, or its tensors do not fit.
    """
    tensors, metadata = _read(path)
    if metadata.get("format") != FORMAT:
        raise InputError(
            f"{path}: expected a network that arcinvert saved ({FORMAT}), got other safetensors; "
            "for an arcface_torch backbone give its .pt or .pth file"
        )
    try:
        recogniser = _build(tensors, metadata)
    except Exception as error:
        # Architectures and shapes that contradict each other raise whatever torch does.
        raise InputError(f"{path}: damaged network file ({one_line(error)}); get an intact copy") from None
    recogniser.source = Source(
        str(path), sha256(path), recogniser.source.architecture, FORMAT, "saved with the network"
    )
    return recogniser.freeze()


def _build(tensors: dict[str, Tensor], metadata: dict[str, str]) -> Recogniser:
    architecture = dict(parse_json(metadata["architecture"]))
    options = dict(architecture)
    # Takes no memory until the file's tensors are assigned, whatever size the file declares.
    with undrawn_weights():
        backbone = build_backbone(options.pop("network"), **options)
    preprocessing = Preprocessing(**parse_json(metadata["preprocessing"]))
    if preprocessing.input_size > MAX_INPUT_SIZE:
        raise ValueError(f"input of {preprocessing.input_size} pixels a side, at most {MAX_INPUT_SIZE}")
    state = {
        key.removeprefix("backbone."): value for key, value in tensors.items() if key.startswith("backbone.")
    }
    backbone.load_state_dict(state, assign=True)
    centres = tensors.get("centres")
    if centres is not None and centres.shape[1:] != (options["embedding_size"],):
        raise ValueError(f"centres of shape {tuple(centres.shape)}")
    subcentres = _subcentres(tensors.get("extra.subcentres"), centres)
    class_names = parse_json(metadata["class_names"])
    if class_names is not None:
        if not isinstance(class_names, list) or not all(isinstance(name, str) for name in class_names):
            raise ValueError("a list of class names expected")
        if centres is None or len(class_names) != len(centres):
            raise ValueError("as many class names as centres expected")
    photographs = parse_json(metadata.get("class_photographs", "null"))
    if photographs is not None and not isinstance(photographs, list):
        raise ValueError("a list of numbers of photographs expected")
    return Recogniser(
        backbone,
        name=metadata["name"],
        preprocessing=preprocessing,
        centres=centres,
        subcentres=subcentres,
        class_names=tuple(class_names) if class_names else None,
        class_photographs=tuple(photographs) if photographs else None,
        scale=float(metadata["scale"]),
        margin=float(metadata["margin"]),
        source=Source(architecture=architecture),
    )


def _subcentres(stored: Tensor | None, centres: Tensor | None) -> SubCentres | None:
    """Return the sub-centres of a file; None if its classes have one centre each."""
    if stored is None or centres is None or stored.shape[1:2] == (1,):
        return None
    if stored.ndim != 3 or stored[:, 0].shape != centres.shape:
        raise ValueError(f"sub-centres of shape {tuple(stored.shape)}")
    return subcentres_of_centres(stored, centres)


def load_extra(path: str | os.PathLike[str], key: str) -> Tensor:
    """Return a tensor that `save_recogniser` stored as `extra`, in float32.

    Raises:
        InputError: If the file has no such tensor.
    """
    tensors, _ = _read(path)
    if f"extra.{key}" not in tensors:
        raise InputError(f"{path}: expected a tensor {key!r} in it, found none; train or save it anew")
    return tensors[f"extra.{key}"]


def has_extra(path: str | os.PathLike[str], key: str) -> bool:
    """Return whether `save_recogniser` stored a tensor of this name as `extra`.

    Raises:
        InputError: If the file does not exist or is damaged.
    """
    return f"extra.{key}" in _read(path)[0]


def load_notes(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return the `notes` that `save_recogniser` stored.

    Raises:
        InputError: If the file does not exist or is damaged.
    """
    try:
        return dict(parse_json(_read(path)[1].get("notes", "{}")))
    except (ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: damaged notes ({one_line(error)}); get an intact copy") from None


def load_split(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Return whom a training held out and which photographs it reserved; empty for a file of another origin.

    Raises:
        InputError: If it is a .safetensors file that does not exist or is damaged.
    """
    if not os.fspath(path).endswith(".safetensors"):
        return {}
    return dict(load_notes(path).get("split", {}))


def write_safetensors(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None
) -> None:
    """Write tensors as safetensors, whole or not at all.

    The library's own writer makes a temporary file beside the given one, which a killed process leaves behind
    and which only its owner can read, so the bytes are written here.

    Args:
        path: The file to write.
        tensors: The tensors by their names.
        metadata: Texts by their names.

    Raises:
        InputError: If the folder cannot be written or the disk is full.
    """
    content = save(dict(tensors), None if metadata is None else dict(metadata))
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def read_safetensors(
    path: str | os.PathLike[str], what: str = "a model file"
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a .safetensors file.

    Args:
        path: The file.
        what: What error messages call it.

    Raises:
        InputError: If there is no such file, or it is damaged or of another kind.
    """
    check_header(path, what)
    try:
        with safe_open(Path(path), framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            return tensors, file.metadata() or {}
    except Exception as error:
        # Shapes and types that contradict each other raise what torch does.
        raise InputError(
            f"{path}: damaged safetensors file ({one_line(error)}); get an intact copy"
        ) from None


def check_header(path: str | os.PathLike[str], what: str) -> None:
    """Check the size of a .safetensors file's header before the header is read.

    Raises:
        InputError: If there is no such file, it is not a regular one, or the header is longer than
            `MAX_HEADER` bytes.
    """
    with open_regular(path, what, MAX_WEIGHTS) as file:
        length = int.from_bytes(file.read(8), "little")
    if length > MAX_HEADER:
        raise InputError(
            f"{path}: damaged safetensors file (a header of {length:,} bytes, at most {MAX_HEADER:,}); "
            "get an intact copy"
        )


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    tensors, metadata = read_safetensors(path)
    return {key: _widen(value) for key, value in tensors.items()}, metadata


def _widen(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
