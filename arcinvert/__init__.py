"""arcinvert: model-inversion face synthesis and privacy audit for ArcFace recognisers.

Example:
    >>> import arcinvert
    >>> run = arcinvert.generate(class_id=123)
    >>> run = arcinvert.from_image("photo.jpg")
    >>> attacker = arcinvert.Attacker("model.onnx")  # loaded once, used many times
"""

import importlib
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

from recognition.errors import InputError

if TYPE_CHECKING:
    from arcinvert.access.black_box_attacker import BlackBoxAttacker
    from arcinvert.access.options import AccessOptions
    from arcinvert.api import from_crops, from_embedding, from_image, generate
    from arcinvert.attacker import Attacker
    from arcinvert.inversion.result import Step, StopInversion
    from arcinvert.options import AttackOptions
    from arcinvert.run import Run
    from arcinvert.workers.open import open_workers

__version__ = _version("arcinvert")
__all__ = [
    "AccessOptions",
    "AttackOptions",
    "Attacker",
    "BlackBoxAttacker",
    "InputError",
    "Run",
    "Step",
    "StopInversion",
    "__version__",
    "from_crops",
    "from_embedding",
    "from_image",
    "generate",
    "open_workers",
]
#: Where each name is; torch takes seconds to import, and `arcinvert --help` does not need it.
_HOMES = {
    "AccessOptions": "arcinvert.access.options",
    "AttackOptions": "arcinvert.options",
    "Attacker": "arcinvert.attacker",
    "BlackBoxAttacker": "arcinvert.access.black_box_attacker",
    "Run": "arcinvert.run",
    "Step": "arcinvert.inversion.result",
    "StopInversion": "arcinvert.inversion.result",
    "from_crops": "arcinvert.api",
    "from_embedding": "arcinvert.api",
    "from_image": "arcinvert.api",
    "generate": "arcinvert.api",
    "open_workers": "arcinvert.workers.open",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'arcinvert' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
