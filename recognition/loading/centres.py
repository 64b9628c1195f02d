"""Class centres: from the shards of a training, from a file, or from photographs of each identity."""

import os
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from recognition import checkpoint
from recognition.data.faces import read_face
from recognition.data.folders import read_folders
from recognition.errors import InputError, InputWarning, one_line
from recognition.files import MAX_WEIGHTS, open_regular, refuse_stand_in
from recognition.images import to_tensor
from recognition.loading.centre_arrays import arrays_with_classes, centres_of_arrays, read_npz_centres
from recognition.loading.centre_texts import TEXTS, in_order_of_numbers, read_text_centres
from recognition.loading.class_weights import NAMES, ClassWeights, head_weights, softmax_weights
from recognition.loading.families import recognise
from recognition.loading.grouped_rows import likely_subcentres
from recognition.loading.state_dicts import find_weights, read_safetensors
from recognition.loading.torch_files import read_torch_file
from recognition.recogniser import EMBEDDING_BATCH, Recogniser, embed
from recognition.subcentres import SubCentres, one_centre_each, subcentres_of_weights

#: Files with the classes of one rank of a distributed training: `checkpoint_gpu_0.pt` of arcface_torch,
#: `rank:0_softmax_weight.pt` of its older versions, and similar names.
_RANK = re.compile(r"(?P<before>.*(?:gpu|rank)[_:-]?)(?P<rank>\d+)(?P<after>.*\.(?:pt|pth))")
#: Readers of tables of other tools, by their ending. Each returns weights and the names of classes, if any.
TABLES: dict[str, Callable[[Path, int], tuple[Tensor, list[str] | None]]] = {
    ".npz": read_npz_centres,
    **dict.fromkeys(TEXTS, read_text_centres),
}
#: Endings of torch files; another file may be one, too.
_TORCH = (".pt", ".pth", ".ckpt", ".tar", ".bin")
#: The name in the losses of pytorch-metric-learning, with one centre of each class and with several.
_PML_NAME = "W"
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
    if weights.is_complex():
        raise InputError(f"{name}: expected class centres of real numbers, got complex ones; save real ones")
    if weights.ndim == 3 and weights.shape[2] == dim and weights.shape[1]:
        if weights.shape[1] > min(len(weights), _MAX_SUBCENTRES):
            raise InputError(
                f"{name}: expected (classes, K, {dim}) for K sub-centres of each class, at most "
                f"{_MAX_SUBCENTRES}, got {tuple(weights.shape)}, which may be (K, classes, {dim}); save them "
                f"as (classes, K, {dim})"
            )
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


def centres_of_training(path: Path, loaded: Any, dim: int) -> Tensor | None:
    """Return the class weights of all ranks of a training checkpoint; see `as_rows` for their shape.

    The result is None if the checkpoint has no `state_dict_softmax_fc`.
    """
    if not isinstance(loaded, dict) or "state_dict_softmax_fc" not in loaded:
        return None
    return _read_shards(shards_beside(path), dim)[0]


def _read_shards(paths: Sequence[Path], dim: int) -> tuple[Tensor, str]:
    """Return the class weights of the files of all ranks, see `as_rows`, and their name in the last one."""
    parts, name = [], ""
    for path in paths:
        part, name = _class_weights(path, _read(path), dim)
        parts.append(part)
    return join_shards(parts, [path.name for path in paths]), name


def _class_weights(path: Path, loaded: Any, dim: int) -> tuple[Tensor, str]:
    """Return the class weights in the content of a file, see `as_rows`, and their name."""
    try:
        found = softmax_weights(loaded)
    except InputError as error:
        # A head may be in a dict of its own, and a known network's classifier under a name of its own.
        if (found := _beside_network(loaded, path, dim)) is None:
            message = str(error)
            raise InputError(message if message.startswith(str(path)) else f"{path}: {message}") from None
    if found is None:
        raise InputError(
            f"{path}: expected class centres (one matrix named {', '.join(NAMES)}), found none; "
            f"save them alone, (classes, {dim}): torch.save(head.weight.data, '{path.stem}-centres.pt')"
        )
    return as_rows(found.weights, dim, str(path), transposed=found.transposed), found.name


def _beside_network(loaded: Any, path: Path, dim: int) -> ClassWeights | None:
    """Return the class weights that a file holds beside its network; None if there are none."""
    try:
        weights = find_weights(loaded, path)
        if (head := head_weights(weights.head, dim, path)) is not None:
            return head
        network, classes = recognise(weights.tensors, path, marks=weights.marks)
    except InputError:
        return None
    return None if classes is None else ClassWeights(classes, network.class_weights_transposed)


