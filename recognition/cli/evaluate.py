"""`evaluate`: figures on people that a network was not trained on."""

import argparse
import json
from typing import Any

from recognition.cli.arguments import STYLE, add_people, held_out

#: What can be measured; the first is what `evaluate` alone does.
MEASURES = ("verification", "identification", "angles")


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "evaluate",
        help="verification (the default), identification, angles",
        description="Figures on people that the network was not trained on. Without a measure: verification.",
    )
    measures = parser.add_subparsers(dest="measure", required=True, metavar="MEASURE")

    verification = measures.add_parser("verification", help="pairs: accuracy, ROC, EER, TAR at FARs", **STYLE)
    add_people(verification)
    verification.add_argument("--pairs", metavar="FILE", default=None, help="a pair list in LFW's format")
    verification.add_argument("--far", type=float, nargs="+", default=[1e-2, 1e-3], help="false accept rates")
    verification.add_argument(
        "--intervals", action="store_true", help="95 %% intervals, by bootstrap over identities"
    )
    verification.add_argument(
        "--curve", metavar="FILE", help="the ROC and thresholds as JSON, for 'plots' and as a --calibration"
    )
    verification.set_defaults(run=_verification)

    identification = measures.add_parser(
        "identification", help="a gallery: Top-N, CMC, FNIR at FPIR", **STYLE
    )
    add_people(identification)
    identification.add_argument("--fpir", type=float, nargs="+", default=[0.1, 0.01], help="open-set rates")
    identification.add_argument("--top", type=int, default=20, help="the longest list of the CMC")
    identification.add_argument("--curve", metavar="FILE", help="the CMC as JSON, for 'plots'")
    identification.set_defaults(run=_identification)

    angles = measures.add_parser("angles", help="W-EC, W-Inter, Intra, Inter, degrees", **STYLE)
    add_people(angles)
    angles.set_defaults(run=_angles)


def with_measure(arguments: list[str]) -> list[str]:
    """`evaluate ALIGNED` means `evaluate verification ALIGNED`."""
    if arguments[:1] == ["evaluate"] and not {*MEASURES, "-h", "--help"} & set(arguments[1:2]):
        return ["evaluate", MEASURES[0], *arguments[1:]]
    return arguments


def _verification(options: argparse.Namespace) -> int:
    from recognition.loading import load
    from recognition.metrics.evaluate import embed_people
    from recognition.metrics.verification import describe_curve, describe_verification, verify

    recogniser = load(options.model)
    only = held_out(recogniser, options.all or options.pairs is not None)
    embedded = embed_people(
        recogniser, options.data, only=only, pairs=options.pairs, device=options.device, flip=options.flip
    )
    figures = verify(
        embedded.embeddings,
        embedded.labels,
        pairs=embedded.pairs,
        fmrs=tuple(options.far),
        intervals=options.intervals,
    )
    print(json.dumps(describe_verification(figures)))
    if options.curve:
        chart = describe_curve(recogniser.name, figures)
        _write_json(options.curve, chart | {"model": recogniser.source.sha256, "flip": options.flip})
    return 0


def _identification(options: argparse.Namespace) -> int:
    from recognition.loading import load
    from recognition.metrics.evaluate import embed_people
    from recognition.metrics.identification import describe_identification, identify

    recogniser = load(options.model)
    embedded = embed_people(
        recogniser,
        options.data,
        only=held_out(recogniser, options.all),
        device=options.device,
        flip=options.flip,
    )
    figures = identify(embedded.embeddings, embedded.labels, fpirs=tuple(options.fpir), longest=options.top)
    print(json.dumps(describe_identification(figures)))
    if options.curve:
        chart = {"name": recogniser.name, "cmc": figures.cmc.tolist(), "gallery": figures.gallery}
        _write_json(options.curve, chart)
    return 0


def _angles(options: argparse.Namespace) -> int:
    from recognition.loading import load
    from recognition.metrics.angles import describe_angles, measure_angles
    from recognition.metrics.evaluate import embed_people

    recogniser = load(options.model)
    only = held_out(recogniser, options.all)
    if options.all and recogniser.class_names is not None:
        # Centres are of training identities: these alone have a W-EC.
        only = frozenset(recogniser.class_names)
    embedded = embed_people(recogniser, options.data, only=only, device=options.device, flip=options.flip)
    centres = None
    if options.all and recogniser.centres is not None and recogniser.class_names is not None:
        place = {name: index for index, name in enumerate(recogniser.class_names)}
        centres = recogniser.centres[[place[name] for name in embedded.names]].cpu().numpy()
    print(json.dumps(describe_angles(measure_angles(embedded.embeddings, embedded.labels, centres))))
    return 0


def _write_json(path: str, content: dict[str, Any]) -> None:
    from recognition.images import atomic_path

    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content))
    print(f"Wrote {path}")
