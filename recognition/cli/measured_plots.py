"""The kinds of `plots` that measure a network: angles of pairs, mistakes, confusion matrices and pooling."""

import argparse
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from recognition.cli.arguments import (
    add_data,
    add_device,
    add_flip,
    add_model,
    add_people,
    embed_people,
    held_out,
    load_model,
)
from recognition.terminal import add_strict

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from recognition.metrics.comparisons import Comparisons
    from recognition.metrics.evaluate import LabelledEmbeddings
    from recognition.recogniser import Recogniser

#: Adds the parser of a kind of plot: kinds, name, help, and the function that draws it.
Add = Callable[[Any, str, str, "Callable[[argparse.Namespace], Figure]"], argparse.ArgumentParser]


def add_parsers(kinds: Any, add: Add) -> None:
    """Add the parsers of all kinds of plots that measure a network.

    Args:
        kinds: The subparsers of `plots`.
        add: Adds one of them.
    """
    pairs = add(kinds, "pairs", "Histograms of the angles of mated and nonmated pairs, and overlap", _pairs)
    pairs.add_argument(
        "data",
        nargs="+",
        metavar="DATA",
        help="verification sets (.bin), or aligned faces: a folder per identity, a list, records, shards or "
        "Parquet; each has a panel",
    )
    add_model(pairs)
    pairs.add_argument(
        "--all", action="store_true", help="include the identities that the network was trained on"
    )
    add_flip(pairs)
    add_device(pairs)
    add_strict(pairs)
    _add_pairs(pairs)

    mistakes = add(kinds, "mistakes", "The pairs of photographs that the network mistakes most", _mistakes)
    _add_faces(mistakes)
    _add_pairs(mistakes)
    _add_threshold(mistakes)
    mistakes.add_argument("--most", type=int, default=6, metavar="N", help="most pairs of each kind")

    confusion = add(
        kinds, "confusion", "Confusion matrices of verification and of identification", _confusion
    )
    _add_faces(confusion)
    _add_pairs(confusion)
    _add_threshold(confusion)
    confusion.add_argument(
        "--fpir",
        type=float,
        metavar="X",
        default=0.1,
        help="false positive identification rate (FPIR) of the threshold of identification",
    )
    confusion.add_argument(
        "--shown", type=int, default=12, metavar="N", help="how many people have a row of their own"
    )

    subcentres = add(
        kinds,
        "subcentres",
        "Angles of training images to the dominant centre, by the centre they are nearest to",
        _subcentres,
    )
    add_data(subcentres, "The faces that the network was trained on")
    add_model(subcentres)
    add_device(subcentres)
    add_strict(subcentres)
    subcentres.add_argument(
        "--max-angle",
        type=float,
        metavar="X",
        default=75.0,
        help="angle in degrees that is marked: beyond it, 'clean' drops an image",
    )

    pooling = add(
        kinds, "pooling", "What a template of several photographs gains over one photograph", _pooling
    )
    _add_faces(pooling)
    pooling.add_argument(
        "--fmr", type=float, metavar="X", default=1e-3, help="false match rate (FMR) of the threshold"
    )
    pooling.add_argument(
        "--photographs",
        type=int,
        nargs="+",
        metavar="N",
        default=[1, 2, 3, 5, 8],
        help="numbers of photographs in a template",
    )


def _add_faces(parser: argparse.ArgumentParser) -> None:
    add_people(parser)
    add_strict(parser)


def _add_pairs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pairs", metavar="FILE", help="a pair list in the format of LFW (Labeled Faces in the Wild)"
    )


def _add_threshold(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fmr",
        type=float,
        metavar="X",
        default=1e-3,
        help="false match rate (FMR) of the threshold, which is measured on these pairs",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="X",
        help="similarity above which a pair is accepted, in place of --fmr's",
    )


def _compare(options: argparse.Namespace, recogniser: "Recogniser", data: str) -> "Comparisons":
    from recognition.metrics.comparisons import compare
    from recognition.metrics.protocols import Computation

    compared = compare(
        recogniser,
        data,
        only=held_out(recogniser, options.all or options.pairs is not None),
        pairs=options.pairs,
        computation=Computation(options.device, options.flip),
    )
    options.left_out = (*options.left_out, *compared.left_out)
    return compared


