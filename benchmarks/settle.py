"""What early stopping saves and what it costs, on people that the bundled network was trained on.

    python -m benchmarks.settle --aligned aligned --model ../shared/models/mobilefacenet_y1.onnx

One template a person, the options' defaults; a row for each tolerance of `--settle`. Similarity under views
is that of the attacked network to flipped and shifted pictures, four each, the same for every row. The
judge is printed beside it, and decides nothing.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch

from arcinvert.attack import Attack
from arcinvert.evaluation.crops import to_crop_size
from arcinvert.evaluation.judges import DlibJudge
from arcinvert.evaluation.scores import Reference
from arcinvert.evaluation.similarity import similarity
from arcinvert.inversion.restarts import under_views
from arcinvert.options import AttackOptions
from arcinvert.subjects import Subject, template_of
from benchmarks.judged import mean_face
from benchmarks.people import choose
from recognition.checkpoint import load_notes
from recognition.images import list_images, read_image, to_uint8
from recognition.loading import BUNDLED, bundled_path
from recognition.metrics.intervals import estimate
from recognition.runtime import keep_freed_memory

#: Of the draw of people; no other benchmark has it.
SEED = 41
VIEWS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--aligned", type=Path, required=True, help="aligned LFW, a folder per identity")
    parser.add_argument("--model", default=BUNDLED, help="the network to attack")
    parser.add_argument("--people", type=int, default=16, help="in one batch")
    parser.add_argument("--steps", type=int, default=250, help="of the whole schedule")
    parser.add_argument("--settle", type=float, nargs="+", default=[0.0, 0.01, 0.02], help="a row each")
    given = parser.parse_args()
    keep_freed_memory()
    held_out = set(load_notes(bundled_path())["split"]["held_out"])
    several = [
        path.name
        for path in sorted(given.aligned.iterdir())
        if path.name not in held_out and len(list_images(path)) > 1
    ]
    names = choose(several, given.people, SEED)
    crops = [[read_image(path) for path in list_images(given.aligned / name)[:2]] for name in names]
    judge = DlibJudge()
    others = judge.embed([pair[1] for pair in crops])
    ceiling = similarity(judge.embed([pair[0] for pair in crops]), others)
    floor = similarity(judge.embed([mean_face()]), others)
    print(
        f"judge: floor (mean face) {np.mean(floor):.3f}, "
        f"ceiling (another photograph) {np.mean(ceiling):.3f}, n = {len(names)} people",
        flush=True,
    )
    for settle in given.settle:
        attack = Attack(given.model, "cpu", AttackOptions(steps=given.steps, settle=settle))
        templates = torch.stack([template_of(attack.recogniser, pair[0]) for pair in crops])
        subjects = [
            Subject(*one, Reference()) for one in zip(names, [None] * len(names), templates, strict=True)
        ]
        begin = time.monotonic()
        inversion = attack.invert([(subject, 0) for subject in subjects], 0, lambda step: None)
        seconds = time.monotonic() - begin
        judged = similarity(judge.embed(list(to_crop_size(to_uint8(inversion.images)))), others)
        columns = {
            "plain": inversion.similarity.tolist(),
            "under views": under_views(attack.recogniser, inversion.images, templates, VIEWS).tolist(),
            "judge, Type II": judged.tolist(),
        }
        figures = {name: estimate(values, names) for name, values in columns.items()}
        told = ", ".join(
            f"{name} {figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"
            for name, figure in figures.items()
        )
        print(f"settle {settle:g}: {inversion.steps} steps, {seconds:.0f} s; {told}", flush=True)


if __name__ == "__main__":
    main()
