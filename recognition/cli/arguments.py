"""Arguments that several commands have."""

import argparse
from typing import TYPE_CHECKING, Any, get_args

from recognition.config import add_arguments, gather
from recognition.network_options import OF_CENTRES, NetworkOptions
from recognition.options import Detector

if TYPE_CHECKING:
    from recognition.metrics.evaluate import LabelledEmbeddings
    from recognition.recogniser import Recogniser


class DefaultsFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows the default of each option, but for one without a value or whose help says it."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        if action.default is None or "(default" in (action.help or ""):
            return action.help
        return super()._get_help_string(action)


#: Keyword arguments of every parser, so that its help shows the defaults.
STYLE: dict[str, Any] = {"formatter_class": DefaultsFormatter}


def add_data(parser: argparse.ArgumentParser, text: str = "The aligned faces") -> None:
    """Add the positional argument of labelled aligned faces."""
    text = (
        f"{text}: a folder per identity, as written by the align command; a list in a .csv file; a record "
        f"set "
        "(its folder or .rec file); WebDataset shards (.tar); or .parquet files"
    )
    parser.add_argument("data", metavar="ALIGNED", help=text)


def add_detector(parser: argparse.ArgumentParser) -> None:
    """Add `--detector`."""
    parser.add_argument(
        "--detector",
        default="hog",
        choices=get_args(Detector),
        help="how faces are found: 'hog' takes a fraction of a second; 'cnn' adds the faces that only dlib's "
        "convolutional network finds (in profile, partly covered) and takes seconds (default: %(default)s)",
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """Add `--device`."""
    parser.add_argument(
        "--device",
        default="auto",
        metavar="DEVICE",
        help="the device that computes: cpu, mps, cuda, or cuda:N of several cards; auto is CUDA, then MPS, "
        "then the CPU",
    )


def add_model(parser: argparse.ArgumentParser, *, required: str | None = None) -> None:
    """Add `--model`, `--preset` and `--output`; see `load_model`.

    Args:
        parser: Where to add them.
        required: The help of `--model` where it must be given; None takes the bundled network by default.
    """
    if required is not None:
        parser.add_argument("--model", required=True, metavar="MODEL", help=required)
    exclude = OF_CENTRES if required is None else (*OF_CENTRES, "model")
    add_arguments(parser, NetworkOptions, exclude=exclude)


def load_model(options: argparse.Namespace) -> "Recogniser":
    """Return the network that the arguments of `add_model` choose.

    Raises:
        InputError: If it cannot be loaded.
    """
    from recognition.loading import load

    given = gather(NetworkOptions, options)
    return load(NetworkOptions(**{name: given[name] for name in given if name not in OF_CENTRES}).choice())


def add_people(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say whose faces are measured, and with which network."""
    add_data(parser)
    add_model(parser)
    parser.add_argument(
        "--all", action="store_true", help="include the identities that the network was trained on"
    )
    add_flip(parser)
    add_device(parser)


def add_fpir(parser: argparse.ArgumentParser) -> None:
    """Add the option for the rates that identification is measured at."""
    parser.add_argument(
        "--fpir",
        type=float,
        metavar="X",
        nargs="+",
        default=[0.1, 0.01],
        help="false positive identification rates",
    )


def add_flip(parser: argparse.ArgumentParser) -> None:
    """Add `--flip`."""
    parser.add_argument(
        "--flip",
        default="average",
        choices=["average", "concatenate", "none"],
        help="how the embedding of the mirror image is used",
    )


def held_out(recogniser: "Recogniser", everyone: bool) -> frozenset[str] | None:
    """Return the identities that a network was not trained on, or None for all identities.

    Args:
        recogniser: The network; only those that the train command wrote say what they were trained on.
        everyone: Whether all identities are wanted.
    """
    from recognition.checkpoint import load_split

    split = load_split(recogniser.source.path)
    return frozenset(split["held_out"]) if split and not everyone else None


def embed_people(options: argparse.Namespace, recogniser: "Recogniser") -> "LabelledEmbeddings":
    """Return the embeddings of the people whom the arguments of `add_people` choose."""
    from recognition.metrics.evaluate import embed_identities

    return embed_identities(
        recogniser,
        options.data,
        only=held_out(recogniser, options.all),
        device=options.device,
        flip=options.flip,
    )
