"""Make arcinvert/data/eigenfaces.safetensors: the coordinates that public faces vary along.

    python -m benchmarks.make_eigenfaces --aligned ALIGNED

Of the bundled network's training identities, those with a single photograph, and their mirror
images: nobody whom the benchmarks attack or judge by is among them.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from benchmarks.people import single_photographs
from recognition.data.dataset import read_aligned
from recognition.data.folders import read_folders
from recognition.images import atomic_path
from recognition.loading import load

#: Side of an eigenface, pixels: finer detail is noise in them; and their number.
SIDE = 56
COUNT = 300
#: The randomised decomposition computes some more, which makes the last wanted ones exact.
EXTRA = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--aligned", type=Path, required=True, help="aligned, a folder per identity")
    options = parser.parse_args()
    paths = single_photographs(load().class_names or (), read_folders(options.aligned))
    faces = torch.stack([F.interpolate(read_aligned(path)[None], SIDE, mode="area")[0] for path in paths])
    rows = torch.cat([faces, faces.flip(-1)]).flatten(1)
    mean = rows.mean(0)
    torch.manual_seed(0)
    _, singular, vectors = torch.svd_lowrank(rows - mean, q=COUNT + EXTRA, niter=3)
    deviations = singular[:COUNT] / len(rows) ** 0.5
    tensors = {
        "mean": mean.reshape(3, SIDE, SIDE).half(),
        "directions": vectors[:, :COUNT].T.reshape(COUNT, 3, SIDE, SIDE).half().contiguous(),
        "deviations": deviations,
    }
    with atomic_path("arcinvert/data/eigenfaces.safetensors") as temporary:
        save_file(tensors, temporary)
    share = float((deviations**2).sum() / (rows - mean).square().sum() * len(rows))
    print(f"{COUNT} eigenfaces of {len(paths)} faces hold {share:.3f} of their variance")


if __name__ == "__main__":
    main()
