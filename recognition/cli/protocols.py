"""The kinds of `evaluate` that are protocols: verification sets, templates, films and distractors."""

import argparse
import json
import os
from typing import TYPE_CHECKING, Any

from recognition.cli.arguments import (
    STYLE,
    add_data,
    add_device,
    add_flip,
    add_fpir,
    add_model,
    held_out,
    load_model,
)
from recognition.terminal import add_strict, report_left_out

if TYPE_CHECKING:
    from recognition.metrics.protocols import Computation


def add_parsers(measures: Any) -> None:
    """Add a parser of each protocol that has one of its own."""
    templates = measures.add_parser(
        "templates",
        help="IJB-B and IJB-C: verification (TAR at FMR) and identification (FNIR at FPIR) of sets of images",
        **STYLE,
    )
    templates.add_argument(
        "folder", metavar="IJB", help="the folder with loose_crop/ and meta/ as InsightFace distributes it"
    )
    _add_computation(templates)
    _add_fmr(templates)
    add_fpir(templates)
    templates.add_argument(
        "--unweighted",
        action="store_true",
        help="count all images alike; without it an image counts by the detector's score",
    )
    templates.add_argument(
        "--features",
        metavar="FILE.npy",
        help="embeddings of the protocol's images, in its order, in place of the network's",
    )
    templates.set_defaults(run=_templates)

    films = measures.add_parser(
        "films", help="YouTube Faces (YTF): accuracy and TAR at FMR of pairs of films", **STYLE
    )
    films.add_argument("folder", metavar="FRAMES", help="folders PERSON/FILM with frames in them")
    films.add_argument(
        "--pairs",
        metavar="FILE",
        required=True,
        help="the list of pairs (splits.txt): fold, number, film, film, 0 or 1",
    )
    films.add_argument("--frames", metavar="N", type=int, help="most frames of a film (default: all)")
    _add_computation(films)
    _add_fmr(films)
    films.set_defaults(run=_films)

    distractors = measures.add_parser(
        "distractors",
        help="MegaFace: the rank-one rate over the number of distractors in the gallery",
        **STYLE,
    )
    add_data(distractors, "The probes, people with two images or more")
    distractors.add_argument(
        "--distractors",
        metavar="ALIGNED",
        required=True,
        help="faces of other people in any of these forms, or a .npy file of their templates",
    )
    distractors.add_argument(
        "--sizes",
        metavar="N",
        type=int,
        nargs="+",
        help="numbers of distractors (default: powers of ten, and all)",
    )
    distractors.add_argument(
        "--all", action="store_true", help="include the probes that the network was trained on"
    )
    _add_computation(distractors)
    distractors.set_defaults(run=_distractors)


def _add_computation(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    add_flip(parser)
    add_device(parser)
    add_strict(parser)


def _add_fmr(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--fmr",
        type=float,
        metavar="X",
        nargs="+",
        help="false match rates (default: those from 1e-6 to 0.1 that there are enough pairs for)",
    )


def _computation(options: argparse.Namespace) -> "Computation":
    from recognition.metrics.protocols import Computation

    return Computation(options.device, options.flip)


def verification_set(options: argparse.Namespace) -> int:
    """Run `evaluate verification` on a verification set (`.bin`)."""
    from recognition.errors import InputError
    from recognition.images import atomic_path
    from recognition.metrics.calibration import measured_with
    from recognition.metrics.curves import describe_curve
    from recognition.metrics.pair_lists import describe_pairs
    from recognition.metrics.protocols import evaluate_verification_set

    if options.pairs is not None:
        raise InputError("pairs: expected none with a verification set, which has its own; leave out --pairs")
    if options.all:
        raise InputError(
            "all: expected none with a verification set, which names nobody and is measured whole; leave out "
            "--all"
        )
    recogniser = load_model(options)
    metrics, left_out = evaluate_verification_set(
        recogniser, options.data, fmrs=options.fmr, computation=_computation(options)
    )
    print(json.dumps(describe_pairs(metrics)))
    if options.curve:
        chart = describe_curve(recogniser.name, metrics)
        with atomic_path(options.curve) as temporary:
            temporary.write_text(json.dumps(chart | measured_with(recogniser, options.flip)))
        print(f"Wrote {options.curve}")
    return report_left_out(left_out, strict=options.strict)


def _templates(options: argparse.Namespace) -> int:
    from recognition.metrics.template_protocol import describe_templates, evaluate_templates

    evaluation = evaluate_templates(
        load_model(options),
        options.folder,
        fmrs=options.fmr,
        fpirs=tuple(options.fpir),
        weigh=not options.unweighted,
        features=options.features,
        computation=_computation(options),
    )
    print(json.dumps(describe_templates(evaluation)))
    return report_left_out(evaluation.left_out, strict=options.strict)


def _films(options: argparse.Namespace) -> int:
    from recognition.metrics.pair_lists import describe_pairs
    from recognition.metrics.protocols import evaluate_films

    metrics, left_out, missing = evaluate_films(
        load_model(options),
        options.folder,
        options.pairs,
        frames=options.frames,
        fmrs=options.fmr,
        computation=_computation(options),
    )
    print(json.dumps({**describe_pairs(metrics), "pairs_left_out": missing}))
    return report_left_out(left_out, strict=options.strict)


def _distractors(options: argparse.Namespace) -> int:
    from recognition.errors import InputError
    from recognition.metrics.distractors import describe_distractors
    from recognition.metrics.protocols import evaluate_distractors

    if os.path.realpath(options.data) == os.path.realpath(options.distractors):
        raise InputError("distractors: expected other people than the probes, got the same path")
    recogniser = load_model(options)
    curve, left_out = evaluate_distractors(
        recogniser,
        options.data,
        options.distractors,
        sizes=options.sizes,
        only=held_out(recogniser, options.all),
        computation=_computation(options),
    )
    print(json.dumps(describe_distractors(curve)))
    return report_left_out(left_out, strict=options.strict)
