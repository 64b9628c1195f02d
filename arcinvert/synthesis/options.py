"""The options of a synthetic set. This module does not import torch."""

from dataclasses import dataclass
from typing import Literal

from arcinvert.recipes import KnowledgeName
from recognition.config import check, option

#: Whose templates say how identities spread.
SpreadName = Literal["auto", "centres", "faces", "isotropic"]
#: How pictures are written.
FormatName = Literal["folder", "webdataset"]

_IDENTITIES, _PICTURES, _RUN = "identities", "pictures", "run"


@dataclass(frozen=True)
class SynthesisOptions:
    """Everything that decides the pictures of a synthetic set, beside the network and what is known of faces.

    Raises:
        InputError: If a value is of another type or out of its range.
    """

    identities: int = option(100, help="the number of identities", group=_IDENTITIES, minimum=1)
    per_identity: int = option(
        8, help="the number of pictures of each identity", group=_PICTURES, metavar="M", minimum=1
    )
    spread: SpreadName = option(
        "auto",
        help="whose templates say how identities spread: the network's class centres, the faces that it was "
        "measured on, or nobody's (isotropic, equally in all directions); auto takes the first of these that "
        "there is",
        group=_IDENTITIES,
    )
    angle: float = option(
        60.0,
        help="the smallest angle between two identities, in degrees",
        group=_IDENTITIES,
        minimum=0,
        maximum=90,
    )
    known_angle: float = option(
        60.0,
        help="the smallest angle of an identity to a known person, in degrees: to class centres, to the "
        "public faces that the network was measured on, and to the people of --known",
        group=_IDENTITIES,
        minimum=0,
        maximum=90,
    )
    within: float | None = option(
        help="the mean angle of a picture's target to its identity, in degrees; without it, that of the "
        "people with several photographs in --known, or else 35",
        group=_PICTURES,
        minimum=0,
        maximum=75,
    )
    variation: float = option(
        1.0,
        help="the strength of random pose, light and position within an identity; 0 leaves them out",
        group=_PICTURES,
        minimum=0,
        maximum=3,
    )
    steps: int | None = option(
        help="the optimiser steps of a picture (default: 10 from faces, 100 by the weights alone); with 0 a "
        "picture is the face that the regression predicts, varied",
        group=_PICTURES,
        minimum=0,
    )
    batch_size: int = option(
        32, help="the largest number of pictures that are optimised together", group=_RUN, minimum=1
    )
    knowledge: KnowledgeName = option(
        "public-faces",
        help="what pictures are made of besides the network: public-faces uses the mean face, the principal "
        "components of faces and what was measured on faces, weights uses nothing of faces",
        group=_PICTURES,
    )
    judge: bool = option(
        False,
        help="compare one picture of each identity also by a network that was not inverted, with shipped "
        "references of the classes and the people of --known",
        group=_RUN,
    )
    format: FormatName = option(
        "folder",
        help="how pictures are written: a folder for each identity, or WebDataset's tar files",
        group=_RUN,
    )
    seed: int = option(0, help="the seed of all random numbers", group=_RUN, minimum=0, maximum=2**63 - 1)

    def __post_init__(self) -> None:
        check(self)
