"""Class centres: from the shards of a training, from a file, or from photographs of each identity."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recognition.data.faces import read_face
from recognition.data.folders import read_folders
from recognition.errors import InputError, one_line
from recognition.files import MAX_WEIGHTS, open_regular
from recognition.images import to_tensor
from recognition.loading.nested_states import is_state
from recognition.loading.state_dicts import read_safetensors, without_prefixes
from recognition.loading.torch_files import read_torch_file
from recognition.recogniser import EMBEDDING_BATCH, Recogniser, embed
from recognition.subcentres import SubCentres, one_centre_each, subcentres_of_weights

#: Files with the classes of one rank of a distributed training: `checkpoint_gpu_0.pt` of arcface_torch,
#: `rank:0_softmax_weight.pt` of its older versions, and similar names.
_RANK = re.compile(r"(?P<before>.*(?:gpu|rank)[_:-]?)(?P<rank>\d+)(?P<after>.*\.(?:pt|pth))")
#: Dicts in each other in which class weights are searched; a pickle can hold a dict in itself.
_MAX_DEPTH = 3
#: Keys of dicts that are searched before others.
_CONTAINERS = ("state_dict_softmax_fc", "head", "HEAD", "state_dict", "model", "loss", "loss_func")
#: Last parts of the names of class weights, and whether weights of that name have shape (dim, classes).
#: Sources: arcface_torch (`weight`), InsightFace_Pytorch, AdaFace and CurricularFace (`kernel`),
#: pytorch-metric-learning (`W`, losses/arcface_loss.py and subcenter_arcface_loss.py).
_NAMES = {
    "weight": False,
    "centres": False,
    "centers": False,
    "prototypes": False,
    "proxies": False,
    "kernel": True,
    "W": True,
}
#: Most centres of one class; the paper of sub-centres has 3 and 10.
_MAX_SUBCENTRES = 100


def as_rows(weights: Tensor, dim: int, name: str, *, transposed: bool) -> Tensor:
    """Return class weights in float32, whichever way they were stored.

    The shape is (classes, dim), or (classes, K, dim) where they are stored as K sub-centres of each class.

    Args:
        weights: Shape (classes, dim), (dim, classes), or (classes, K, dim) for K sub-centres of each class.
        dim: Number of dimensions of an embedding.
        name: What error messages call the weights.
        transposed: Whether square weights are (dim, classes).

    Raises:
        InputError: If neither side is `dim`, or a centre is zero or not finite.
    """
    if weights.ndim == 3 and weights.shape[2] == dim and weights.shape[1]:
        rows = as_rows(weights.flatten(0, 1), dim, name, transposed=False)
        return rows.unflatten(0, weights.shape[:2])
    if weights.ndim != 2 or dim not in weights.shape:
        raise InputError(
            f"{name}: expected class centres (classes, {dim}) or ({dim}, classes), got {tuple(weights.shape)}"
        )
    if weights.shape[0] == weights.shape[1]:
        weights = weights.T if transposed else weights
    elif weights.shape[1] != dim:
        weights = weights.T
    weights = weights.float().contiguous()
    wrong = (~(weights.isfinite().all(1) & weights.any(1))).nonzero()[:, 0]
    if len(wrong):
        raise InputError(
            f"{name}: expected finite, non-zero centres, got others (the first is class {wrong[0]})"
        )
    return weights


def with_subcentres(rows: Tensor, classes: int | None = None) -> tuple[Tensor, SubCentres | None]:
    """Return one centre of each class, shape (classes, dim), and the sub-centres where there are several.

    Args:
        rows: Shape (classes, dim), (classes, K, dim), or (classes * K, dim) with the sub-centres of a class
            one after another.
        classes: The number of classes; None if it is not known.
    """
    if rows.ndim == 2 and classes is not None and classes >= 1 and len(rows) % classes == 0:
        count = len(rows) // classes
        if 1 < count <= _MAX_SUBCENTRES:
            rows = rows.unflatten(0, (classes, count))
    if rows.ndim == 2:
        return rows, None
    if rows.shape[1] == 1:
        return rows[:, 0], None
    return one_centre_each(rows), subcentres_of_weights(rows)


def shards_beside(path: Path) -> list[Path]:
    """Return the files of all ranks of the training that a rank's file belongs to, in order of rank.

    Raises:
        InputError: If a rank below the highest has no file.
    """
    match = _RANK.fullmatch(path.name)
    if match is None:
        return [path]
    found: dict[int, Path] = {}
    for other in path.parent.iterdir():
        one = _RANK.fullmatch(other.name)
        if one and (one["before"], one["after"]) == (match["before"], match["after"]):
            found[int(one["rank"])] = other
    missing = [rank for rank in range(max(found) + 1) if rank not in found]
    if missing:
        names = ", ".join(f"{match['before']}{rank}{match['after']}" for rank in missing)
        raise InputError(
            f"{path.parent}: expected the class centres of ranks 0 to {max(found)}, found no {names}; "
            "put every rank's file in the folder"
        )
    return [found[rank] for rank in sorted(found)]


def join_shards(parts: Sequence[Tensor], names: Sequence[str]) -> Tensor:
    """Return the ranks' centres, shape (classes, dim) each, joined into one tensor.

    Raises:
        InputError: If the sizes are not those of one training, which distributes its classes evenly.
    """
    sizes = [len(part) for part in parts]
    if sizes != sorted(sizes, reverse=True) or max(sizes) - min(sizes) > 1:
        listed = ", ".join(f"{name}: {size}" for name, size in zip(names, sizes, strict=True))
        raise InputError(
            f"class centres: expected shards of one training, equal or one class less in the later ones, "
            f"got {listed}; a shard is of another training or incomplete"
        )
    return torch.cat(list(parts))


def softmax_weights(loaded: Any, depth: int = 0) -> tuple[Tensor, bool] | None:
    """Return the class weights in a file's content, and whether their key means (dim, classes).

    The result is None if there are none, down to `_MAX_DEPTH` dicts in each other; `depth` counts them.

    Raises:
        InputError: If the content is a network without a training head.
    """
    if isinstance(loaded, Tensor):
        return loaded, False
    if not isinstance(loaded, dict) or depth > _MAX_DEPTH:
        return None
    if is_state(loaded):
        return _named_weights(loaded)
    others = [key for key, value in loaded.items() if key not in _CONTAINERS and is_state(value)]
    for key in (*_CONTAINERS, *others):
        if isinstance(loaded.get(key), dict) and (inner := softmax_weights(loaded[key], depth + 1)):
            return inner
    return _named_weights({key: one for key, one in loaded.items() if isinstance(one, Tensor)})


def _named_weights(state: Mapping[Any, Tensor]) -> tuple[Tensor, bool] | None:
    """Return the one matrix of class weights among tensors, which may stand beside a backbone's."""
    state = {str(key): one for key, one in state.items()}
    if any(one.ndim == 4 or key.endswith("running_mean") for key, one in state.items()):
        state = without_prefixes(state)[1]
        if not state:
            raise InputError(
                "expected class centres, got a network's weights without a training head; give the file of "
                "the head, or leave --centres out"
            )
    found = [
        (one, transposed)
        for name, transposed in _NAMES.items()
        for key, one in state.items()
        if key.rpartition(".")[2] == name and one.ndim in (2, 3)
    ]
    return found[0] if len(found) == 1 else None