def _check_threshold(options: argparse.Namespace) -> None:
    """Refuse a threshold that is no similarity before faces are embedded."""
    from recognition.errors import InputError

    if options.threshold is not None and not -1 <= options.threshold <= 1:
        raise InputError(
            f"threshold: expected a similarity from -1 to 1, got {options.threshold:g}; give another"
        )


def _threshold(options: argparse.Namespace, compared: "Comparisons") -> float:
    """Return the threshold that the options give, or that of their false match rate."""
    from recognition.metrics.pair_lists import verify_pairs
    from recognition.metrics.thresholds import require_people

    if options.threshold is not None:
        return float(options.threshold)
    if compared.names is not None:
        require_people(options.fmr, len(compared.names))
    return verify_pairs(compared.similarities, compared.pairs, fmrs=(options.fmr,)).points[0].threshold


def _pairs(options: argparse.Namespace) -> "Figure":
    from recognition.metrics.pair_angles import describe_pair_angles, measure_pair_angles
    from recognition.plots.pair_angles import draw_pair_angles

    recogniser = load_model(options)
    sets = [measure_pair_angles(_compare(options, recogniser, data)) for data in options.data]
    for angles in sets:
        print(json.dumps(describe_pair_angles(angles)))
    return draw_pair_angles(sets, recogniser.name)


def _mistakes(options: argparse.Namespace) -> "Figure":
    from recognition.metrics.mistakes import find_mistakes
    from recognition.plots.mistakes import draw_mistakes

    _check_threshold(options)
    recogniser = load_model(options)
    compared = _compare(options, recogniser, options.data)
    mistakes = find_mistakes(compared, _threshold(options, compared), most=options.most)
    for kind, pairs in (("false match", mistakes.false_matches), ("false reject", mistakes.false_rejects)):
        for pair in pairs:
            print(f"{kind}: similarity {pair.similarity:.3f}: {pair.keys[0]} {pair.keys[1]}")
    return draw_mistakes(mistakes, compared.read, title=f"{recogniser.name} on {compared.name}")


def _confusion(options: argparse.Namespace) -> "Figure":
    from pathlib import Path

    from recognition.metrics.comparisons import compare_embedded
    from recognition.metrics.confusion import confuse_pairs, confuse_people, describe_confusion
    from recognition.plots.confusion import draw_confusion

    _check_threshold(options)
    recogniser = load_model(options)
    people = None
    if Path(options.data).suffix.lower() == ".bin" or options.pairs is not None:
        # Pairs alone: a list does not say who is enrolled.
        compared = _compare(options, recogniser, options.data)
    else:
        embedded = _embed(options, recogniser)
        compared = compare_embedded(Path(options.data).stem, embedded)
        people = confuse_people(
            embedded.embeddings, embedded.labels, embedded.names, fpir=options.fpir, shown=options.shown
        )
    pairs = confuse_pairs(compared, _threshold(options, compared))
    print(json.dumps(describe_confusion(pairs, people)))
    return draw_confusion(pairs, people)


def _subcentres(options: argparse.Namespace) -> "Figure":
    from recognition.data.sources import open_source
    from recognition.plots.subcentres import draw_subclasses, subclass_angles
    from recognition.runtime import choose_device
    from recognition.training.cleaning import clean

    recogniser = load_model(options).to(choose_device(options.device))
    cleaning, keys, labels, left_out = clean(
        recogniser, open_source(options.data), max_angle=options.max_angle, takes_one_centre=True
    )
    options.left_out = left_out
    angles = subclass_angles(recogniser.name, cleaning, labels)
    shares = {
        name: {"images": len(own), "mean_angle": round(float(own.mean()), 2)}
        for name, (own, _) in angles.groups().items()
    }
    print(json.dumps({"images": len(keys), "beyond_max_angle": int((~cleaning.kept).sum()), **shares}))
    return draw_subclasses([angles], max_angle=options.max_angle)


def _pooling(options: argparse.Namespace) -> "Figure":
    from recognition.metrics.pooling import describe_pooling, measure_pooling
    from recognition.plots.pooling import draw_pooling

    embedded = _embed(options, load_model(options))
    points = measure_pooling(embedded.embeddings, embedded.labels, fmr=options.fmr, sizes=options.photographs)
    for row in describe_pooling(points, options.fmr):
        print(json.dumps(row))
    return draw_pooling(points, options.fmr)


def _embed(options: argparse.Namespace, recogniser: "Recogniser") -> "LabelledEmbeddings":
    embedded = embed_people(options, recogniser)
    options.left_out = embedded.left_out
    return embedded
