"""Readers of files of weights: this project's safetensors, and state dicts of known families."""

import warnings
from pathlib import Path

import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from torch import Tensor

from recognition.checkpoint import FORMAT, check_header, load_recogniser, sha256
from recognition.errors import InputError, InputWarning
from recognition.loading.centres import as_rows, centres_of_training, with_subcentres
from recognition.loading.choice import ModelChoice
from recognition.loading.class_weights import head_weights
from recognition.loading.conversions import exported_refusal
from recognition.loading.families import recognise
from recognition.loading.grouped_rows import likely_subcentres
from recognition.loading.head_names import refuse_layers
from recognition.loading.state_dicts import Weights, find_weights, read_weights
from recognition.loading.torch_files import read_torch_file
from recognition.recogniser import Recogniser
from recognition.source import Source


def open_safetensors(path: Path, choice: ModelChoice) -> Recogniser:
    """Return the recogniser of a .safetensors file: this project's, or a state dict.

    Raises:
        InputError: If the file is damaged or its network unknown.
    """
    check_header(path, "a model file")
    try:
        with safe_open(path, framework="pt") as file:
            is_own = (file.metadata() or {}).get("format") == FORMAT
    except (SafetensorError, OSError, ValueError):
        # The reader below raises an error that says what is wrong with the file.
        is_own = True
    return load_recogniser(path) if is_own else _from_weights(read_weights(path), path, "safetensors", choice)


def open_torch(path: Path, choice: ModelChoice) -> Recogniser:
    """Return the recogniser of a torch file, with the class centres that a training checkpoint has.

    Raises:
        InputError: If the file is damaged, could run code, or its network is unknown.
    """
    loaded = read_torch_file(path)
    recogniser = _from_weights(find_weights(loaded, path), path, "state dict", choice)
    dim = recogniser.source.architecture["embedding_size"]
    if (rows := centres_of_training(path, loaded, dim)) is not None:
        centres, recogniser.subcentres = with_subcentres(rows)
        recogniser.centres = F.normalize(centres)
    return recogniser


def refuse_exported(path: Path, _: ModelChoice) -> Recogniser:
    """Refuse a torch.export program.

    Raises:
        InputError: Always; its message has the command that converts the file.
    """
    raise InputError(exported_refusal(path))


def _from_weights(weights: Weights, path: Path, kind: str, choice: ModelChoice) -> Recogniser:
    network, class_weights = recognise(
        weights.tensors, path, marks=weights.marks, beside=weights.beside | weights.head.keys()
    )
    refuse_layers(weights.layers, path)
    dim = network.architecture["embedding_size"]
    rows = None
    if class_weights is not None:
        rows = as_rows(class_weights, dim, str(path), transposed=network.class_weights_transposed)
    elif (found := head_weights(weights.head, dim, path)) is not None:
        rows = as_rows(found[0], dim, str(path), transposed=found[1])
    centres, subcentres = (None, None) if rows is None else with_subcentres(rows)
    if centres is not None and subcentres is None and choice.centres is None:
        _warn_of_groups(centres, path)
    return Recogniser(
        network.module,
        name=path.stem,
        preprocessing=network.preprocessing,
        centres=centres,
        subcentres=subcentres,
        source=Source(str(path), sha256(path), network.architecture, kind, network.reason, network.readings),
    )


def _warn_of_groups(centres: Tensor, path: Path) -> None:
    """Warn of class centres that seem to be several of each class."""
    if (count := likely_subcentres(centres)) is not None:
        warnings.warn(
            f"{path}: {len(centres):,} class centres are assumed, but they look like {count} sub-centres of "
            f"each of {len(centres) // count:,} classes; give the file also as --centres FILE --subcentres "
            f"{count}",
            InputWarning,
            stacklevel=4,
        )
