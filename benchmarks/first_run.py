"""The first run's figures: closed-set on the bundled network, open-set on it or on another project's network.

    python -m benchmarks.first_run --photos ../shared/data/lfw/images --classes 50 --samples 1 --people 100
    python -m benchmarks.first_run --photos ../shared/data/lfw/images \\
        --model ../shared/models/mobilefacenet_y1.onnx

Another network is attacked with the statistics file of 'arcinvert calibrate' beside it, if there is one.
People are drawn by a seed: closed-set, 16 people with a photograph kept out of training, judged by it;
open-set, 16 held-out people that do not calibrate the judge (benchmarks/people.py). SAR is the share of
accepted reconstructions, FMR the judge's false match rate.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from arcinvert import Attacker, Run
from arcinvert.output.sheet import summary_line
from benchmarks.people import attacked_people, choose
from recognition.checkpoint import load_notes
from recognition.data.folders import read_folders
from recognition.detection.search import find_face
from recognition.errors import NoFaceError
from recognition.images import read_image
from recognition.loading import BUNDLED, bundled_path
from recognition.metrics.text import interval_text
from recognition.runtime import keep_freed_memory

PEOPLE = 16
#: The seed of the draws; settings were tuned on draws with other seeds, without these people.
SEED = 0


def print_figures(title: str, run: Run, seconds: float) -> None:
    """Print a run's summary, each figure with interval, count, floor and ceiling."""
    summary = run.summary
    print(f"\n{title}: {summary['samples']} images, {seconds:.0f} s")
    print(summary_line(summary))
    for rate, sar in summary["sar"].items():
        figures = ", ".join(
            f"{kind} {interval_text(sar[kind])} (n = {sar[kind]['identities']})"
            for kind in ("attack", "best_of_n", "any_of_n", "floor", "ceiling")
            if sar[kind]
        )
        print(f"  SAR at FMR {rate}: {figures}")
    for name in ("similarity", "floor", "ceiling", "gap_closed", "face_detected", "attacked_similarity"):
        if summary.get(name):
            print(f"  {name}: {interval_text(summary[name])} (n = {summary[name]['identities']})")


def closed_set(out: Path, classes: int, samples: int) -> None:
    """Attack classes of the bundled network, judged by the photograph of each kept out of training."""
    reserved = load_notes(bundled_path())["split"]["reserved"]
    names = choose(sorted(reserved), classes, SEED)
    start = time.monotonic()
    run = Attacker().generate(class_name=names, samples=samples, out=out / "closed-set")
    print_figures("Closed-set, bundled network", run, time.monotonic() - start)


def open_set_photographs(photos: Path, count: int = PEOPLE) -> list[str]:
    """Return the first photographs of drawn held-out people who have several."""
    folders = read_folders(photos)
    held_out = load_notes(bundled_path())["split"]["held_out"]
    several = [name for name in attacked_people(held_out) if len(folders[name]) >= 2]
    paths = [folders[name][0] for name in several if _has_face(folders[name][0])]
    return choose([str(path) for path in paths], count, SEED)


def open_set(out: Path, photos: Path, model: str, people: int) -> None:
    """Attack held-out people, the first photograph of each, judged by their last."""
    chosen = open_set_photographs(photos, people)
    start = time.monotonic()
    run = Attacker(model).from_image(chosen, photos=photos, out=out / "open-set")
    print_figures(f"Open-set, {Path(model).name}", run, time.monotonic() - start)


def _has_face(path: Path) -> bool:
    try:
        find_face(read_image(path), name=str(path))
    except NoFaceError:
        return False
    return True


def cold_start() -> None:
    """Run the README's command in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "arcinvert", "generate", "--class-id", "123", "--samples", "4"]
        start = time.monotonic()
        subprocess.run([*command, "--out", f"{folder}/run"], check=True, capture_output=True)
        seconds = time.monotonic() - start
        result = json.loads(Path(folder, "run", "result.json").read_text())
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    steps = result["plan"]["steps"]
    print(
        f"\ngenerate --class-id 123 --samples 4: {seconds:.1f} s cold, {peak:.2f} GiB resident, {steps} steps"
    )


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--photos", type=Path, required=True, help="LFW: a folder of one folder for each identity"
    )
    parser.add_argument(
        "--model", default=BUNDLED, help="the network that is attacked open-set (default: %(default)s)"
    )
    parser.add_argument(
        "--classes", type=int, default=PEOPLE, help="the number of classes (default: %(default)s)"
    )
    parser.add_argument(
        "--people", type=int, default=PEOPLE, help="the number of open-set people (default: %(default)s)"
    )
    parser.add_argument("--samples", type=int, default=4, help="the samples of each class (default: 4)")
    parser.add_argument(
        "--out", type=Path, default=Path("arcinvert-results/first-run"), help="the folder for results"
    )
    options = parser.parse_args()
    keep_freed_memory()
    cold_start()
    closed_set(options.out, options.classes, options.samples)
    open_set(options.out, options.photos, options.model, options.people)


if __name__ == "__main__":
    main()
