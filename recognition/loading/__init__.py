"""Load any recogniser: the bundled network, ours, state dicts and ONNX files of others, or code.

`load` looks at what it is given and hands it to the reader of its kind; each kind is a module here.
"""

import os
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import torch.nn.functional as F
from safetensors import SafetensorError, safe_open

from recognition.checkpoint import FORMAT, load_recogniser, sha256
from recognition.errors import InputError
from recognition.loading import factories
from recognition.loading.centres import as_rows, centres_of_training, read_centres
from recognition.loading.choice import PRESETS, ModelChoice, parse_preset
from recognition.loading.families import State, recognise
from recognition.loading.onnx_files import read_onnx
from recognition.loading.torch_files import exported_refusal, read_torch_file, unwrap, without_prefixes
from recognition.recogniser import Recogniser, Source

__all__ = ["BUNDLED", "PRESETS", "ModelChoice", "bundled_path", "load", "parse_preset"]

#: The name under which `--model` knows the bundled network.
BUNDLED = "lfw-iresnet18"


def bundled_path() -> Path:
    """The bundled network's file."""
    return Path(str(files("recognition").joinpath(f"bundled/{BUNDLED}.safetensors")))


def load(model: str | os.PathLike[str] | ModelChoice = BUNDLED) -> Recogniser:
    """A frozen recogniser.

    Args:
        model: the bundled network's name; a file: .safetensors of ours or a state dict, .pt, .pth,
            .ckpt or .tar of a known family, or .onnx; `package.module:factory[@weights]`, which runs
            that code; or a `ModelChoice` of these with a preset or centres.

    Raises:
        InputError: there is no such file, it is something else, or it is not safe to read.
    """
    choice = model if isinstance(model, ModelChoice) else ModelChoice(model)
    recogniser = _open(choice)
    if choice.preset is not None:
        asked = parse_preset(choice.preset, recogniser.preprocessing)
        if recogniser.source.format == "ONNX":
            # The graph was converted for one size.
            asked = replace(asked, input_size=recogniser.input_size)
        recogniser.preprocessing = asked
        recogniser.source = replace(recogniser.source, reason=f"as asked for: {choice.preset}")
    recogniser.freeze()
    name = recogniser.source.path or recogniser.name
    dim = factories.embedding_size(recogniser.backbone, recogniser.preprocessing, name)
    _add_centres(recogniser, choice, dim)
    return recogniser


def _add_centres(recogniser: Recogniser, choice: ModelChoice, dim: int) -> None:
    if choice.centres is not None:
        centres, recogniser.class_names = read_centres(choice.centres, recogniser, dim)
        recogniser.centres = F.normalize(centres)
    if choice.classes is None:
        return
    if recogniser.centres is None:
        raise InputError(
            f"{recogniser.name}: expected {choice.classes} class centres, got a backbone alone; "
            "give --centres"
        )
    if (found := len(recogniser.centres)) != choice.classes:
        raise InputError(
            f"{recogniser.name}: expected {choice.classes} class centres, got {found}; a shard may be missing"
        )


def _open(choice: ModelChoice) -> Recogniser:
    text = str(choice.model)
    if text == BUNDLED:
        recogniser = load_recogniser(bundled_path())
        recogniser.name = BUNDLED
        return recogniser
    if factories.is_factory(text):
        return _open_factory(text)
    path = Path(text)
    if not path.is_file():
        raise InputError(
            f"{path}: expected a model file or the bundled network's name ({BUNDLED}), found no such file; "
            "check the path"
        )
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"{path}: expected a model file ({', '.join(_READERS)}), got the ending {path.suffix or 'none'!r}"
        )
    return reader(path, choice)


def _open_safetensors(path: Path, _: ModelChoice) -> Recogniser:
    try:
        with safe_open(path, framework="pt") as file:
            ours = (file.metadata() or {}).get("format") == FORMAT
    except (SafetensorError, OSError, ValueError):
        # The reader below says what is wrong with the file.
        ours = True
    return load_recogniser(path) if ours else _of_state(factories.read_weights(path), path, "safetensors")


def _open_torch(path: Path, _: ModelChoice) -> Recogniser:
    loaded = read_torch_file(path)
    state = without_prefixes(unwrap(loaded, path))
    recogniser = _of_state(state, path, "state dict")
    dim = recogniser.source.architecture["embedding_size"]
    if (centres := centres_of_training(path, loaded, dim)) is not None:
        recogniser.centres = F.normalize(centres)
    return recogniser


def _of_state(state: State, path: Path, kind: str) -> Recogniser:
    network, head = recognise(state, path)
    centres = None
    if head is not None:
        centres = as_rows(
            head, network.architecture["embedding_size"], str(path), transposed=network.head_transposed
        )
    return Recogniser(
        network.module,
        name=path.stem,
        preprocessing=PRESETS[network.preset],
        centres=centres,
        source=Source(str(path), sha256(path), network.architecture, kind, network.reason),
    )


def _open_onnx(path: Path, choice: ModelChoice) -> Recogniser:
    size = None if choice.preset is None else parse_preset(choice.preset, PRESETS["insightface"]).input_size
    network, preprocessing, reason, architecture = read_onnx(path, size)
    return Recogniser(
        network,
        name=path.stem,
        preprocessing=preprocessing,
        source=Source(str(path), sha256(path), architecture, "ONNX", reason),
    )


def _open_factory(text: str) -> Recogniser:
    network, preprocessing, reason, architecture, weights = factories.build(text)
    return Recogniser(
        network,
        name=text.partition("@")[0].rpartition(":")[2],
        preprocessing=preprocessing,
        source=Source(str(weights or text), sha256(weights) if weights else "", architecture, "code", reason),
    )


def _refuse_exported(path: Path, _: ModelChoice) -> Recogniser:
    raise InputError(exported_refusal(path))


#: By the ending of a file's name.
_READERS: dict[str, Callable[[Path, ModelChoice], Recogniser]] = {
    ".safetensors": _open_safetensors,
    ".onnx": _open_onnx,
    ".pt": _open_torch,
    ".pth": _open_torch,
    ".ckpt": _open_torch,
    ".tar": _open_torch,
    ".pt2": _refuse_exported,
}