def head_weights(head: Mapping[str, Tensor], dim: int) -> tuple[Tensor, bool] | None:
    """Return the class weights among a training head's tensors, and whether they have shape (dim, classes).

    The result is None unless exactly one of the tensors has `dim` rows or columns, or sub-centres of that
    many dimensions, and no further layer follows on it.
    """
    found = [
        (key, one)
        for key, one in head.items()
        if (one.ndim == 2 and dim in one.shape) or (one.ndim == 3 and one.shape[2] == dim)
    ]
    if len(found) != 1:
        return None
    key, weights = found[0]
    rows = weights.shape[0 if weights.shape[-1] == dim else 1]
    if any(one.ndim == 2 and one.shape[1] == rows for name, one in head.items() if name != key):
        # The first layer of several has no classes.
        return None
    return weights, _NAMES.get(key.rpartition(".")[2], False)


def centres_of_training(path: Path, loaded: Any, dim: int) -> Tensor | None:
    """Return the class weights of all ranks of a training checkpoint; see `as_rows` for their shape.

    The result is None if the checkpoint has no `state_dict_softmax_fc`.
    """
    if not isinstance(loaded, dict) or "state_dict_softmax_fc" not in loaded:
        return None
    return _read_shards(shards_beside(path), dim)


def _read_shards(paths: Sequence[Path], dim: int) -> Tensor:
    parts = []
    for path in paths:
        try:
            found = softmax_weights(_read(path))
        except InputError as error:
            message = str(error)
            raise InputError(message if message.startswith(str(path)) else f"{path}: {message}") from None
        if found is None:
            raise InputError(
                f"{path}: expected class centres (one matrix named {', '.join(_NAMES)}), found none; "
                f"save them alone, (classes, {dim}): torch.save(head.weight.data, '{path.stem}-centres.pt')"
            )
        parts.append(as_rows(found[0], dim, str(path), transposed=found[1]))
    return join_shards(parts, [path.name for path in paths])


