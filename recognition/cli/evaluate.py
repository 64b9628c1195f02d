"""`evaluate`: metrics on identities that a network was not trained on."""

import argparse
import json
from pathlib import Path
from typing import Any

from recognition.cli import protocols
from recognition.cli.arguments import STYLE, add_fpir, add_people, embed_people, held_out, load_model
from recognition.terminal import add_strict, report_left_out

#: The kinds of metrics; the first is the default.
MEASURES = ("verification", "identification", "angles", "templates", "films", "distractors")


def add_parser(commands: Any) -> None:
    """Add the command's parsers."""
    parser = commands.add_parser(
        "evaluate",
        help=(
            "measure a network: verification (the default), identification, angles, and the field's protocols"
        ),
        description="Compute metrics on identities that the network was not trained on. The default is "
        "verification.",
    )
    measures = parser.add_subparsers(dest="measure", required=True, metavar="MEASURE")

    verification = measures.add_parser(
        "verification",
        help="pair accuracy, equal error rate, true accept rate (TAR) at false match rates (FMR)",
        **STYLE,
    )
    add_people(verification)
    add_strict(verification)
    verification.add_argument(
        "--pairs",
        metavar="FILE",
        default=None,
        help="a pair list in the format of LFW (Labeled Faces in the Wild)",
    )
    verification.add_argument(
        "--fmr",
        type=float,
        metavar="X",
        nargs="+",
        help="false match rates (default: those of 0.01 and 0.001 that there are enough people for)",
    )
    verification.add_argument(
        "--intervals",
        action="store_true",
        help="add 95 %% intervals over identities, which a verification set (.bin) always has",
    )
    verification.add_argument(
        "--curve",
        metavar="FILE",
        help="file of the receiver operating characteristic (ROC) and the thresholds as JSON, for "
        "'plots' and --calibration",
    )
    verification.set_defaults(run=_verification)

    identification = measures.add_parser(
        "identification",
        help="top-N and cumulative match characteristic (CMC) of a gallery, and false negative at "
        "false positive identification rates (FNIR at FPIR)",
        **STYLE,
    )
    add_people(identification)
    add_strict(identification)
    add_fpir(identification)
    identification.add_argument("--top", type=int, metavar="N", default=20, help="length of the longest list")
    identification.add_argument("--curve", metavar="FILE", help="file of the CMC as JSON, for 'plots'")
    identification.set_defaults(run=_identification)

    angles = measures.add_parser(
        "angles",
        help="angles in degrees between class weights (W) and embedding centres (EC), and within and between "
        "classes: W-EC, W-Inter, Intra, Inter",
        **STYLE,
    )
    add_people(angles)
    add_strict(angles)
    angles.set_defaults(run=_angles)
    protocols.add_parsers(measures)


def with_measure(arguments: list[str]) -> list[str]:
    """Return the command line with the default kind of metrics: `evaluate verification ALIGNED`."""
    if arguments[:1] == ["evaluate"] and not {*MEASURES, "-h", "--help"} & set(arguments[1:2]):
        return ["evaluate", MEASURES[0], *arguments[1:]]
    return arguments


def _verification(options: argparse.Namespace) -> int:
    if Path(options.data).suffix.lower() == ".bin":
        return protocols.verification_set(options)
    from recognition.metrics.calibration import measured_with
    from recognition.metrics.curves import describe_curve
    from recognition.metrics.evaluate import embed_identities
    from recognition.metrics.verification import describe_verification, verify

    recogniser = load_model(options)
    only = held_out(recogniser, options.all or options.pairs is not None)
    embedded = embed_identities(
        recogniser, options.data, only=only, pairs=options.pairs, device=options.device, flip=options.flip
    )
    metrics = verify(
        embedded.embeddings,
        embedded.labels,
        pairs=embedded.pairs,
        fmrs=None if options.fmr is None else tuple(options.fmr),
        # The thresholds of a curve's file have theirs.
        intervals=options.intervals or options.curve is not None,
    )
    print(json.dumps(describe_verification(metrics)))
    if options.curve:
        chart = describe_curve(recogniser.name, metrics)
        _write_json(options.curve, chart | measured_with(recogniser, options.flip))
    return report_left_out(embedded.left_out, strict=options.strict)


def _identification(options: argparse.Namespace) -> int:
    from recognition.metrics.identification import describe_identification, identify

    recogniser = load_model(options)
    embedded = embed_people(options, recogniser)
    metrics = identify(embedded.embeddings, embedded.labels, fpirs=tuple(options.fpir), longest=options.top)
    print(json.dumps(describe_identification(metrics)))
    if options.curve:
        chart = {"name": recogniser.name, "cmc": metrics.cmc.tolist(), "gallery": metrics.gallery}
        _write_json(options.curve, chart)
    return report_left_out(embedded.left_out, strict=options.strict)


def _angles(options: argparse.Namespace) -> int:
    import numpy as np

    from recognition.metrics.angles import describe_angles, measure_angles
    from recognition.metrics.evaluate import embed_identities

    recogniser = load_model(options)
    only = held_out(recogniser, options.all)
    if options.all and recogniser.class_names is not None:
        # Only identities of the training have a class centre.
        only = frozenset(recogniser.class_names)
    embedded = embed_identities(recogniser, options.data, only=only, device=options.device, flip=options.flip)
    # Identities without a face that could be read have no angle.
    present, labels = np.unique(embedded.labels, return_inverse=True)
    names = [embedded.names[index] for index in present]
    centres = None
    if options.all and recogniser.centres is not None and recogniser.class_names is not None:
        index_of = {name: index for index, name in enumerate(recogniser.class_names)}
        centres = recogniser.centres[[index_of[name] for name in names]].cpu().numpy()
    print(json.dumps(describe_angles(measure_angles(embedded.embeddings, labels, centres))))
    return report_left_out(embedded.left_out, strict=options.strict)


def _write_json(path: str, content: dict[str, Any]) -> None:
    from recognition.images import atomic_path

    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content))
    print(f"Wrote {path}")
