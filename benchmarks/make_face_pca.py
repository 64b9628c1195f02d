"""Make arcinvert/data/face_pca.safetensors: the principal components of public faces.

    python -m benchmarks.make_face_pca --aligned ALIGNED

The faces are those of the bundled network's training identities with a single photograph, and their mirror
images: nobody that the benchmarks attack or judge by is among them. With the mirror images, components are
symmetric or antisymmetric, so that each kind is a decomposition of half the size, and half of each component
is kept.
"""

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.people import single_photographs
from recognition.checkpoint import write_safetensors
from recognition.data.dataset import read_aligned
from recognition.data.folders import read_folders
from recognition.loading import load

#: The side of a component in pixels, since finer detail is noise in them; and their number.
SIDE = 56
COUNT = 1000


def decompose(halves: Tensor) -> tuple[Tensor, Tensor]:
    """Return variances, (COUNT,), and left halves, (COUNT, 3, s, s / 2), of the components of one kind.

    Args:
        halves: Shape (faces, 3, s, s / 2), left halves of symmetric or antisymmetric faces, scaled so that a
            half has the norm of its face.
    """
    # Double precision: the last components have a hundredth of the first's deviation.
    rows = halves.flatten(1).double()
    # Fewer faces than pixels: their Gram matrix is the smaller one.
    values, vectors = torch.linalg.eigh(rows @ rows.T)
    values, vectors = values.flip(0)[:COUNT], vectors.flip(1)[:, :COUNT]
    components = (vectors.T @ rows) / values.sqrt()[:, None]
    return values / len(rows), components.unflatten(1, halves.shape[1:]) / 2**0.5


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--aligned", type=Path, required=True, help="aligned LFW: a folder of one folder for each identity"
    )
    options = parser.parse_args()
    paths = single_photographs(load().class_names or (), read_folders(options.aligned))
    faces = torch.stack([F.interpolate(read_aligned(path)[None], SIDE, mode="area")[0] for path in paths])
    mean = (faces + faces.flip(-1)).mean(0) / 2
    faces -= mean
    # The two kinds are orthogonal: together they hold all of the variance.
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
    write_safetensors("arcinvert/data/face_pca.safetensors", tensors)
    share = float(variances[order].sum() / faces.square().sum() * len(faces))
    print(f"{COUNT} components of {len(paths)} faces hold {share:.3f} of their variance")


if __name__ == "__main__":
    main()
