"""Preprocessings by name, as `--preset` takes them. A new preset is one more entry of `PRESETS`."""

from dataclasses import fields, replace
from typing import Any

from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError
from recognition.recogniser import MAX_INPUT_SIZE, Preprocessing

#: Smallest input size that a preset may set, in pixels; smaller images show no face.
MIN_INPUT_SIZE = 16
#: Preprocessings by name. Sources: each project's own inference code; for the networks of a family, the
#: docstring of its module in recognition/loading/families.
PRESETS: dict[str, Preprocessing] = {
    # deepinsight/insightface, recognition/arcface_torch/inference.py.
    "insightface": Preprocessing(),
    # mk-minchul/AdaFace, inference.py (to_input).
    "adaface": Preprocessing(channels="BGR"),
    # IrvingMeng/MagFace, inference/gen_feat.py and dataloader/dataloader.py.
    "magface": Preprocessing(mean=0.0, std=1.0, channels="BGR"),
    # JDAI-CV/FaceX-Zoo, data_processor/test_dataset.py (CommonTestDataset).
    "facex-zoo": Preprocessing(mean=127.5 / 255, std=128 / 255, channels="BGR"),
    # timesler/facenet-pytorch, models/mtcnn.py (fixed_image_standardization).
    "facenet": Preprocessing(mean=127.5 / 255, std=128 / 255, input_size=160),
    # pytorch/vision, references/classification/presets.py.
    "imagenet": Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225), input_size=224),
    # Networks that take pixel values divided by 255, or unchanged.
    "zero-to-one": Preprocessing(mean=0.0, std=1.0),
    "zero-to-255": Preprocessing(mean=0.0, std=1 / 255),
}


def parse_preset(text: str, assumed: Preprocessing, network: str) -> Preprocessing:
    """Return the preprocessing that a preset's text describes.

    Args:
        text: Names of `PRESETS` and settings `name=value`, separated by commas; later ones override.
        assumed: The preprocessing that settings change where the text names no preset.
        network: The network that the preset is given for, in error messages.

    Raises:
        InputError: If a name or a setting is unknown, or a value is out of its range.
    """
    preprocessing = assumed
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        if not equals:
            if name not in PRESETS:
                raise InputError(
                    f"{network}: preset: expected one of {', '.join(PRESETS)}, or settings such as "
                    f"channels=BGR, got {name!r}; give one of these as --preset or MODEL@PRESET"
                )
            preprocessing = PRESETS[name]
        elif name not in {field.name for field in fields(Preprocessing)}:
            raise InputError(
                f"{network}: preset: expected mean, std, channels or input_size, got {name!r}; give one of "
                "these, such as channels=BGR"
            )
        else:
            preprocessing = replace(preprocessing, **{name: _setting(name, value, network)})
    return preprocessing


def decides(text: str) -> bool:
    """Return whether a preset says how images are prepared, and not only their size."""
    return any(part.strip().partition("=")[0] != "input_size" for part in text.split(","))


def _setting(name: str, value: str, network: str) -> Any:
    if name == "channels":
        if value.upper() not in ("RGB", "BGR"):
            raise InputError(
                f"{network}: preset: expected channels=RGB or channels=BGR, got {value!r}; give one of these"
            )
        return value.upper()
    try:
        if name == "input_size":
            size = int(value)
            if not MIN_INPUT_SIZE <= size <= MAX_INPUT_SIZE:
                raise ValueError
            return size
        # Slashes separate red, green and blue, because commas separate the settings.
        numbers = tuple(float(number) for number in value.split("/"))
        if len(numbers) not in (1, 3) or not all(abs(number) < 1e6 for number in numbers):
            raise ValueError
        if name == "std" and min(numbers) <= 0:
            raise ValueError
    except ValueError:
        expected = (
            f"a number of pixels from {MIN_INPUT_SIZE} to {MAX_INPUT_SIZE}, such as {ALIGNED_SIZE}"
            if name == "input_size"
            else "one number, or three as 0.485/0.456/0.406" + (", above 0" if name == "std" else "")
        )
        raise InputError(
            f"{network}: preset: expected {name} to be {expected}, got {value!r}; give another value"
        ) from None
    return numbers[0] if len(numbers) == 1 else numbers
