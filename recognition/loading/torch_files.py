"""Files of torch.save, written, and read as plain tensors. No code in them is run.

The classes and functions that the pickle names are checked before it is loaded: torch's own list of safe ones
has some that allocate any size at once. Then a file is read on the meta device, which gives the declared
sizes, so that a file that declares more than it holds is refused before the memory is allocated.
"""

import pickle
import pickletools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from recognition.errors import InputError, is_out_of_memory, one_line
from recognition.files import MAX_WEIGHTS, check_regular, open_regular
from recognition.images import atomic_path
from recognition.loading.conversions import (
    compressed,
    dense_refusal,
    exported_refusal,
    pickle_refusal,
    torchscript_refusal,
)
from recognition.loading.numpy_scalars import NAMES, STAND_INS, EncodeCheck

#: Packages of the classes that training frameworks store in checkpoints beside the weights. Their content is
#: read into plain dicts; the classes are not imported.
_IGNORED_CLASSES = re.compile(
    r"(pytorch_lightning|lightning|lightning_fabric|argparse|pathlib|omegaconf|easydict|yacs|ml_collections)\."
)
#: The name of an unknown class in torch's error message.
_UNSUPPORTED = re.compile(r"Unsupported global: GLOBAL ([\w.]+)")
#: Most classes of that kind that a checkpoint may name.
_MAX_IGNORED_CLASSES = 64
#: Classes and functions that tensors in plain containers need. torch allows more, such as `bytearray` and
#: `FloatTensor`, which allocate as much as a number in the file says.
_NEEDED = re.compile(
    r"collections (OrderedDict|Counter|defaultdict)|__builtin__ set|builtins set"
    r"|torch\._utils _rebuild_(tensor(_v[23])?|parameter(_with_state)?)"
    r"|torch\._tensor _rebuild_from_type_v2|torch\.nn\.parameter Parameter|torch\.serialization _get_layout"
    r"|torch (Size|device|per_(tensor|channel)_\w+|b?float\w*|u?int\w*|complex\w*|q\w+|bool|\w+Storage)"
    r"|torch\.storage \w+Storage"
)
#: Functions that quantised and sparse tensors need.
_NOT_DENSE = re.compile(r"torch\._utils _rebuild_(qtensor|sparse\w*)")
#: Most operations of a file's pickles; the checkpoint of a training of IResNet-200 has 100,000.
_MAX_OPERATIONS = 2_000_000
#: The first bytes of an archive. Source: PKWARE's APPNOTE.TXT.
_ARCHIVE = b"PK\x03\x04"
#: Most members of an archive; IResNet-200's has 2,000.
_MAX_MEMBERS = 50_000
#: Pickles of a file of torch's older format: magic number, version, system, content, keys of the tensors.
_LEGACY_PICKLES = 5
#: Deepest nesting of containers in which tensors are searched.
_MAX_DEPTH = 50


class _Ignored(dict[Any, Any]):
    """Stands in for an ignored class: keeps nothing of its state."""

    def __init__(self, *_: Any, **__: Any) -> None:
        super().__init__()

    def __setstate__(self, state: Any) -> None:
        """Drop the state."""


def write_torch_file(path: Path, content: Any) -> None:
    """Write a file of torch.save, whole or not at all.

    Raises:
        InputError: If it cannot be written.
    """
    with atomic_path(path) as temporary:
        try:
            torch.save(content, temporary)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            # torch raises nothing more specific when the disk is full.
            raise InputError(
                f"{path}: cannot be written ({one_line(error)}); free some space and run the command again"
            ) from None


def read_torch_file(path: Path, largest: int = MAX_WEIGHTS) -> Any:
    """Return the content of a torch file: tensors in plain containers.

    Args:
        path: The file.
        largest: Most bytes that it may have.

    Raises:
        InputError: If it is damaged, of another kind, or could run code when it is loaded.
    """
    check_regular(path, "a torch file", largest)
    archive = _check_archive(path)
    try:
        _check_names(path, archive=archive)
        shapes = _load_weights_only(path, "meta")
        _check_sizes(shapes, path)
        return _load_weights_only(path, "cpu")
    except InputError:
        raise
    except pickle.UnpicklingError:
        raise InputError(pickle_refusal(path)) from None
    except Exception as error:
        # A damaged pickle stream may raise anything.
        raise InputError(
            f"{path}: damaged or no torch file ({one_line(error)}); get an intact copy"
        ) from None


