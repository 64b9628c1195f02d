"""`plots`: pictures of heads, trainings and measures."""

import argparse
from typing import TYPE_CHECKING, Any

from recognition.cli.arguments import STYLE, add_device, add_model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Identities of the toy, and images of each at most.
TOY_PEOPLE, TOY_IMAGES = 8, 30


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("plots", help="pictures as PNG and SVG")
    kinds = parser.add_subparsers(dest="kind", required=True, metavar="KIND")

    _add(kinds, "logits", "target-logit curves of every margin", lambda _: _drawn("draw_logits"))
    _add(kinds, "decisions", "decision margins of two classes", lambda _: _drawn("draw_decisions"))

    toy = _add(kinds, "toy", "eight identities in two dimensions under three heads", _toy)
    toy.add_argument("data", metavar="ALIGNED", help="a folder per identity, made by align, or a list")
    add_model(toy)
    add_device(toy)

    thetas = _add(kinds, "thetas", "angles at the start, the middle and the end of a training", _thetas)
    thetas.add_argument("training", metavar="DIR", help="what train wrote")

    for name, text in (("roc", "TAR over the logarithm of FAR"), ("cmc", "Top-N over N")):
        curves = _add(kinds, name, text, _curves)
        curves.add_argument("curves", nargs="+", metavar="FILE", help="of 'evaluate ... --curve'")


def _add(kinds: Any, name: str, text: str, draw: Any) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = kinds.add_parser(name, help=text, **STYLE)
    parser.add_argument("--out", metavar="STEM", default=name, help="written to STEM.png and STEM.svg")
    parser.set_defaults(run=_run, draw=draw)
    return parser


def _run(options: argparse.Namespace) -> int:
    from recognition.plots import save_figure

    for path in save_figure(options.draw(options), options.out):
        print(f"Wrote {path}")
    return 0


def _drawn(name: str) -> "Figure":
    from recognition import plots

    drawn: Figure = getattr(plots, name)()
    return drawn


def _thetas(options: argparse.Namespace) -> "Figure":
    from recognition.plots import draw_thetas, read_thetas

    return draw_thetas(read_thetas(options.training))


def _curves(options: argparse.Namespace) -> "Figure":
    from recognition.plots import draw_cmcs, draw_rocs, read_curve

    if options.kind == "roc":
        return draw_rocs([read_curve(path, "far") for path in options.curves])
    return draw_cmcs([read_curve(path, "cmc") for path in options.curves])


def _toy(options: argparse.Namespace) -> "Figure":
    import torch

    from recognition.cli.arguments import held_out
    from recognition.data.dataset import labelled
    from recognition.data.embedding import embed_files
    from recognition.data.sources import open_source
    from recognition.errors import InputError
    from recognition.loading import load
    from recognition.plots import draw_toy
    from recognition.runtime import choose_device

    recogniser = load(options.model).to(choose_device(options.device))
    source = open_source(options.data)
    only = held_out(recogniser, everyone=False)
    people = {name: keys for name, keys in source.identities.items() if only is None or name in only}
    names = sorted(sorted(people, key=lambda name: (-len(people[name]), name))[:TOY_PEOPLE])
    if len(names) < TOY_PEOPLE:
        raise InputError(f"{options.data}: expected at least {TOY_PEOPLE} identities, found {len(names)}")
    samples = labelled({name: people[name][:TOY_IMAGES] for name in names})
    features = torch.from_numpy(embed_files(recogniser, [key for key, _ in samples], read=source.read))
    labels = torch.tensor([label for _, label in samples])
    return draw_toy(features, labels, [name.replace("_", " ") for name in names])
