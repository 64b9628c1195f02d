"""Files of torch.save, read as plain tensors. No code in them is run.

A file is read on the meta device first, which gives the declared sizes, so that a file that declares more
than it holds is refused before the memory is allocated.
"""

import pickle
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError, one_line

#: Packages of the classes that training frameworks store in checkpoints beside the weights. Their content is
#: read into plain dicts; the classes are not imported.
_IGNORED_CLASSES = re.compile(
    r"(pytorch_lightning|lightning|lightning_fabric|argparse|omegaconf|easydict|yacs|ml_collections)\."
)
#: The name of an unknown class in torch's error message.
_UNSUPPORTED = re.compile(r"Unsupported global: GLOBAL ([\w.]+)")
#: Most classes of that kind that a checkpoint may name.
_MAX_IGNORED_CLASSES = 64
#: Deepest nesting of containers in which tensors are searched.
_MAX_DEPTH = 50


class _Ignored(dict[Any, Any]):
    """Stands in for an ignored class: keeps nothing of its state."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        """Drop the state."""


def read_torch_file(path: Path) -> Any:
    """Return the content of a torch file: tensors in plain containers.

    Raises:
        InputError: If it is damaged, of another kind, or could run code when it is loaded.
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
        # A damaged pickle stream may raise anything.
        raise InputError(
            f"{path}: damaged or no torch file ({one_line(error)}); get an intact copy"
        ) from None


def _load_weights_only(path: Path, device: str) -> Any:
    known: list[Any] = []
    for _ in range(_MAX_IGNORED_CLASSES):
        try:
            with torch.serialization.safe_globals(known):
                return torch.load(path, map_location=device, weights_only=True)
        except pickle.UnpicklingError as error:
            name = _UNSUPPORTED.search(str(error))
            if name is None or not _IGNORED_CLASSES.match(name[1]):
                raise
            known.append((_Ignored, name[1]))
    raise pickle.UnpicklingError


def _check_archive(path: Path) -> None:
    """Refuse archives of another format, compressed ones (which may be bombs), and damaged ones."""
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
        raise InputError(f"{path}: damaged torch file ({one_line(error)}); get an intact copy") from None
    if damaged is not None:
        raise InputError(f"{path}: damaged torch file (checksum of {damaged}); get an intact copy")


def torchscript_refusal(path: Path) -> str:
    """Return the error message for a TorchScript file.

    Its code may write files, and torch warns against loading untrusted ones.
    """
    return (
        f"{path}: expected weights or ONNX, got a TorchScript program, which can run code; where you trust "
        f"it, convert it: python -c \"import torch; torch.onnx.export(torch.jit.load('{path.name}'), "
        f"(torch.zeros(2, 3, {ALIGNED_SIZE}, {ALIGNED_SIZE}),), '{path.stem}.onnx', dynamo=False, "
        "dynamic_axes={'x': {0: 'batch'}}, input_names=['x'])\""
    )


def exported_refusal(path: Path) -> str:
    """Return the error message for a torch.export file, which torch.export.load may unpickle."""
    return (
        f"{path}: expected weights or ONNX, got a torch.export program, whose loading can run code; where "
        f'you trust it, convert it: python -c "import torch; '
        f"torch.onnx.export(torch.export.load('{path.name}'), "
        f"f='{path.stem}.onnx', dynamo=True, external_data=False)\" (needs onnxscript)"
    )


def _tensors(value: Any, depth: int = 0) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict | list | tuple) and depth < _MAX_DEPTH:
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item, depth + 1)


def _check_sizes(loaded: Any, path: Path) -> None:
    held = path.stat().st_size
    declared = sum(tensor.numel() * tensor.element_size() for tensor in _tensors(loaded))
    # Tied weights are listed twice, and no sound file lists a tensor more often.
    if declared > 2 * held:
        raise InputError(
            f"{path}: expected tensors as large as the file, got {declared:,} bytes declared in {held:,}; "
            "get an intact copy"
        )
