"""A network with folded BatchNorms against the same with them: does calibration make up for it?

    python -m benchmarks.folded --photos ../shared/data/lfw/images --aligned ALIGNED \\
        --kept ../shared/models/mobilefacenet_y1.onnx --folded ../shared/models/mobilefacenet_y1_folded.onnx

Statistics of the folded network are measured on photographs of people that the bundled network was
trained on; attacked are 16 held-out people, as in benchmarks/first_run.py. Both networks get the same
attack, seed 0. The floor without any statistics is the folded network with --prior none.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import arcinvert
from arcinvert.knowledge.calibrate import calibrate
from benchmarks.first_run import open_set_photographs, print_figures
from recognition.checkpoint import load_notes
from recognition.data.folders import read_folders
from recognition.loading import bundled_path
from recognition.runtime import keep_freed_memory

#: Faces that the statistics are measured on, one of each person.
FACES = 512


def public_faces(aligned: Path, folder: Path) -> Path:
    """A folder of links to one crop of each of the first people that the bundled network was trained on."""
    held_out = set(load_notes(bundled_path())["split"]["held_out"])
    people = read_folders(aligned)
    names = [name for name in people if name not in held_out]
    for name in names[:: max(1, len(names) // FACES)][:FACES]:
        crop = people[name][0]
        (folder / f"{name}{crop.suffix}").symlink_to(crop.resolve())
    return folder


def compare(kept: dict[str, float], folded: dict[str, float]) -> None:
    """The judged shares of both networks, and their ratio."""
    for rate, share in kept.items():
        ratio = folded[rate] / share
        print(f"SAR at FMR {rate}: folded / kept = {folded[rate]:.3f} / {share:.3f} = {ratio:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="LFW, a folder per identity")
    parser.add_argument("--aligned", type=Path, required=True, help="its aligned crops")
    parser.add_argument("--kept", type=Path, required=True, help="the network with BatchNorms")
    parser.add_argument("--folded", type=Path, required=True, help="the same with folded ones")
    options = parser.parse_args()
    keep_freed_memory()
    # What is finished is seen while the rest goes on.
    sys.stdout.reconfigure(line_buffering=True)
    chosen = open_set_photographs(options.photos)
    with tempfile.TemporaryDirectory() as folder:
        statistics = Path(folder, "statistics.safetensors")
        begin = time.monotonic()
        faces = Path(folder, "faces")
        faces.mkdir()
        _, measured = calibrate(
            options.folded, public_faces(options.aligned, faces), out=statistics, faces=FACES
        )
        print(f"{measured.images} faces, {len(measured.layers)} layers: {time.monotonic() - begin:.0f} s")
        shares = {}
        for title, model, settings in (
            ("BatchNorms kept", options.kept, {}),
            ("folded, calibrated", options.folded, {"statistics": str(statistics)}),
            ("folded, no prior", options.folded, {"prior": "none"}),
        ):
            begin = time.monotonic()
            run = arcinvert.from_image(chosen, model=model, photos=options.photos, start="mean", **settings)
            print_figures(title, run, time.monotonic() - begin)
            shares[title] = {rate: sar["attack"]["value"] for rate, sar in run.summary["sar"].items()}
            if title == "folded, calibrated":
                compare(shares["BatchNorms kept"], shares[title])


if __name__ == "__main__":
    main()
