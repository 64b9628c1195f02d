"""The memory that a run of many templates takes, by their number.

    python -m benchmarks.stream

A small network with random weights, random templates, few steps, images written to a folder; each number in
a process of its own, whose peak of resident memory is printed. `--judge` has the judge look at each image
too, which takes most of the time and keeps nothing.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from recognition.backbones import build_backbone
from recognition.checkpoint import save_recogniser
from recognition.recogniser import Recogniser, Source
from recognition.runtime import keep_freed_memory, peak_memory

DIM = 32
ARCHITECTURE = {"network": "iresnet18", "width": 0.0625, "embedding_size": DIM}


def make_model(path: Path) -> None:
    """A network with random weights and the statistics of noise."""
    torch.manual_seed(0)
    options = dict(ARCHITECTURE)
    backbone = build_backbone(str(options.pop("network")), **options)
    backbone(2 * torch.rand(8, 3, 112, 112) - 1)
    recogniser = Recogniser(backbone.eval(), name="small", source=Source(architecture=dict(ARCHITECTURE)))
    save_recogniser(path, recogniser, extra={"mean_face": torch.full((3, 112, 112), 0.5)})


def measure(folder: Path, count: int, steps: int, batch_size: int, *, judged: bool) -> None:
    """Run and print one line."""
    from arcinvert import from_embedding
    from arcinvert import runner as runs
    from arcinvert.evaluation.scores import Verdict

    keep_freed_memory()
    if not judged:
        nothing = Verdict(None, None, None, None, None, None, False)
        runs.judge_images = lambda judge, images, *_: [nothing] * len(images)
    templates = folder / f"{count}.npy"
    np.save(templates, np.random.default_rng(0).normal(size=(count, DIM)).astype(np.float32))
    begin = time.monotonic()
    run = from_embedding(
        templates,
        model=folder / "small.safetensors",
        out=folder / f"out-{count}",
        device="cpu",
        steps=steps,
        batch_size=batch_size,
        parametrisation="pixels",
    )
    seconds = time.monotonic() - begin
    peak = peak_memory(torch.device("cpu")) / 2**20
    print(
        f"{count:,} templates: {peak:.0f} MiB at most, {len(run.images):,} images, {seconds:.0f} s",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--counts", type=int, nargs="+", default=[100, 1000, 10_000], help="of templates")
    parser.add_argument("--steps", type=int, default=2, help="of each batch")
    parser.add_argument("--batch-size", type=int, default=16, help="images at once")
    parser.add_argument("--judge", action="store_true", help="have the judge look at the images")
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
