"""Files of torch.save, read as plain tensors: nothing in them is ever run.

A first reading on the meta device tells the declared sizes, so that a file that declares more than
it holds is refused before memory is asked for.
"""

import pickle
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recognition.errors import InputError, one_line

#: Keys below which other projects keep a backbone's state dict.
_WRAPPERS = ("state_dict_backbone", "state_dict", "model", "backbone", "model_state_dict", "net")
#: Prefixes that parallel wrappers and training frameworks put before every name.
_PREFIXES = ("module.", "backbone.", "model.", "_orig_mod.", "net.", "encoder.", "features_extractor.")
#: Before the names of a head that was trained along.
_HEAD = "head."
#: Beginnings of the classes that training frameworks leave in checkpoints beside the weights: their
#: content is read into plain dicts, never into the classes.
_BYSTANDERS = re.compile(
    r"(pytorch_lightning|lightning|lightning_fabric|argparse|omegaconf|easydict|yacs|ml_collections)\."
)
#: The name of an unknown class in torch's refusal.
_UNSUPPORTED = re.compile(r"Unsupported global: GLOBAL ([\w.]+)")
#: How many such classes a checkpoint may name.
_MAX_BYSTANDERS = 64


class _Inert(dict[Any, Any]):
    """Stands for a bystander's class: keeps nothing of its state, does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        """State is dropped."""


def read_torch_file(path: Path) -> Any:
    """The content of a torch file: tensors in plain containers.

    Raises:
        InputError: it is damaged, is something else, or its loading could run code.
    """
    _check_archive(path)
    try:
        shapes = _load_weights_only(path, "meta")
        _check_sizes(shapes, path)
        return _load_weights_only(path, "cpu")
    except InputError:
        raise
    except pickle.UnpicklingError:
        raise InputError(
            f"{path}: expected plain tensors, got a file whose loading could run code (or no torch file); "
            "save its state_dict() alone, or convert it to safetensors where you trust it"
        ) from None
    except Exception as error:
        # A damaged pickle stream may raise anything the unpickler's tables do.
        raise InputError(f"{path}: damaged or no torch file ({one_line(error)}); get a whole copy") from None


def _load_weights_only(path: Path, device: str) -> Any:
    known: list[Any] = []
    for _ in range(_MAX_BYSTANDERS):
        try:
            with torch.serialization.safe_globals(known):
                return torch.load(path, map_location=device, weights_only=True)
        except pickle.UnpicklingError as error:
            name = _UNSUPPORTED.search(str(error))
            if name is None or not _BYSTANDERS.match(name[1]):
                raise
            known.append((_Inert, name[1]))
    raise pickle.UnpicklingError


def _check_archive(path: Path) -> None:
    """Refuse archives that are another format, are compressed (a bomb), or fail their checksums."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
                raise InputError(torchscript_refusal(path))
            if any("/models/" in name and name.endswith(".json") for name in names):
                raise InputError(exported_refusal(path))
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise InputError(f"{path}: expected a torch file, got a compressed archive; save it anew")
            damaged = archive.testzip()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: damaged torch file ({one_line(error)}); get a whole copy") from None
    if damaged is not None:
        raise InputError(f"{path}: damaged torch file (checksum of {damaged}); get a whole copy")


def torchscript_refusal(path: Path) -> str:
    """What is said of a TorchScript file: its code may write files, and torch warns of strangers' ones."""
    return (
        f"{path}: expected weights or ONNX, got a TorchScript program, which can run code; where you trust "
        f"it, convert it: python -c \"import torch; torch.onnx.export(torch.jit.load('{path.name}'), "
        f"(torch.zeros(2, 3, 112, 112),), '{path.stem}.onnx', dynamo=False, "
        "dynamic_axes={'x': {0: 'batch'}}, input_names=['x'])\""
    )


def exported_refusal(path: Path) -> str:
    """What is said of a torch.export file: torch.export.load falls back to unpickling what is in it."""
    return (
        f"{path}: expected weights or ONNX, got a torch.export program, whose loading can run code; where "
        f'you trust it, convert it: python -c "import torch; '
        f"torch.onnx.export(torch.export.load('{path.name}'), "
        f"f='{path.stem}.onnx', dynamo=True, external_data=False)\" (needs onnxscript)"
    )


def _tensors(value: Any, depth: int = 0) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict | list | tuple) and depth < 50:
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item, depth + 1)


def _check_sizes(loaded: Any, path: Path) -> None:
    held = path.stat().st_size
    declared = sum(tensor.numel() * tensor.element_size() for tensor in _tensors(loaded))
    # Tied weights are listed twice; nothing honest is listed more often than that.
    if declared > 2 * held:
        raise InputError(
            f"{path}: expected tensors as large as the file, got {declared:,} bytes declared in {held:,}; "
            "get a whole copy"
        )


def unwrap(loaded: Any, path: Path) -> dict[str, Tensor]:
    """The state dict within what a torch file held: without wrappers and prefixes, in float32.

    Raises:
        InputError: it is none.
    """
    for _ in range(2):
        key = next(
            (k for k in _WRAPPERS if isinstance(loaded, dict) and isinstance(loaded.get(k), dict)), None
        )
        if key is None:
            break
        loaded = loaded[key]
    if not isinstance(loaded, dict) or not loaded:
        raise InputError(f"{path}: expected a state dict, got {type(loaded).__name__}")
    if not all(isinstance(key, str) and isinstance(value, Tensor) for key, value in loaded.items()):
        raise InputError(f"{path}: expected a state dict of named tensors, got other values in it")
    if any(value.layout != torch.strided or value.is_quantized for value in loaded.values()):
        raise InputError(f"{path}: expected dense tensors, got sparse or quantised ones; export it to ONNX")
    return {key: value.float() if value.is_floating_point() else value for key, value in loaded.items()}


def without_prefixes(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same without the prefixes that all names share, but for those of a training's head."""
    while own := [key for key in state if not key.startswith(_HEAD)]:
        prefix = next((p for p in _PREFIXES if all(key.startswith(p) for key in own)), None)
        if prefix is None:
            break
        state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state
