"""Make arcinvert/data/face_pca.safetensors: the coordinates that public faces vary along.

    python -m benchmarks.make_eigenfaces --aligned ALIGNED

Of the bundled network's training identities, those with a single photograph, and their mirror
images: nobody whom the benchmarks attack or judge by is among them. With the mirror images, directions
are symmetric or antisymmetric, so that each kind is a decomposition of half the size, and half of each
direction is kept.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor

from benchmarks.people import single_photographs
from recognition.data.dataset import read_aligned
from recognition.data.folders import read_folders
from recognition.images import atomic_path
from recognition.loading import load

#: Side of an eigenface, pixels: finer detail is noise in them; and their number.
SIDE = 56
COUNT = 1000


def decompose(halves: Tensor) -> tuple[Tensor, Tensor]:
    """Variances, (COUNT,), and left halves, (COUNT, 3, s, s / 2), of the directions of one kind.

    Args:
        halves: (faces, 3, s, s / 2), of (anti)symmetric faces of norm 1 where their halves have it.
    """
    # Double precision: the last directions have a hundredth of the first's deviation.
    rows = halves.flatten(1).double()
    # Fewer faces than pixels: their Gram matrix is the smaller one.
    values, vectors = torch.linalg.eigh(rows @ rows.T)
    values, vectors = values.flip(0)[:COUNT], vectors.flip(1)[:, :COUNT]
    directions = (vectors.T @ rows) / values.sqrt()[:, None]
    return values / len(rows), directions.unflatten(1, halves.shape[1:]) / 2**0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--aligned", type=Path, required=True, help="aligned, a folder per identity")
    options = parser.parse_args()
    paths = single_photographs(load().class_names or (), read_folders(options.aligned))
    faces = torch.stack([F.interpolate(read_aligned(path)[None], SIDE, mode="area")[0] for path in paths])
    mean = (faces + faces.flip(-1)).mean(0) / 2
    faces -= mean
    # Both kinds are 0 to each other: the variance of all is that of the two together.
    kinds = [decompose((faces + sign * faces.flip(-1))[..., : SIDE // 2] / 2**0.5) for sign in (1, -1)]
    variances = torch.cat([variance for variance, _ in kinds])
    order = variances.argsort(descending=True)[:COUNT]
    halves = torch.cat([half for _, half in kinds])[order]
    tensors = {
        "mean": mean.half(),
        "halves": halves.half(),
        "parity": (1 - 2 * (order >= COUNT).to(torch.int8)),
        "deviations": variances[order].sqrt(),
    }
    with atomic_path("arcinvert/data/face_pca.safetensors") as temporary:
        save_file(tensors, temporary)
    share = float(variances[order].sum() / faces.square().sum() * len(faces))
    print(f"{COUNT} eigenfaces of {len(paths)} faces hold {share:.3f} of their variance")


if __name__ == "__main__":
    main()