def _read(path: Path) -> Any:
    if path.suffix.lower() == ".npy":
        try:
            with open_regular(path, "a .npy file of centres", MAX_WEIGHTS) as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
            # torch has no other byte order than the machine's.
            return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))
        except InputError:
            raise
        except Exception as error:
            # A damaged header may raise any error of the tokeniser, the parser or the allocator.
            raise InputError(
                f"{path}: expected a .npy file of centres ({one_line(error)}); save their numbers alone: "
                "numpy.save('centres.npy', array.astype('float32'))"
            ) from None
    if path.suffix.lower() == ".safetensors":
        return read_safetensors(path)
    try:
        return read_torch_file(path)
    except InputError as error:
        if path.suffix.lower() in _TORCH:
            raise
        # Whatever has this ending, it is no torch file.
        listed = ", ".join((".npy", ".safetensors", *TABLES))
        raise InputError(
            f"{path}: expected class centres in a torch file, {listed}, got the ending "
            f"{path.suffix or 'none'!r} ({one_line(error)}); save them as .npy: "
            "numpy.save('centres.npy', array)"
        ) from None


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
        source: A file (.pt, .pth, .npy, .npz, .safetensors, or text: .csv, .tsv, .txt, .vec, .json,
            .jsonl), a folder with the shards of all ranks, or a folder with one folder of photographs per
            identity.
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
        refuse_stand_in(path, "a file of class centres")
        if path.suffix.lower() == ".safetensors" and (own := _of_own_network(path, dim)) is not None:
            return own
        if path.suffix.lower() in TABLES:
            weights, names = TABLES[path.suffix.lower()](path, dim)
            return _with_names(path, weights, names, dim, classes, subcentres)
        if _RANK.fullmatch(path.name):
            centres, name = _read_shards(shards_beside(path), dim)
        else:
            loaded = _read(path)
            if (arrays := arrays_with_classes(loaded)) is not None:
                return _with_names(path, *centres_of_arrays(path, arrays, {}, dim), dim, classes, subcentres)
            centres, name = _class_weights(path, loaded, dim)
        if classes is None and subcentres is None and centres.ndim == 2:
            _ask_for_subcentres(path, centres, name)
        return *with_subcentres(centres, _classes(path, centres, classes, subcentres)), None
    if not path.is_dir():
        raise InputError(f"{path}: expected class centres or photographs, found no such file; check the path")
    shards = sorted(file for file in path.iterdir() if file.is_file() and _RANK.fullmatch(file.name))
    if shards:
        centres, _ = _read_shards(shards_beside(shards[0]), dim)
        return *with_subcentres(centres, _classes(path, centres, classes, subcentres)), None
    if subcentres is not None:
        raise InputError(f"subcentres: expected a file of class centres with it, got photographs in {path}")
    centres, people = centres_of_photographs(path, recogniser)
    return centres, None, people


def _of_own_network(path: Path, dim: int) -> tuple[Tensor, SubCentres | None, tuple[str, ...] | None] | None:
    """Return the centres of this project's network with their names; None for another file."""
    if checkpoint.read_safetensors(path, "a file of centres")[1].get("format") != checkpoint.FORMAT:
        return None
    recogniser = checkpoint.load_recogniser(path)
    if recogniser.centres is None:
        raise InputError(f"{path}: expected class centres, got a network without any; leave --centres out")
    centres = as_rows(recogniser.centres, dim, str(path), transposed=False)
    return centres, recogniser.subcentres, recogniser.class_names


def _with_names(
    path: Path,
    weights: Tensor,
    names: list[str] | None,
    dim: int,
    classes: int | None,
    subcentres: int | None,
) -> tuple[Tensor, SubCentres | None, tuple[str, ...] | None]:
    """Return the centres of a file of another tool, with the names that it has, or in their order."""
    rows = as_rows(weights, dim, str(path), transposed=False)
    if names is not None:
        if subcentres not in (None, 1) and rows.ndim == 2:
            raise InputError(
                f"{path}: expected rows without names with --subcentres, got names; leave these out"
            )
        rows, names = in_order_of_numbers(path, rows, names)
        classes = len(rows)
    elif classes is None and subcentres is None and rows.ndim == 2:
        _ask_for_subcentres(path, rows, "")
    return *with_subcentres(rows, _classes(path, rows, classes, subcentres)), tuple(names) if names else None


def _ask_for_subcentres(path: Path, centres: Tensor, name: str) -> None:
    """Refuse rows that seem to be sub-centres, and warn of those that a head of sub-centres may have written.

    Raises:
        InputError: If neighbouring rows show groups of one size.
    """
    if (count := likely_subcentres(centres)) is not None:
        raise InputError(
            f"{path}: expected one centre of each class, got {len(centres):,} rows that look like {count} "
            f"sub-centres of each of {len(centres) // count:,} classes; give --subcentres {count}, or "
            "--subcentres 1 if each row is a class"
        )
    if name == _PML_NAME:
        warnings.warn(
            f"{path}: {len(centres):,} classes with one centre each are assumed; if SubCenterArcFaceLoss "
            "wrote the file, give the number of sub-centres of each class as --subcentres K (3 is its "
            "default), otherwise --subcentres 1",
            InputWarning,
            stacklevel=4,
        )


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
