"""One public file, and what it is to be taken for; helpers to write its content."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.recognition.loading.layouts import Shapes, tensors


@dataclass(frozen=True)
class Loaded:
    """What a file is taken for.

    Args:
        network: The architecture's name.
        preset: The name of the preprocessing.
        size: Side of the input in pixels, which a preset does not decide.
        dim: Number of dimensions of an embedding.
        classes: Number of class centres in the file; None if it has none.
        ambiguous: Presets that the file leaves open, the assumed one first.
    """

    network: str
    preset: str
    size: int = 112
    dim: int = 512
    classes: int | None = None
    ambiguous: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """A file that cannot be loaded as it is.

    Args:
        reason: What the message says, a part of it.
        advice: What it says to do, a part of it.
    """

    reason: str
    advice: str


@dataclass(frozen=True)
class Layout:
    """One file of a public project.

    Args:
        project: The project's repository, or its name.
        file: The file's name in the project.
        content: Returns what `torch.load` gives of it.
        expected: What is to happen.
    """

    project: str
    file: str
    content: Callable[[], Any]
    expected: Loaded | Refused


def bare(shapes: Shapes) -> Callable[[], Any]:
    return lambda: tensors(shapes)


def with_key(key: str, shapes: Shapes, **beside: Any) -> Callable[[], Any]:
    """Return a dict of a training: the tensors under a key, and other values beside them."""
    return lambda: {key: tensors(shapes), **beside}


def head_of(name: str, classes: int, transposed: bool = False) -> Shapes:
    return {name: (512, classes) if transposed else (classes, 512)}


INSIGHTFACE, ADAFACE = "insightface", "adaface"
OPTIMISER = {"state": {}, "param_groups": [{"lr": 0.1}]}
#: What messages say of networks that no family has, and of those that need their own code.
UNKNOWN, FACTORY = "expected the state dict of", "package.module:factory@"
TFACE, TREBLEN, FACEX_ZOO = "Tencent/TFace", "TreB1eN/InsightFace_Pytorch", "JDAI-CV/FaceX-Zoo"