def _load_weights_only(path: Path, device: str) -> Any:
    known: list[Any] = [*STAND_INS]
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


def _check_archive(path: Path) -> bool:
    """Refuse archives of another format, compressed ones (which may be bombs), and damaged ones.

    Returns:
        Whether the file is an archive; torch's older format is none.
    """
    with open_regular(path, "a torch file") as file:
        begins_as_archive = file.read(4) == _ARCHIVE
    if not begins_as_archive:
        # torch decides by the first bytes, zipfile by the last.
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            if len(entries) > _MAX_MEMBERS:
                raise InputError(
                    f"{path}: expected a torch file of at most {_MAX_MEMBERS:,} members, got {len(entries):,}"
                )
            _check_members(path, names)
            if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
                raise InputError(
                    f"{path}: expected a torch file, got a compressed archive; save it anew: "
                    f"{compressed(path)}"
                )
            # Members that overlap hold more than the file, and would be read again and again.
            if (held := sum(entry.file_size for entry in entries)) > path.stat().st_size:
                raise InputError(
                    f"{path}: damaged torch file (members of {held:,} bytes overlap); get an intact copy"
                )
            damaged = archive.testzip()
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: damaged torch file ({one_line(error)}); get an intact copy") from None
    if damaged is not None:
        raise InputError(f"{path}: damaged torch file (checksum of {damaged}); get an intact copy")
    return True


def _check_members(path: Path, names: list[str]) -> None:
    """Refuse archives of another format, by the names in them."""
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        raise InputError(torchscript_refusal(path))
    if any("/models/" in name and name.endswith(".json") for name in names):
        raise InputError(exported_refusal(path))
    if not any(name.endswith("/data.pkl") for name in names):
        listed = ", ".join(repr(name[:60]) for name in names[:4]) or "none"
        raise InputError(
            f"{path}: expected a torch file, got an archive of other files ({listed}); unpack it, and give "
            "the file in it"
        )


def _check_names(path: Path, *, archive: bool) -> None:
    """Refuse pickles that name other classes and functions than tensors need, or are endless."""
    if archive:
        with zipfile.ZipFile(path) as opened:
            for name in opened.namelist():
                if name.rpartition("/")[2] == "data.pkl":
                    with opened.open(name) as file:
                        _check_pickles(file, 1, path)
    else:
        with open_regular(path, "a torch file") as file:
            _check_pickles(file, _LEGACY_PICKLES, path)


def _check_pickles(file: IO[bytes], count: int, path: Path) -> None:
    operations = 0
    for _ in range(count):
        encodes = EncodeCheck()
        for operation, argument, _ in pickletools.genops(file):
            operations += 1
            if operations > _MAX_OPERATIONS:
                raise InputError(
                    f"{path}: expected a torch file of at most {_MAX_OPERATIONS:,} operations, got more"
                )
            encodes.follow(operation.name, argument)
            if operation.name == "GLOBAL" and _NOT_DENSE.fullmatch(str(argument)):
                raise InputError(dense_refusal(path))
            if operation.name != "GLOBAL" or _NEEDED.fullmatch(str(argument)):
                continue
            name = str(argument).replace(" ", ".")
            if name not in NAMES and not _IGNORED_CLASSES.match(name):
                raise pickle.UnpicklingError


def _tensors(value: Any, seen: set[int], depth: int = 0) -> Iterator[Tensor]:
    """Yield the tensors in nested containers, those of each container once."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict | list | tuple) and depth < _MAX_DEPTH and id(value) not in seen:
        # A few bytes can list one container in another ten times, fifty levels deep.
        seen.add(id(value))
        for item in value.values() if isinstance(value, dict) else value:
            yield from _tensors(item, seen, depth + 1)


def _check_sizes(loaded: Any, path: Path) -> None:
    held = path.stat().st_size
    declared = sum(tensor.numel() * tensor.element_size() for tensor in _tensors(loaded, set()))
    # Tied weights are listed twice, and no sound file lists a tensor more often.
    if declared > 2 * held:
        raise InputError(
            f"{path}: expected tensors as large as the file, got {declared:,} bytes declared in {held:,}; "
            "get an intact copy"
        )
