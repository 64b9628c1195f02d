"""What a user says of a model: where it is, and what its file leaves open."""

import os
from dataclasses import dataclass, fields, replace
from typing import Any

from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError
from recognition.loading.limits import MAX_INPUT_SIZE
from recognition.recogniser import Preprocessing

#: Preprocessings by name, as `--preset` takes them. Sources: each project's own inference code.
PRESETS: dict[str, Preprocessing] = {
    "insightface": Preprocessing(),
    "adaface": Preprocessing(channels="BGR"),
    "facenet": Preprocessing(mean=127.5 / 255, std=128 / 255, input_size=160),
    "imagenet": Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), input_size=224),
    "zero-to-one": Preprocessing(mean=0.0, std=1.0),
    "zero-to-255": Preprocessing(mean=0.0, std=1 / 255),
}


@dataclass(frozen=True)
class ModelChoice:
    """A model as a user gives it; `recognition.loading.load` takes it wherever it takes a path.

    Args:
        model: the bundled network's name, a file, `package.module:factory[@weights]`,
            `timm:name[@weights]` or `torchvision:name[@weights]`.
        preset: a name of `PRESETS`, settings of `Preprocessing`, or both:
            "adaface", "channels=BGR", "facenet,input_size=112"; None takes what the file's family uses.
        centres: a file of class centres, a folder of shards of them, or a folder of one folder of
            photographs per identity; None takes those that come with the model.
        classes: how many there must be, to check `centres` by.
    """

    model: str | os.PathLike[str]
    preset: str | None = None
    centres: str | os.PathLike[str] | None = None
    classes: int | None = None

    def __str__(self) -> str:
        return str(self.model)

    def __fspath__(self) -> str:
        return os.fspath(self.model)


def parse_preset(text: str, assumed: Preprocessing) -> Preprocessing:
    """The preprocessing that a preset's text stands for.

    Args:
        assumed: what settings without a name change.

    Raises:
        InputError: an unknown name or setting, or a value out of its range.
    """
    preprocessing = assumed
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals:
            if name not in PRESETS:
                raise InputError(
                    f"preset: expected one of {', '.join(PRESETS)}, or settings such as channels=BGR, "
                    f"got {name!r}"
                )
            preprocessing = PRESETS[name]
        elif name not in {field.name for field in fields(Preprocessing)}:
            raise InputError(f"preset: expected mean, std, channels or input_size, got {name!r}")
        else:
            preprocessing = replace(preprocessing, **{name: _setting(name, value)})
    return preprocessing


def _setting(name: str, value: str) -> Any:
    if name == "channels":
        if value.upper() not in ("RGB", "BGR"):
            raise InputError(f"preset: expected channels=RGB or channels=BGR, got {value!r}")
        return value.upper()
    try:
        if name == "input_size":
            size = int(value)
            if not 16 <= size <= MAX_INPUT_SIZE:
                raise ValueError
            return size
        # A slash stands between the numbers of red, green and blue: commas part the settings.
        numbers = tuple(float(number) for number in value.split("/"))
        if len(numbers) not in (1, 3) or not all(abs(number) < 1e6 for number in numbers):
            raise ValueError
        if name == "std" and min(numbers) <= 0:
            raise ValueError
    except ValueError:
        expected = (
            f"a number of pixels from 16 to {MAX_INPUT_SIZE}, such as {ALIGNED_SIZE}"
            if name == "input_size"
            else "one number, or three as 0.485/0.456/0.406" + (", above 0" if name == "std" else "")
        )
        raise InputError(f"preset: expected {name} to be {expected}, got {value!r}") from None
    return numbers[0] if len(numbers) == 1 else numbers
