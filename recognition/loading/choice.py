"""The user's choice of a model: where it is, and what its file leaves open. Imports no torch."""

import os
import re
from dataclasses import dataclass

from recognition.files import is_file

#: A preset behind a network's name: names and settings, as `parse_preset` takes them, and no file's ending.
_PRESET = re.compile(r"(?P<model>.+)@(?P<preset>[A-Za-z][\w-]*(=[^,@]+)?(,[A-Za-z][\w-]*(=[^,@]+)?)*)")


@dataclass(frozen=True)
class ModelChoice:
    """A model with its options; `recognition.loading.load` takes it wherever it takes a path.

    Args:
        model: The bundled network's name, a file, `package.module:factory[@weights]`,
            `timm:name[@weights]` or `torchvision:name[@weights]`.
        preset: A name of `PRESETS`, settings of `Preprocessing`, or both: "adaface", "channels=BGR",
            "facenet,input_size=112". None means the preprocessing of the file's family.
        centres: A file of class centres, a folder of shards of them, or a folder with one folder of
            photographs per identity. None means the centres that come with the model.
        classes: The number of class centres that there must be, as a check; None checks nothing.
        subcentres: The number of sub-centres of each class in a file of centres, whose rows list them class
            by class. None means one, unless `classes` shows that there are more.
        output: The name of the output that is the embedding, of a network with several: of an ONNX graph's
            output, a key of a dict, or a number from 0. None takes the only one of shape (batch, dim).
    """

    model: str | os.PathLike[str]
    preset: str | None = None
    centres: str | os.PathLike[str] | None = None
    classes: int | None = None
    subcentres: int | None = None
    output: str | None = None

    def __str__(self) -> str:
        return str(self.model)

    def __fspath__(self) -> str:
        return os.fspath(self.model)


def with_preset(model: str | os.PathLike[str] | ModelChoice) -> ModelChoice:
    """Return the choice of a network that is given in one word: MODEL or MODEL@PRESET.

    So are all networks given but the one of --model, which has options of its own.

    Args:
        model: A name, a file or a factory with its weights, as `ModelChoice` takes them, with or without a
            preset behind it; the name of a file that exists is never taken apart. A choice is returned as it
            is.

    Example:
        >>> with_preset("judge.onnx@facenet,channels=BGR").preset
        'facenet,channels=BGR'
    """
    if isinstance(model, ModelChoice):
        return model
    match = _PRESET.fullmatch(os.fspath(model))
    if match is None or is_file(model) or is_file(match["preset"]):
        return ModelChoice(model)
    return ModelChoice(match["model"], preset=match["preset"])
