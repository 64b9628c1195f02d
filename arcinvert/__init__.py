"""arcinvert: model-inversion face synthesis and privacy audit for ArcFace recognisers.

import arcinvert
arcinvert.generate(class_id=123)
arcinvert.from_image("photo.jpg")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from arcinvert.api import Run, from_embedding, from_image, generate
    from arcinvert.options import AttackOptions

__all__ = ["AttackOptions", "Run", "from_embedding", "from_image", "generate"]


def __getattr__(name: str) -> Any:
    # torch takes seconds to import, and `arcinvert --help` needs none of it.
    if name in __all__:
        from arcinvert import api, options

        return getattr(options if name == "AttackOptions" else api, name)
    raise AttributeError(f"module 'arcinvert' has no attribute {name!r}")
