"""The memory that a run of many templates takes, by the number of templates.

    python -m benchmarks.stream

A small network with random weights is attacked from random templates in few steps, and the images are written
to a folder; each number runs in a process of its own, whose peak of resident memory is printed. With
`--judge`, each image is judged too, which takes most of the time and keeps nothing.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from arcinvert import Attacker, batches
from arcinvert.evaluation.scores import Verdict
from recognition.backbones import build_backbone
from recognition.checkpoint import save_recogniser
from recognition.recogniser import Recogniser
from recognition.runtime import keep_freed_memory, peak_memory
from recognition.source import Source

DIM = 32
ARCHITECTURE = {"network": "iresnet18", "width": 0.0625, "embedding_size": DIM}


def make_model(path: Path) -> None:
    """Write a network with random weights and the statistics of noise."""
    torch.manual_seed(0)
    options = dict(ARCHITECTURE)
    backbone = build_backbone(str(options.pop("network")), **options)
    backbone(2 * torch.rand(8, 3, 112, 112) - 1)
    recogniser = Recogniser(backbone.eval(), name="small", source=Source(architecture=dict(ARCHITECTURE)))
    save_recogniser(path, recogniser, extra={"mean_face": torch.full((3, 112, 112), 0.5)})


def measure(folder: Path, count: int, steps: int, batch_size: int, *, judged: bool) -> None:
    """Attack so many templates, and print one line."""
    keep_freed_memory()
    if not judged:
        nothing = Verdict(None, None, None, None, None, None, False)
        # Assigned by its name, which the module does not export.
        setattr(batches, "judge_images", lambda judge, images, *_: [nothing] * len(images))  # noqa: B010
    templates = folder / f"{count}.npy"
    np.save(templates, np.random.default_rng(0).normal(size=(count, DIM)).astype(np.float32))
    start = time.monotonic()
    attacker = Attacker(folder / "small.safetensors", device="cpu")
    run = attacker.from_embedding(
        templates,
        out=folder / f"out-{count}",
        steps=steps,
        batch_size=batch_size,
        parametrisation="pixels",
    )
    seconds = time.monotonic() - start
    peak = peak_memory(torch.device("cpu")) / 2**20
    print(
        f"{count:,} templates: {peak:.0f} MiB at most, {len(run.images):,} images, {seconds:.0f} s",
        flush=True,
    )


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--counts", type=int, nargs="+", default=[100, 1000, 10_000], help="the numbers of templates"
    )
    parser.add_argument("--steps", type=int, default=2, help="the steps of each batch (default: 2)")
    parser.add_argument("--batch-size", type=int, default=16, help="the images of a batch (default: 16)")
    parser.add_argument("--judge", action="store_true", help="judge the images too")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.folder:
        measure(given.folder, given.counts[0], given.steps, given.batch_size, judged=given.judge)
        return
    with tempfile.TemporaryDirectory() as name:
        make_model(Path(name) / "small.safetensors")
        for count in given.counts:
            options = [f"--steps={given.steps}", f"--batch-size={given.batch_size}", f"--folder={name}"]
            options += ["--judge"] if given.judge else []
            command = [sys.executable, "-m", "benchmarks.stream", "--counts", str(count), *options]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
