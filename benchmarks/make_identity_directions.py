"""Make arcinvert/data/identity_directions.safetensors: in which directions of the face PCA people differ.

    python -m benchmarks.make_identity_directions --aligned ALIGNED

Two photographs of a person have in common what is the person's, and not pose, light and expression. The
covariance of the face PCA coefficients of two photographs of one person, averaged over people, is therefore
that of people; its largest eigenvalues and their eigenvectors are kept. The people are the bundled network's
training identities with several photographs, held-out people are not among them. Some hundred numbers for
each of a few directions, averaged over all people, show nobody.

Source: the covariance of identities as in Prince and Elder, Probabilistic linear discriminant analysis, ICCV
2007.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from arcinvert.knowledge.face_pca import load_face_pca, pca_coefficients_of
from recognition.checkpoint import write_safetensors
from recognition.data.dataset import read_aligned
from recognition.data.folders import read_folders
from recognition.loading import load

#: The coefficients, the first ones, that directions are made of, and the number of directions.
COEFFICIENTS = 400
DIRECTIONS = 80
OUT = "arcinvert/data/identity_directions.safetensors"


def identity_covariance(people: Iterable[Tensor]) -> tuple[Tensor, int]:
    """Return the covariance of people, (n, n), and their number.

    Args:
        people: The coefficients of each person's photographs, shape (photographs, n); people with a single
            photograph are left out.
    """
    total, count = torch.zeros(()), 0
    for photographs in people:
        number = len(photographs)
        if number < 2:
            continue
        rows = photographs.double()
        together = rows.sum(0)
        # All pairs of two different photographs.
        pairs = torch.outer(together, together) - rows.T @ rows
        total = total + pairs / (number * (number - 1))
        count += 1
    return total / count, count


def symmetric_directions(covariance: Tensor, symmetric: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the largest eigenvalues, (count,), and their eigenvectors, (count, n), among symmetric faces.

    Args:
        covariance: Shape (n, n).
        symmetric: Shape (n,), whether a component is its own mirror image.
        count: The number of directions.
    """
    kept = symmetric.nonzero().flatten()
    values, vectors = torch.linalg.eigh(covariance[kept][:, kept])
    directions = torch.zeros(count, len(covariance), dtype=vectors.dtype)
    directions[:, kept] = vectors.T.flip(0)[:count]
    return values.flip(0)[:count], directions


def main() -> None:
    """Parse the command line and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--aligned", type=Path, required=True, help="aligned LFW: a folder of one folder for each identity"
    )
    options = parser.parse_args()
    folders = read_folders(options.aligned)
    names = [name for name in load().class_names or () if len(folders.get(name, ())) > 1]
    covariance, count = identity_covariance(
        pca_coefficients_of(torch.stack([read_aligned(path) for path in folders[name]]), COEFFICIENTS)
        for name in names
    )
    components = load_face_pca()[1][:COEFFICIENTS]
    symmetric = (components == components.flip(-1)).flatten(1).all(1)
    variances, directions = symmetric_directions(covariance, symmetric, DIRECTIONS)
    tensors = {"variances": variances.float(), "directions": directions.half()}
    write_safetensors(OUT, tensors, {"people": str(count)})
    print(f"{DIRECTIONS} directions of {count} people, variances {variances[0]:.2f} to {variances[-1]:.2f}")


if __name__ == "__main__":
    main()
