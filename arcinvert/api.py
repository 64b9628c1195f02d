"""One-shot functions: an `Attacker` that is loaded for one call.

Use `arcinvert.Attacker` to attack one network several times.
"""

import inspect
import os
from collections.abc import Callable
from typing import Any

from arcinvert.attacked import Model
from arcinvert.attacker import Attacker
from arcinvert.run import Run
from arcinvert.workers.base import Workers
from recognition.loading import BUNDLED
from recognition.options import Precision
from recognition.recogniser import Preprocessing
from recognition.runtime import Device


def _one_shot(method: Callable[..., Run]) -> Callable[..., Run]:
    """Return a function that loads an attacker and calls a method of it, with the signatures of both."""

    def function(
        *arguments: Any,
        model: Model = BUNDLED,
        preprocessing: Preprocessing | None = None,
        statistics: str | os.PathLike[str] | None = None,
        decoder: str | os.PathLike[str] | None = None,
        device: Device = "auto",
        precision: Precision = "auto",
        calibrate: bool = True,
        deterministic: bool = False,
        graphs: bool = False,
        workers: Workers | None = None,
        **keywords: Any,
    ) -> Run:
        attacker = Attacker(
            model,
            preprocessing=preprocessing,
            statistics=statistics,
            decoder=decoder,
            device=device,
            precision=precision,
            calibrate=calibrate,
            deterministic=deterministic,
            graphs=graphs,
            workers=workers,
        )
        return method(attacker, *arguments, **keywords)

    _, *of_method = inspect.signature(method).parameters.values()
    of_attacker = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is parameter.KEYWORD_ONLY
    ]
    function.__name__ = function.__qualname__ = method.__name__
    function.__doc__ = f"{method.__doc__}\nThe network is loaded as by `arcinvert.Attacker`, for this call.\n"
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*of_method, *of_attacker], return_annotation=Run
    )
    return function


generate = _one_shot(Attacker.generate)
from_image = _one_shot(Attacker.from_image)
from_crops = _one_shot(Attacker.from_crops)
from_embedding = _one_shot(Attacker.from_embedding)
