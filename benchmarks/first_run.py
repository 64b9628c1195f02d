"""The first run's figures: closed-set on the bundled network, open-set on a network of others.

    python -m benchmarks.first_run --photos ../shared/data/lfw/images \\
        --onnx ../shared/models/mobilefacenet_y1.onnx

The ONNX network is attacked from what 'arcinvert calibrate' measured beside it, if there is such a file.
People: seeded draws. Closed-set, 16 of those with a photograph kept out of training, judged by it;
open-set, 16 of the held-out people that do not calibrate the judge (benchmarks/people.py).
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import arcinvert
from arcinvert.output.sheet import summary_line
from benchmarks.people import attacked_people, choose
from recognition.checkpoint import load_notes
from recognition.data.folders import read_folders
from recognition.detection.alignment import find_face
from recognition.errors import NoFaceError
from recognition.images import read_image
from recognition.loading import bundled_path
from recognition.runtime import keep_freed_memory

PEOPLE = 16
#: Of the draws; settings were tuned on the draws with other seeds, less these people.
SEED = 0


def print_figures(title: str, run: arcinvert.Run, seconds: float) -> None:
    """A run's summary, each figure with interval, count, floor and ceiling."""
    summary = run.summary
    print(f"\n{title}: {summary['samples']} images, {seconds:.0f} s")
    print(summary_line(summary))
    for rate, sar in summary["sar"].items():
        figures = ", ".join(
            f"{kind} {sar[kind]['value']:.3f} [{sar[kind]['low']:.3f}, {sar[kind]['high']:.3f}]"
            for kind in ("attack", "floor", "ceiling")
            if sar[kind]
        )
        print(f"  SAR at FMR {rate} (n = {summary['identities']} identities): {figures}")
    for name in ("similarity", "floor", "ceiling", "face_detected", "attacked_similarity"):
        if summary.get(name):
            figure = summary[name]
            print(f"  {name}: {figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]")
    if summary.get("gap_closed") is not None:
        print(f"  gap closed: {summary['gap_closed']:.3f}")


def closed_set(out: Path, classes: int, samples: int) -> None:
    """Classes of the bundled network, judged by the photograph each kept out of training."""
    reserved = load_notes(bundled_path())["split"]["reserved"]
    names = choose(sorted(reserved), classes, SEED)
    begin = time.monotonic()
    run = arcinvert.generate(class_name=names, samples=samples, out=out / "closed-set")
    print_figures("Closed-set, bundled network", run, time.monotonic() - begin)


def open_set_photographs(photos: Path, count: int = PEOPLE) -> list[str]:
    """The first photographs of so many held-out people who have another."""
    folders = read_folders(photos)
    held_out = load_notes(bundled_path())["split"]["held_out"]
    several = [name for name in attacked_people(held_out) if len(folders[name]) >= 2]
    paths = [folders[name][0] for name in several if _has_face(folders[name][0])]
    return choose([str(path) for path in paths], count, SEED)


def open_set(out: Path, photos: Path, onnx: Path) -> None:
    """16 held-out people, the first photograph each, judged by their last."""
    chosen = open_set_photographs(photos)
    begin = time.monotonic()
    run = arcinvert.from_image(chosen, model=onnx, photos=photos, out=out / "open-set")
    print_figures(f"Open-set, {onnx.name}", run, time.monotonic() - begin)


def _has_face(path: Path) -> bool:
    try:
        find_face(read_image(path), name=str(path))
    except NoFaceError:
        return False
    return True


def cold_start() -> None:
    """The README's command in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "arcinvert", "generate", "--class-id", "123", "--samples", "4"]
        begin = time.monotonic()
        subprocess.run([*command, "--out", f"{folder}/run"], check=True, capture_output=True)
        seconds = time.monotonic() - begin
        result = json.loads(Path(folder, "run", "result.json").read_text())
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    steps = result["steps"]
    print(
        f"\ngenerate --class-id 123 --samples 4: {seconds:.1f} s cold, {peak:.2f} GiB resident, {steps} steps"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True, help="LFW, a folder per identity")
    parser.add_argument("--onnx", type=Path, required=True, help="the network to attack open-set")
    parser.add_argument("--classes", type=int, default=PEOPLE, help="closed-set, how many identities")
    parser.add_argument("--samples", type=int, default=4, help="closed-set, of each identity")
    parser.add_argument("--out", type=Path, default=Path("arcinvert-results/first-run"), help="results")
    options = parser.parse_args()
    keep_freed_memory()
    cold_start()
    closed_set(options.out, options.classes, options.samples)
    open_set(options.out, options.photos, options.onnx)


if __name__ == "__main__":
    main()
