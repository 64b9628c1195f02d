"""The file that 'arcinvert learn' writes: a decoder from templates to faces of one network.

A safetensors file with the decoder's tensors by the names of its state dictionary, float16, the list of the
photographs that it was trained on, as statistics files have it, and

    metadata    format, model_sha256, model_name, channels (a JSON list), faces (what it was trained on) and
                notes (JSON: options and figures of the training)

It shows nobody by itself, but it was fitted to faces, and may have learned some of them by heart.
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from arcinvert.knowledge.decoder import FaceDecoder
from arcinvert.knowledge.face_pca import load_face_pca
from arcinvert.knowledge.prepared import from_metadata, refuse_another, to_metadata
from arcinvert.knowledge.public_photographs import is_of_photographs, photographs_in
from arcinvert.knowledge.regression import FaceRegression
from arcinvert.knowledge.whitening import Whitening
from recognition.backbones.undrawn import undrawn_weights
from recognition.checkpoint import read_safetensors, write_safetensors
from recognition.errors import InputError, one_line
from recognition.files import parse_json
from recognition.recogniser import Preprocessing, Recogniser
from recognition.source import short_fingerprint

#: The format of the files; the number rises when old readers would misread new files.
FORMAT = "arcinvert-decoder-1"
#: The suffix of a decoder's file that lies beside its network.
SUFFIX = ".decoder.safetensors"


def save_decoder(
    path: str | os.PathLike[str],
    decoder: FaceDecoder,
    *,
    model_sha256: str,
    model_name: str,
    preprocessing: Preprocessing | None = None,
    notes: dict[str, Any] | None = None,
) -> None:
    """Write a decoder, completely or not at all.

    Args:
        path: The file.
        decoder: The decoder.
        model_sha256: The fingerprint of the network whose templates it decodes: its file's SHA-256, with its
            output if it has several.
        model_name: That network's name.
        preprocessing: How images are prepared for it; None where that is not known.
        notes: Further facts as JSON values, such as options and figures of the training.

    Raises:
        InputError: If a weight is not finite in half precision, or the file cannot be written.
    """
    tensors = {name: value.half().cpu().contiguous() for name, value in decoder.state_dict().items()}
    if not all(bool(value.isfinite().all()) for value in tensors.values()):
        raise InputError(
            f"{path}: expected finite weights that half precision can hold, got others: the training "
            "diverged; lower --learning-rate (what was saved before is kept)"
        )
    if decoder.photographs is not None:
        tensors |= decoder.photographs.tensors()
    metadata = {
        "format": FORMAT,
        "model_sha256": model_sha256,
        "model_name": model_name,
        "channels": json.dumps(decoder.channels),
        "faces": decoder.faces,
        "notes": json.dumps(notes or {}),
        **to_metadata(preprocessing),
    }
    write_safetensors(path, tensors, metadata)


def find_decoder(recogniser: Recogniser, path: str | os.PathLike[str] | None = None) -> FaceDecoder | None:
    """Return the decoder of a file, else that of the file that lies beside the recogniser's own.

    Args:
        recogniser: The network whose templates it must decode.
        path: The file; None looks for MODEL.decoder.safetensors, and returns None where there is none.

    Raises:
        InputError: If the file is damaged, another network's or preprocessing's, or something else.
    """
    if path is None:
        beside = default_path(recogniser)
        if beside is None or not beside.is_file():
            return None
        path = beside
    tensors, metadata = read_safetensors(path, "a decoder file")
    if metadata.get("format") != FORMAT:
        raise InputError(
            f"{path}: expected a file of 'arcinvert learn' ({FORMAT}), got "
            f"{metadata.get('format', 'another file')!r}; learn again"
        )
    if metadata.get("model_sha256") != recogniser.source.fingerprint:
        wanted = short_fingerprint(recogniser.source.fingerprint)
        got = short_fingerprint(metadata.get("model_sha256", ""))
        raise InputError(
            f"{path}: expected a decoder of {recogniser.name} ({wanted}), got that of "
            f"{metadata.get('model_name', '')} ({got}); learn this network, with the same --output"
        )
    try:
        made_with = from_metadata(metadata)
        decoder = _build(tensors, metadata, recogniser.embedding_size)
    except Exception as error:
        # Layers and shapes that contradict each other raise whatever torch does.
        raise InputError(f"{path}: damaged decoder file ({one_line(error)}); learn again") from None
    refuse_another(path, made_with, recogniser, "a decoder")
    return decoder


def _build(tensors: dict[str, Tensor], metadata: dict[str, str], dim: int) -> FaceDecoder:
    channels = tuple(int(one) for one in parse_json(metadata["channels"]))
    coefficients = len(load_face_pca()[2])
    # Takes no memory until the file's tensors are assigned, whatever size the file declares.
    with undrawn_weights():
        regression = FaceRegression(
            torch.zeros(dim), torch.zeros(coefficients), torch.zeros(dim, coefficients), 0
        )
        decoder = FaceDecoder(
            regression,
            Whitening(torch.zeros(dim), torch.zeros(dim, dim)),
            channels=channels,
            faces=str(metadata["faces"]),
            photographs=photographs_in(tensors),
        )
    weights = {name: value.float() for name, value in tensors.items() if not is_of_photographs(name)}
    decoder.load_state_dict(weights, assign=True)
    if not all(bool(value.isfinite().all()) for value in decoder.state_dict().values()):
        raise ValueError("weights that are not finite")
    return decoder.requires_grad_(False).eval().to(memory_format=torch.channels_last)


def default_path(recogniser: Recogniser) -> Path | None:
    """Return where the decoder of a recogniser lies beside its file; None where it is not one file."""
    path = Path(recogniser.source.path)
    return path.with_name(path.name + SUFFIX) if path.is_file() else None