def _read(path: Path) -> Any:
    if path.suffix.lower() == ".npy":
        try:
            with open_regular(path, "a .npy file of centres", MAX_WEIGHTS) as file:
                return torch.from_numpy(np.lib.format.read_array(file, allow_pickle=False))
        except InputError:
            raise
        except Exception as error:
            # A damaged header may raise any error of the tokeniser, the parser or the allocator.
            raise InputError(f"{path}: expected a .npy file of centres ({one_line(error)})") from None
    return read_safetensors(path) if path.suffix.lower() == ".safetensors" else read_torch_file(path)


def read_centres(
    source: str | os.PathLike[str],
    recogniser: Recogniser,
    dim: int,
    classes: int | None = None,
    subcentres: int | None = None,
) -> tuple[Tensor, SubCentres | None, tuple[str, ...] | None]:
    """Return class centres, shape (classes, dim), with their sub-centres and the names of the classes.

    Sub-centres and names are None where the source has none.

    Args:
        source: A file (.pt, .pth, .npy, .safetensors), a folder with the shards of all ranks, or a folder
            with one folder of photographs per identity.
        recogniser: The network that embeds the photographs.
        dim: Number of dimensions of an embedding.
        classes: The number of classes, which shows how many sub-centres each of them has in a file; None if
            it is not known.
        subcentres: The number of sub-centres of each class in a file; None leaves it to `classes`.

    Raises:
        InputError: If there are no centres, the file is a backbone, they have another dimension,
            or a shard is missing.
    """
    path = Path(source)
    if path.is_file():
        centres = _read_shards(shards_beside(path) if _RANK.fullmatch(path.name) else [path], dim)
        return *with_subcentres(centres, _classes(path, centres, classes, subcentres)), None
    if not path.is_dir():
        raise InputError(f"{path}: expected class centres or photographs, found no such file; check the path")
    shards = sorted(file for file in path.iterdir() if file.is_file() and _RANK.fullmatch(file.name))
    if shards:
        centres = _read_shards(shards_beside(shards[0]), dim)
        return *with_subcentres(centres, _classes(path, centres, classes, subcentres)), None
    if subcentres is not None:
        raise InputError(f"subcentres: expected a file of class centres with it, got photographs in {path}")
    centres, names = centres_of_photographs(path, recogniser)
    return centres, None, names


def _classes(path: Path, centres: Tensor, classes: int | None, subcentres: int | None) -> int | None:
    """Return the number of classes, of rows that are sub-centres of each if their number is given.

    Raises:
        InputError: If the rows cannot be so many of each class.
    """
    if subcentres is None:
        return classes
    if centres.ndim == 3 and centres.shape[1] == subcentres:
        return len(centres)
    if not 1 <= subcentres <= _MAX_SUBCENTRES or len(centres) % subcentres:
        raise InputError(
            f"{path}: expected a multiple of {subcentres} rows for --subcentres {subcentres}, at most "
            f"{_MAX_SUBCENTRES}, got {len(centres):,} rows; give the number of sub-centres of each class"
        )
    return len(centres) // subcentres


def centres_of_photographs(
    folder: str | os.PathLike[str], recogniser: Recogniser
) -> tuple[Tensor, tuple[str, ...]]:
    """Return each identity's mean embedding, unit norm, shape (identities, dim), and the identities' names.

    Damaged photographs and those without a face are left out, and so are identities without a face.

    Raises:
        InputError: If the folder has no photograph with a face.
    """
    names, rows = [], []
    for name, paths in read_folders(folder).items():
        faces = []
        for path in paths:
            try:
                faces.append(to_tensor(read_face(path, size=recogniser.input_size)))
            except InputError:
                # No face in it, or damaged: one photograph does not decide about the others.
                continue
        if faces:
            batches = torch.stack(faces).split(EMBEDDING_BATCH)
            rows.append(torch.from_numpy(embed(recogniser, batches)).mean(0))
            names.append(name)
    if not rows:
        raise InputError(f"{folder}: expected faces to make centres of, the detector found none")
    return F.normalize(torch.stack(rows)), tuple(names)
