"""Options that several commands have."""

import argparse
from typing import TYPE_CHECKING, Any, get_args

from recognition.options import DeviceName

if TYPE_CHECKING:
    from recognition.recogniser import Recogniser

#: Every parser shows the defaults of its options.
STYLE: dict[str, Any] = {"formatter_class": argparse.ArgumentDefaultsHelpFormatter}


def add_device(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--device", default="auto", choices=get_args(DeviceName), help="where to compute")


def add_model(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", default="lfw-iresnet18", help="the bundled network or a file")


def add_people(parser: argparse.ArgumentParser) -> None:
    """Whose faces are measured, and by which network."""
    parser.add_argument("data", metavar="ALIGNED", help="a folder per identity, made by align, or a list")
    add_model(parser)
    parser.add_argument("--all", action="store_true", help="also identities that the network was trained on")
    add_flip(parser)
    add_device(parser)


def add_flip(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--flip",
        default="average",
        choices=["average", "concatenate", "none"],
        help="what becomes of the mirror image's embedding",
    )


def held_out(recogniser: "Recogniser", everyone: bool) -> frozenset[str] | None:
    """The identities that a network of ours was not trained on; None stands for all there are."""
    from recognition.checkpoint import load_notes

    path = recogniser.source.path
    split = load_notes(path).get("split", {}) if path.endswith(".safetensors") else {}
    return frozenset(split["held_out"]) if split and not everyone else None
