"""The `plots` command: figures of heads, trainings and measurements."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from recognition.cli import measured_plots
from recognition.cli.arguments import STYLE, add_data, add_device, add_model, load_model
from recognition.terminal import report_left_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Number of identities in the two-dimensional example.
TOY_PEOPLE = 8
#: Largest number of images of each of them.
TOY_IMAGES = 30


def add_parser(commands: Any) -> None:
    """Add the parser of `plots` and one of each kind of plot."""
    parser = commands.add_parser("plots", help="draw figures as PNG and SVG")
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")

    _add(kinds, "logits", "The target logit of every head as a function of the angle", _logits)
    _add(kinds, "decisions", "The decision regions of two classes under six heads", _decisions)

    toy = _add(kinds, "toy", "Two-dimensional embeddings of eight identities under several losses", _toy)
    add_data(toy)
    add_model(toy)
    add_device(toy)
    _add_panels(toy)

    digits = _add(kinds, "digits", "Two-dimensional embeddings of ten digits under several losses", _digits)
    _add_panels(digits)

    angles = _add(kinds, "angles", "Angles to the centres at the start, middle and end of training", _angles)
    angles.add_argument("training", metavar="DIR", help="folder that the train command wrote")

    for name, text in (
        ("roc", "Receiver operating characteristic: true accept rate by false match rate"),
        ("cmc", "Cumulative match characteristic: identification rate by rank"),
    ):
        curves = _add(kinds, name, text, _curves)
        curves.add_argument("curves", nargs="+", metavar="FILE", help="files of 'evaluate ... --curve'")
    measured_plots.add_parsers(kinds, _add)


def _add_panels(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--losses",
        nargs="+",
        metavar="LOSS",
        help="one panel each: a head, and auxiliary losses after a plus, such as 'softmax + "
        "centre:weight=0.1' (default: softmax without and with centre loss, norm-softmax, arcface)",
    )


def _add(
    kinds: Any, name: str, text: str, draw: "Callable[[argparse.Namespace], Figure]"
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = kinds.add_parser(name, help=text, **STYLE)
    parser.add_argument(
        "--out", metavar="STEM", default=name, help="path without ending; STEM.png and STEM.svg are written"
    )
    parser.set_defaults(run=_run, draw=draw, left_out=(), strict=False)
    return parser


def _run(options: argparse.Namespace) -> int:
    from recognition.plots.style import save_figure

    for path in save_figure(options.draw(options), options.out):
        print(f"Wrote {path}")
    return report_left_out(options.left_out, strict=options.strict)


def _logits(options: argparse.Namespace) -> "Figure":
    from recognition.plots.margins import draw_logits

    return draw_logits()


def _decisions(options: argparse.Namespace) -> "Figure":
    from recognition.plots.margins import draw_decisions

    return draw_decisions()


def _angles(options: argparse.Namespace) -> "Figure":
    from recognition.plots.angles import draw_angles, read_angles

    return draw_angles(read_angles(options.training))


def _curves(options: argparse.Namespace) -> "Figure":
    from recognition.plots.curves import draw_cmcs, draw_rocs, read_curve

    if options.kind == "roc":
        return draw_rocs([read_curve(path, "far") for path in options.curves])
    return draw_cmcs([read_curve(path, "cmc") for path in options.curves])


def _toy(options: argparse.Namespace) -> "Figure":
    import torch

    from recognition.cli.arguments import held_out
    from recognition.data.embedding import embed_files
    from recognition.data.keys import labelled
    from recognition.data.sources import open_source
    from recognition.errors import InputError
    from recognition.plots.toy import PANELS, draw_toy
    from recognition.runtime import choose_device

    recogniser = load_model(options).to(choose_device(options.device))
    source = open_source(options.data)
    only = held_out(recogniser, everyone=False)
    people = {name: keys for name, keys in source.identities.items() if only is None or name in only}
    names = sorted(sorted(people, key=lambda name: (-len(people[name]), name))[:TOY_PEOPLE])
    if len(names) < TOY_PEOPLE:
        raise InputError(f"{options.data}: expected at least {TOY_PEOPLE} identities, found {len(names)}")
    samples = labelled({name: people[name][:TOY_IMAGES] for name in names})
    features = torch.from_numpy(embed_files(recogniser, [key for key, _ in samples], read=source.read))
    labels = torch.tensor([label for _, label in samples])
    return draw_toy(
        features, labels, [name.replace("_", " ") for name in names], panels=options.losses or PANELS
    )


def _digits(options: argparse.Namespace) -> "Figure":
    from recognition.plots.toy import PANELS, draw_toy, load_digits

    features, labels, names = load_digits()
    return draw_toy(features, labels, names, panels=options.losses or PANELS)
