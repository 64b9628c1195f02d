"""The attacked system: what an attacker may ask of it, and what it does by itself.

A network of this machine stands for a system that runs elsewhere: it is a variable of functions, and no
attribute of the target leads to it.
"""

import importlib
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arcinvert.access.black_box import (
    Answer,
    Answers,
    Ask,
    BlackBox,
    Images,
    comparing_ask,
    embedding_function,
    function_ask,
)
from arcinvert.access.http_client import http_ask, shown_address
from arcinvert.access.meter import QueryMeter
from arcinvert.access.options import AccessOptions
from arcinvert.attacked import Model, as_recogniser, assumption_notes, describe_model
from recognition.errors import InputError, one_line
from recognition.recogniser import Recogniser

_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@dataclass(frozen=True)
class Target:
    """The attacked system.

    Args:
        box: What the attacker may ask.
        description: What is attacked, as JSON.
        embed: The system's own embedding, by which it enrols people, and which no attack calls; None of a
            system elsewhere.
        enrol: Stores a person's template in the system; None of a system elsewhere.
        dim: Dimensions of its templates; None where that is not known.
        notes: Sentences about what results rest on.
    """

    box: BlackBox
    description: dict[str, Any]
    embed: Callable[[Images], Answers] | None = None
    enrol: Callable[[str, Answers], None] | None = None
    dim: int | None = None
    notes: Sequence[str] = ()


def open_target(options: AccessOptions, model: Model, meter: QueryMeter) -> Target:
    """Return the target that options name: a black box elsewhere, or a network of this machine.

    Args:
        options: The options, with an access other than by the weights.
        model: What names or is the network, where no black box is given.
        meter: Counts the images that the attacker shows.

    Raises:
        InputError: If it cannot be opened.
    """
    if options.access == "weights":
        raise InputError("access: expected embeddings, scores or decisions of a black box, got weights")
    if options.black_box is None:
        return local_target(as_recogniser(model), options, options.access, meter)
    name = options.black_box
    if name.startswith(("http://", "https://")):
        ask, name = http_ask(name, options.access), shown_address(name)
    else:
        ask = function_ask(_function(name), options.access)
    box = BlackBox(ask, options.access, meter, name=name)
    return Target(box, {"name": name, "sha256": "", "architecture": {}, "classes": None})


def local_target(recogniser: Recogniser, options: AccessOptions, answer: Answer, meter: QueryMeter) -> Target:
    """Return a network of this machine as a target.

    Args:
        recogniser: The network, frozen.
        options: Threshold and decimals.
        answer: What it answers to the attacker.
        meter: Counts the images that the attacker shows.
    """
    embed = embedding_function(recogniser)
    templates: dict[str, Answers] = {}
    ask: Ask
    if answer == "embeddings":
        ask = function_ask(embed, "embeddings")
    else:
        threshold = options.threshold if answer == "decisions" else None
        ask = comparing_ask(embed, templates, threshold=threshold, decimals=options.decimals)
    return Target(
        BlackBox(ask, answer, meter, name=recogniser.name, size=recogniser.input_size),
        describe_model(recogniser),
        embed,
        templates.__setitem__,
        recogniser.embedding_size,
        assumption_notes(recogniser),
    )


def _function(text: str) -> Callable[..., Any]:
    """Return the function that a text names; modules in the current folder are found.

    Raises:
        InputError: If there is none.
    """
    if not _FUNCTION.fullmatch(text):
        raise InputError(
            f"black box: expected http://..., https://... or package.module:function, got {text!r}; give a "
            "file of a network as --model"
        )
    module, _, name = text.partition(":")
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"black box: expected an importable package.module:function, got {one_line(error)}"
        ) from None
    finally:
        sys.path.remove(here)
    if not callable(found):
        raise InputError(f"black box: expected a function, {text} is {type(found).__name__}")
    return found
