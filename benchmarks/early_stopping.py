"""What early stopping saves and what it costs, on people that the bundled network was trained on.

    python -m benchmarks.early_stopping --aligned aligned --model ../shared/models/mobilefacenet_y1.onnx

One template of each person, all in one batch, with the default options; a row for each value of
`--early-stopping`. The similarity under augmentation is that of the attacked network to flipped and shifted
copies of the pictures, the same copies in every row. The judge is printed beside it and decides nothing.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from arcinvert import Attacker
from arcinvert.evaluation.crops import to_crop_size
from arcinvert.evaluation.judges import DlibJudge
from arcinvert.evaluation.scores import Reference
from arcinvert.evaluation.similarity import similarity
from arcinvert.inversion.restarts import augmented_similarity
from arcinvert.subjects import Subject, template_of
from benchmarks.judged import mean_face
from benchmarks.people import choose
from recognition.checkpoint import load_notes
from recognition.data.faces import at_size
from recognition.data.folders import read_folders
from recognition.images import read_image, to_uint8
from recognition.loading import BUNDLED, bundled_path
from recognition.metrics.intervals import estimate
from recognition.runtime import keep_freed_memory

#: The seed of the draw of people; no other benchmark has it.
SEED = 41
#: Augmented copies of each picture.
COPIES = 4


def gain(text: str) -> float | None:
    """Return a value of `--early-stopping`; `off` never stops early."""
    return None if text == "off" else float(text)


def main() -> None:
    """Parse the command line, attack once for each value, and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--aligned", type=Path, required=True, help="aligned LFW: a folder of one folder for each identity"
    )
    parser.add_argument("--model", default=BUNDLED, help="the network to attack (default: %(default)s)")
    parser.add_argument(
        "--people", type=int, default=16, help="the number of people, in one batch (default: %(default)s)"
    )
    parser.add_argument(
        "--steps", type=int, default=250, help="the steps of the whole schedule (default: %(default)s)"
    )
    parser.add_argument(
        "--early-stopping",
        type=gain,
        nargs="+",
        default=[None, 0.01, 0.02],
        metavar="GAIN",
        help="the largest gains in 20 steps at which the attack stops, or off (default: off 0.01 0.02)",
    )
    given = parser.parse_args()
    keep_freed_memory()
    attacker = Attacker(given.model, device="cpu")
    held_out = set(load_notes(bundled_path())["split"]["held_out"])
    people = read_folders(given.aligned)
    several = [name for name, paths in people.items() if name not in held_out and len(paths) > 1]
    names = choose(several, given.people, SEED)
    crops = [[read_image(path) for path in people[name][:2]] for name in names]
    judge = DlibJudge()
    others = judge.embed([pair[1] for pair in crops])
    ceiling = similarity(judge.embed([pair[0] for pair in crops]), others)
    floor = similarity(judge.embed([mean_face()]), others)
    print(
        f"judge: floor (mean face) {np.mean(floor):.3f}, "
        f"ceiling (another photograph) {np.mean(ceiling):.3f}, n = {len(names)} people",
        flush=True,
    )
    size = attacker.recogniser.input_size
    templates = torch.stack([template_of(attacker.recogniser, at_size(pair[0], size)) for pair in crops])
    subjects = [
        Subject(name, None, template, Reference()) for name, template in zip(names, templates, strict=True)
    ]
    for value in given.early_stopping:
        plan = attacker.plan("template", steps=given.steps, early_stopping=value)
        start = time.monotonic()
        inversion = attacker.reconstruct(subjects, plan)
        seconds = time.monotonic() - start
        judged = similarity(judge.embed(list(to_crop_size(to_uint8(inversion.images)))), others)
        augmented = augmented_similarity(attacker.recogniser, inversion.images, templates, COPIES)
        columns = {
            "plain": inversion.similarity.tolist(),
            "under augmentation": augmented.tolist(),
            "judge, Type II": judged.tolist(),
        }
        figures = {name: estimate(values, names) for name, values in columns.items()}
        text = ", ".join(
            f"{name} {figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"
            for name, figure in figures.items()
        )
        title = "off" if value is None else f"{value:g}"
        print(f"early stopping {title}: {inversion.steps} steps, {seconds:.0f} s; {text}", flush=True)


if __name__ == "__main__":
    main()
