"""Readers of files of weights: this project's safetensors, and state dicts of known families."""

from pathlib import Path

import torch.nn.functional as F
from safetensors import SafetensorError, safe_open

from recognition.checkpoint import FORMAT, check_header, load_recogniser, sha256
from recognition.errors import InputError
from recognition.loading.centres import as_rows, centres_of_training, head_weights, with_subcentres
from recognition.loading.choice import ModelChoice
from recognition.loading.conversions import exported_refusal
from recognition.loading.families import recognise
from recognition.loading.state_dicts import Weights, find_weights, read_weights
from recognition.loading.torch_files import read_torch_file
from recognition.recogniser import Recogniser, Source


def open_safetensors(path: Path, _: ModelChoice) -> Recogniser:
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
    return load_recogniser(path) if is_own else _from_weights(read_weights(path), path, "safetensors")


def open_torch(path: Path, _: ModelChoice) -> Recogniser:
    """Return the recogniser of a torch file, with the class centres that a training checkpoint has.

    Raises:
        InputError: If the file is damaged, could run code, or its network is unknown.
    """
    loaded = read_torch_file(path)
    recogniser = _from_weights(find_weights(loaded, path), path, "state dict")
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


def _from_weights(weights: Weights, path: Path, kind: str) -> Recogniser:
    network, class_weights = recognise(
        weights.tensors, path, marks=weights.marks, beside=weights.beside | weights.head.keys()
    )
    dim = network.architecture["embedding_size"]
    rows = None
    if class_weights is not None:
        rows = as_rows(class_weights, dim, str(path), transposed=network.class_weights_transposed)
    elif (found := head_weights(weights.head, dim)) is not None:
        rows = as_rows(found[0], dim, str(path), transposed=found[1])
    centres, subcentres = (None, None) if rows is None else with_subcentres(rows)
    return Recogniser(
        network.module,
        name=path.stem,
        preprocessing=network.preprocessing,
        centres=centres,
        subcentres=subcentres,
        source=Source(str(path), sha256(path), network.architecture, kind, network.reason, network.readings),
    )
