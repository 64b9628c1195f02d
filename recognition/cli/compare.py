"""`compare`, `identify` and `track`: verdicts on photographs and films."""

import argparse
from pathlib import Path
from typing import Any

from recognition.cli.arguments import STYLE, add_detector, add_device, add_model, load_model
from recognition.terminal import INTERRUPTED, add_strict, report_left_out


def add_parser(commands: Any) -> None:
    """Add the three commands' parsers."""
    compare = commands.add_parser("compare", help="compare two photographs: similarity and verdict", **STYLE)
    compare.add_argument("first", metavar="A", help="a photograph, or an aligned 112x112 crop")
    compare.add_argument("second", metavar="B", help="another photograph or crop")
    compare.add_argument(
        "--out", metavar="FILE", default="compare.png", help="picture of both aligned crops side by side"
    )
    _add_verdict(compare)
    compare.set_defaults(run=_compare)

    identify = commands.add_parser("identify", help="search a photograph in a gallery: ranked list", **STYLE)
    identify.add_argument("probe", metavar="PROBE", help="a photograph, or an aligned 112x112 crop")
    identify.add_argument(
        "--gallery",
        required=True,
        metavar="DIR",
        help="a folder with one folder per identity, or a folder of photographs, one per identity",
    )
    identify.add_argument("--top", type=int, metavar="N", default=10, help="length of the list")
    add_strict(identify)
    _add_verdict(identify)
    identify.set_defaults(run=_identify)

    track = commands.add_parser("track", help="track identities through a film or a camera", **STYLE)
    track.add_argument("video", metavar="VIDEO", help="a film, or the number of a camera (Ctrl-C ends it)")
    track.add_argument("--out", required=True, metavar="DIR", help="folder of marked.mp4 and appearances.csv")
    track.add_argument("--every", type=int, metavar="N", default=1, help="detect faces in every n-th frame")
    track.add_argument(
        "--frames", type=int, metavar="N", default=None, help="most frames in which faces are detected"
    )
    track.add_argument(
        "--small-faces",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="also search each frame enlarged, which finds faces below 73 of 1,024 pixels and takes most of "
        "the time",
    )
    _add_verdict(track)
    track.set_defaults(run=_track)


def _add_verdict(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument(
        "--fmr", type=float, metavar="X", default=1e-3, help="false match rate (FMR) of the verdict"
    )
    parser.add_argument(
        "--calibration",
        metavar="FILE",
        default=None,
        help="the network's thresholds, of 'evaluate verification --curve'; the bundled network has them",
    )
    parser.add_argument(
        "--threshold",
        type=float,
        metavar="X",
        default=None,
        help="similarity from -1 to 1 above which two faces are one identity, in place of the threshold at "
        "--fmr",
    )
    add_detector(parser)
    add_device(parser)


def _compare(options: argparse.Namespace) -> int:
    from recognition.data.faces import read_face
    from recognition.errors import InputError
    from recognition.files import refuse_input
    from recognition.gallery import side_by_side, templates
    from recognition.images import write_png
    from recognition.metrics.calibration import choose_verdict
    from recognition.runtime import choose_device

    if Path(options.out).suffix.lower() != ".png":
        raise InputError(f"{options.out}: expected a file that ends in .png; rename --out")
    refuse_input(options.out, options.first, options.second)
    recogniser = load_model(options).to(choose_device(options.device))
    verdict = choose_verdict(recogniser, options.calibration, fmr=options.fmr, threshold=options.threshold)
    crops = [
        read_face(path, pick="largest", detector=options.detector) for path in (options.first, options.second)
    ]
    first, second = templates(recogniser, crops)
    similarity = float(first @ second)
    write_png(options.out, side_by_side(*crops))
    print(f"similarity {similarity:.3f}: {verdict.of(similarity)}")
    print(f"Wrote {options.out}")
    return 0


def _identify(options: argparse.Namespace) -> int:
    from recognition.data.faces import read_face
    from recognition.errors import InputError
    from recognition.gallery import enrol, rank, templates
    from recognition.metrics.calibration import choose_verdict
    from recognition.runtime import choose_device

    if options.top < 1:
        raise InputError(f"top: expected 1 or more, got {options.top}")
    recogniser = load_model(options).to(choose_device(options.device))
    verdict = choose_verdict(recogniser, options.calibration, fmr=options.fmr, threshold=options.threshold)
    probe = read_face(options.probe, pick="largest", detector=options.detector)
    template = templates(recogniser, [probe])[0]
    gallery = enrol(recogniser, options.gallery, detector=options.detector)
    matches = rank(template, gallery, top=options.top)
    print("rank similarity accepted identity (photograph)")
    for number, match in enumerate(matches, 1):
        accepted = {True: "yes", False: "no", None: "-"}[verdict.accepts(match.similarity)]
        print(f"{number:4} {match.similarity:10.3f} {accepted:>8} {match.identity} ({match.photograph.name})")
    entries, people = len(gallery.identities), len(set(gallery.identities))
    print(
        f"{entries} photographs of {people} identities; {verdict.rule()}; {len(gallery.left_out)} "
        "photographs left out"
    )
    return report_left_out(gallery.left_out, strict=options.strict)


def _track(options: argparse.Namespace) -> int:
    from recognition.detection.tracking import track
    from recognition.metrics.calibration import choose_verdict, no_calibration
    from recognition.runtime import choose_device

    recogniser = load_model(options).to(choose_device(options.device))
    verdict = choose_verdict(recogniser, options.calibration, fmr=options.fmr, threshold=options.threshold)
    threshold = verdict.threshold
    if threshold is None:
        raise no_calibration(recogniser)
    result = track(
        recogniser,
        options.video,
        options.out,
        threshold=threshold,
        every=options.every,
        most_frames=options.frames,
        small=options.small_faces,
        detector=options.detector,
    )
    print(
        f"{result.frames} frames, {result.appearances} appearances of {result.identities} identities at "
        f"threshold {threshold:.3f}{', ended early' if result.interrupted else ''}"
    )
    print(f"Wrote {options.out}/marked.mp4 and {options.out}/appearances.csv")
    return INTERRUPTED if result.interrupted else 0
