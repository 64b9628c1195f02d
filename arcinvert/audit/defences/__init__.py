"""Defences: what is stored in place of templates, or released in place of a network, and how it is attacked.

Each module holds one defence and the adversary who attacks it. A new defence is one module and one line of
`DEFENCES`. This module does not import numpy or torch, so that the command line can list the names.
"""

from typing import TYPE_CHECKING

from recognition.errors import InputError
from recognition.registry import Entry, Registry

if TYPE_CHECKING:
    from arcinvert.audit.defences.base import Defence

#: All defences by the names that the command line takes, in the order of the table of defences.
DEFENCES: Registry["type[Defence]"] = Registry(
    "defence",
    {
        "folded-batchnorm": Entry(
            "arcinvert.audit.defences.folded_batchnorm:FoldedBatchNorm",
            "a network released without BatchNorm statistics",
        ),
        "noise": Entry("arcinvert.audit.defences.noise:Noise", "Gaussian noise on the stored template"),
        "quantisation": Entry(
            "arcinvert.audit.defences.quantisation:Quantisation", "few bits for each number of the template"
        ),
        "truncation": Entry(
            "arcinvert.audit.defences.truncation:Truncation", "only the first numbers of the template"
        ),
        "projection": Entry("arcinvert.audit.defences.projection:Projection", "random projection with a key"),
        "biohashing": Entry(
            "arcinvert.audit.defences.biohashing:BioHashing", "signs of a random projection with a key"
        ),
        "mlp-hash": Entry(
            "arcinvert.audit.defences.mlp_hash:MlpHash", "signs of a random perceptron with a key"
        ),
        "polyprotect": Entry(
            "arcinvert.audit.defences.polyprotect:PolyProtect", "polynomials of five numbers each with a key"
        ),
        "scores": Entry(
            "arcinvert.audit.defences.scores:ScoreOnly", "a server that answers with rounded scores"
        ),
    },
)
#: The word that stands for all defences on the command line.
ALL = "all"


def make_defence(text: str) -> "Defence":
    """Return the defence that NAME or NAME:STRENGTH names.

    Raises:
        InputError: If no defence has this name, or the strength is out of range.
    """
    name, colon, number = text.partition(":")
    DEFENCES.check(name)
    try:
        strength = float(number) if colon else None
    except ValueError:
        raise InputError(f"defence {name}: expected a number after the colon, got {number!r}") from None
    return DEFENCES[name](strength)


def make_defences(texts: tuple[str, ...]) -> "list[Defence]":
    """Return the defences that are named; `all` stands for every one at its default strength.

    Raises:
        InputError: As for `make_defence`.
    """
    return [make_defence(text) for text in (DEFENCES if ALL in texts else texts)]
