"""`compare`, `identify` and `track`: what a recogniser says of photographs and films."""

import argparse
from typing import Any

from recognition.cli.arguments import STYLE, add_device, add_model


def add_parser(commands: Any) -> None:
    compare = commands.add_parser("compare", help="two photographs: similarity and verdict", **STYLE)
    compare.add_argument("first", metavar="A", help="a photograph, or a 112x112 crop")
    compare.add_argument("second", metavar="B", help="another")
    compare.add_argument(
        "--out", metavar="FILE", default="compare.png", help="both aligned crops side by side"
    )
    _add_verdict(compare)
    compare.set_defaults(run=_compare)

    identify = commands.add_parser("identify", help="a photograph among many: ranked list", **STYLE)
    identify.add_argument("probe", metavar="PROBE", help="a photograph, or a 112x112 crop")
    identify.add_argument(
        "--gallery", required=True, metavar="DIR", help="a folder per identity, or one folder"
    )
    identify.add_argument("--top", type=int, default=10, help="length of the list")
    _add_verdict(identify)
    identify.set_defaults(run=_identify)

    track = commands.add_parser("track", help="a film: who appears where, by numbers", **STYLE)
    track.add_argument("video", metavar="VIDEO", help="a film, or the number of a camera (Ctrl-C ends it)")
    track.add_argument("--out", required=True, metavar="DIR", help="marked.mp4 and appearances.csv")
    track.add_argument("--every", type=int, default=1, help="looks at every n-th frame")
    track.add_argument("--frames", type=int, default=None, help="ends after so many looked at")
    track.add_argument("--threshold", type=float, default=None, help="similarity, in place of --fmr's")
    _add_verdict(track)
    track.set_defaults(run=_track)


def _add_verdict(parser: argparse.ArgumentParser) -> None:
    add_model(parser)
    parser.add_argument("--fmr", type=float, default=1e-3, help="false match rate of the verdict")
    parser.add_argument(
        "--calibration",
        metavar="FILE",
        default=None,
        help="of the network, by 'evaluate verification --curve'; the bundled network has one",
    )
    add_device(parser)


def _compare(options: argparse.Namespace) -> int:
    from recognition.gallery import aligned_face, side_by_side, templates
    from recognition.images import write_png
    from recognition.loading import load
    from recognition.metrics.calibration import read_calibration
    from recognition.runtime import choose_device

    recogniser = load(options.model).to(choose_device(options.device))
    point = read_calibration(recogniser, options.calibration).at(options.fmr)
    crops = [aligned_face(path) for path in (options.first, options.second)]
    first, second = templates(recogniser, crops)
    similarity = float(first @ second)
    write_png(options.out, side_by_side(*crops))
    verdict = "same person" if similarity > point.threshold else "different people"
    print(
        f"similarity {similarity:.3f}: {verdict} at FMR {point.fmr:g} "
        f"(threshold {point.threshold:.3f}, TAR there {point.tar:.3f}, "
        f"{point.mated:,} mated and {point.nonmated:,} non-mated pairs)"
    )
    print(f"Wrote {options.out}")
    return 0


def _identify(options: argparse.Namespace) -> int:
    from recognition.errors import InputError
    from recognition.gallery import aligned_face, enrol, rank, templates
    from recognition.loading import load
    from recognition.metrics.calibration import read_calibration
    from recognition.runtime import choose_device

    if options.top < 1:
        raise InputError(f"top: expected 1 or more, got {options.top}")
    recogniser = load(options.model).to(choose_device(options.device))
    point = read_calibration(recogniser, options.calibration).at(options.fmr)
    template = templates(recogniser, [aligned_face(options.probe)])[0]
    gallery = enrol(recogniser, options.gallery)
    matches = rank(template, gallery, top=options.top)
    print("rank similarity accepted identity (photograph)")
    for place, match in enumerate(matches, 1):
        accepted = "yes" if match.similarity > point.threshold else "no"
        print(f"{place:4} {match.similarity:10.3f} {accepted:>8} {match.identity} ({match.photograph.name})")
    entries, people = len(gallery.identities), len(set(gallery.identities))
    print(
        f"{entries} photographs of {people} identities; accepted above {point.threshold:.3f}, FMR "
        f"{point.fmr:g} of one comparison; {len(gallery.left_out)} photographs left out"
    )
    return 0


def _track(options: argparse.Namespace) -> int:
    from recognition.detection.tracking import track
    from recognition.loading import load
    from recognition.metrics.calibration import read_calibration
    from recognition.runtime import choose_device

    recogniser = load(options.model).to(choose_device(options.device))
    threshold = options.threshold
    if threshold is None:
        threshold = read_calibration(recogniser, options.calibration).at(options.fmr).threshold
    told = track(
        recogniser,
        options.video,
        options.out,
        threshold=threshold,
        every=options.every,
        most_frames=options.frames,
    )
    print(
        f"{told.frames} frames, {told.appearances} appearances of {told.identities} identities at threshold "
        f"{threshold:.3f}{', ended early' if told.interrupted else ''}"
    )
    print(f"Wrote {options.out}/marked.mp4 and {options.out}/appearances.csv")
    return 130 if told.interrupted else 0
