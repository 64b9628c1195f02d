"""Any face recogniser: the bundled network, files of weights, ONNX files, or code that builds one.

`load` opens what a `ModelChoice` names. The reader of a kind of file is one entry of `FORMATS`, and its
module is imported when such a file is opened; the families of state dicts are in
`recognition.loading.families`.
"""

import os
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch.nn.functional as F

from recognition.bundled import BUNDLED, NETWORKS, UNDISTILLED, bundled_path
from recognition.checkpoint import load_recogniser
from recognition.errors import InputError, InputWarning
from recognition.files import is_file, refuse_stand_in
from recognition.loading.choice import ModelChoice, with_preset
from recognition.loading.conversions import of_ending
from recognition.loading.presets import PRESETS, decides, parse_preset
from recognition.recogniser import Recogniser
from recognition.registry import Entry, Registry

__all__ = [
    "BUNDLED",
    "FORMATS",
    "NETWORKS",
    "PRESETS",
    "UNDISTILLED",
    "ModelChoice",
    "bundled_path",
    "load",
    "parse_preset",
    "with_preset",
]

#: Most files of a folder that an error message lists.
_MAX_LISTED = 5
#: Readers by the ending of a file's name. A reader takes the path and the choice, and returns a Recogniser.
FORMATS: Registry[Callable[[Path, ModelChoice], Recogniser]] = Registry(
    "ending",
    {
        ".safetensors": Entry(
            "recognition.loading.weight_files:open_safetensors", "this project's or weights"
        ),
        ".onnx": Entry("recognition.loading.onnx_files:open_onnx", "a graph"),
        **dict.fromkeys(
            (".pt", ".pth", ".ckpt", ".tar", ".bin"),
            Entry("recognition.loading.weight_files:open_torch", "a state dict of torch.save"),
        ),
        ".pt2": Entry("recognition.loading.weight_files:refuse_exported", "a torch.export program, refused"),
    },
)


def load(model: str | os.PathLike[str] | ModelChoice = BUNDLED) -> Recogniser:
    """Return a frozen recogniser.

    Args:
        model: The bundled network's name; a file: this project's .safetensors, a state dict (.safetensors,
            .pt, .pth, .ckpt, .tar, .bin) of a known family, or .onnx; `package.module:factory[@weights]`,
            which runs that code; or a `ModelChoice` of one of these with a preset or class centres, such as
            `with_preset` returns.

    Warns:
        InputWarning: If the file leaves the preprocessing open and no preset decides it.

    Raises:
        InputError: If the file does not exist, is of another kind, is damaged, or is not safe to read.

    Example:
        >>> recogniser = load(ModelChoice("backbone.pth", preset="channels=BGR"))
    """
    choice = model if isinstance(model, ModelChoice) else ModelChoice(model)
    recogniser = _open(choice)
    if choice.preset is not None:
        preprocessing = parse_preset(choice.preset, recogniser.preprocessing, str(choice))
        if recogniser.source.format == "ONNX":
            # The graph was converted for one size.
            preprocessing = replace(preprocessing, input_size=recogniser.input_size)
        recogniser.preprocessing = preprocessing
        readings = () if decides(choice.preset) else recogniser.source.readings
        recogniser.source = replace(
            recogniser.source, reason=f"given as preset: {choice.preset}", readings=readings
        )
    if recogniser.source.format == "code":
        from recognition.loading.networks.inputs import fitted

        # Only now the size is known that its code is to take.
        recogniser.backbone = fitted(recogniser.backbone, recogniser.input_size, str(choice.model))
    if choice.output is not None and recogniser.source.format != "ONNX":
        recogniser.output = choice.output
        recogniser.source = replace(recogniser.source, output=choice.output)
    if recogniser.source.readings:
        _warn_of_readings(recogniser)
    recogniser.freeze()
    _add_centres(recogniser, choice, recogniser.embedding_size)
    return recogniser


def _warn_of_readings(recogniser: Recogniser) -> None:
    warnings.warn(
        f"{recogniser.source.path}: {recogniser.source.assumption}; give --preset (MODEL@PRESET of a "
        "teacher, judge, variant or surrogate), or compare them on photographs with 'arcinvert inspect MODEL "
        "--images DIR'",
        InputWarning,
        stacklevel=3,
    )


def _add_centres(recogniser: Recogniser, choice: ModelChoice, dim: int) -> None:
    if choice.centres is not None:
        from recognition.loading.centres import read_centres

        names = recogniser.class_names
        classes = choice.classes or (len(names) if names else None)
        centres, subcentres, own = read_centres(choice.centres, recogniser, dim, classes, choice.subcentres)
        # Other centres of the same classes keep the names that came with the network.
        recogniser.class_names = own or (names if names and len(names) == len(centres) else None)
        if own is not None or len(recogniser.class_photographs or ()) != len(centres):
            recogniser.class_photographs = None
        recogniser.centres, recogniser.subcentres = F.normalize(centres), subcentres
    elif choice.subcentres is not None:
        raise InputError("subcentres: expected a file of class centres with it, got none; give --centres")
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
    if text in NETWORKS:
        recogniser = load_recogniser(bundled_path(text))
        recogniser.name = text
        return recogniser
    path = Path(text)
    if ":" in text and not is_file(path):
        from recognition.loading import factories

        if factories.is_factory(text):
            return factories.open_factory(text)
    # Unlike these functions, those of `Path` raise on names that are too long.
    if os.path.isdir(path):  # noqa: PTH112
        files = [file.name for file in sorted(path.iterdir()) if file.suffix.lower() in FORMATS]
        listed = ", ".join(files[:_MAX_LISTED]) or f"none with an ending of {', '.join(FORMATS)}"
        raise InputError(f"{path}: expected a model file, got a folder; give one of its files: {listed}")
    if not is_file(path):
        found = "got a pipe or a device" if os.path.exists(path) else "found no such file; check the path"  # noqa: PTH110
        raise InputError(
            f"{path}: expected a model file or a bundled network's name ({', '.join(NETWORKS)}), {found}"
        )
    ending = path.suffix.lower()
    if ending not in FORMATS:
        raise InputError(
            f"{path}: expected a model file ({', '.join(FORMATS)}), got the ending "
            f"{path.suffix or 'none'!r}; {of_ending(path)}"
        )
    refuse_stand_in(path, "a model file")
    return FORMATS[ending](path, choice)
