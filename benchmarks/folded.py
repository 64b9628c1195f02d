"""A network with folded BatchNorms against the same with them: does calibration make up for it?

    python -m benchmarks.folded --photos ../shared/data/lfw/images --aligned ALIGNED \\
        --kept ../shared/models/mobilefacenet_y1.onnx --folded ../shared/models/mobilefacenet_y1_folded.onnx

Statistics of the folded network are measured on photographs of people that the bundled network was trained
on; attacked are 16 held-out people, as in benchmarks/first_run.py. Both networks are attacked alike, with
seed 0, by pixels from the mean face, where the statistics are part of the recipe. The row without any
statistics is the folded network attacked without the penalty bn. SAR is the share of accepted
reconstructions, FMR the judge's false match rate.
"""

import argparse
import io
import sys
import tempfile
import time
from pathlib import Path

from arcinvert import Attacker
from arcinvert.knowledge.calibrate import calibrate
from benchmarks.first_run import PEOPLE, open_set_photographs, print_figures
from recognition.checkpoint import load_notes
from recognition.data.folders import read_folders
from recognition.loading import bundled_path
from recognition.runtime import keep_freed_memory

#: The number of faces that the statistics are measured on, one of each person.
FACES = 512


def public_faces(aligned: Path, folder: Path) -> Path:
    """Fill a folder with links to crops of people that the bundled network was trained on, one of each."""
    held_out = set(load_notes(bundled_path())["split"]["held_out"])
    people = read_folders(aligned)
    names = [name for name in people if name not in held_out]
    for name in names[:: max(1, len(names) // FACES)][:FACES]:
        crop = people[name][0]
        (folder / f"{name}{crop.suffix}").symlink_to(crop.resolve())
    return folder


def compare(kept: dict[str, float], folded: dict[str, float]) -> None:
    """Print the accepted shares of both networks, and their ratio."""
    for rate, share in kept.items():
        ratio = f"{folded[rate] / share:.2f}" if share else "-"
        print(f"SAR at FMR {rate}: folded / kept = {folded[rate]:.3f} / {share:.3f} = {ratio}")


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--photos", type=Path, required=True, help="LFW: a folder of one folder for each identity"
    )
    parser.add_argument("--aligned", type=Path, required=True, help="aligned crops of LFW")
    parser.add_argument("--kept", type=Path, required=True, help="the network with BatchNorms")
    parser.add_argument("--folded", type=Path, required=True, help="the same with folded BatchNorms")
    parser.add_argument(
        "--people", type=int, default=PEOPLE, help="the number of people (default: %(default)s)"
    )
    parser.add_argument("--steps", type=int, help="the steps of each image (default: the attack's)")
    options = parser.parse_args()
    keep_freed_memory()
    # What is finished is printed while the rest is running.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)
    chosen = open_set_photographs(options.photos, options.people)
    with tempfile.TemporaryDirectory() as folder:
        statistics = Path(folder, "statistics.safetensors")
        start = time.monotonic()
        faces = Path(folder, "faces")
        faces.mkdir()
        _, measured = calibrate(
            options.folded, public_faces(options.aligned, faces), out=statistics, faces=FACES
        )
        print(f"{measured.images} faces, {len(measured.layers)} layers: {time.monotonic() - start:.0f} s")
        shares = {}
        for title, model, settings in (
            ("BatchNorms kept", options.kept, {}),
            ("folded, calibrated", options.folded, {}),
            ("folded, without bn", options.folded, {"penalty": {"bn": 0.0}}),
        ):
            start = time.monotonic()
            attacker = Attacker(model, statistics=statistics if title == "folded, calibrated" else None)
            run = attacker.from_image(
                chosen,
                photos=options.photos,
                initialisation="mean-face",
                parametrisation="pixels",
                steps=options.steps,
                **settings,
            )
            print_figures(title, run, time.monotonic() - start)
            shares[title] = {rate: sar["attack"]["value"] for rate, sar in run.summary["sar"].items()}
            if title == "folded, calibrated":
                compare(shares["BatchNorms kept"], shares[title])


if __name__ == "__main__":
    main()
