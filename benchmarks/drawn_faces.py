"""Faces that are drawn, not inverted: thousands a minute, which a teacher can label for a student.

    python -m benchmarks.drawn_faces --kind mosaic --faces 20000 --out drawn

Every kind is made of the shipped face PCA, without a gradient and without a network. `symmetric` are the
faces on which 'arcinvert calibrate' measures a network. `gaussian` have all components at the deviations of
photographs, so that pose and light from a side are among them. `mosaic` are mixtures: one Gaussian face in
some places and another in others, with random detail at all scales on top, which the smooth components lack.
`noise` is no face, and not made of any: such detail on a colour, other detail in other places.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.knowledge.face_pca import faces_of, load_face_pca
from arcinvert.knowledge.synthetic_faces import (
    PEOPLE_VARIANCE,
    draw_coefficients,
    load_identity_directions,
)
from benchmarks.face_folders import fill_folders
from recognition.images import resized, to_uint8, write_png
from recognition.seeds import derive_seed

#: Faces of one folder, which are drawn together.
PER_FOLDER = 256
#: Side of a face, pixels.
_SIDE = 112
#: Side of the grid of a mosaic's places, and how sharp their borders are.
_PLACES, _SHARPNESS = 4, 8.0
#: The largest standard deviation of the detail of a mosaic, in units of white, and how much of it is grey.
_DETAIL, _GREY = 0.12, 0.7
#: The largest standard deviation of noise.
_NOISE = 0.4


def symmetric(count: int, generator: torch.Generator) -> Tensor:
    """Return the faces of 'arcinvert calibrate', shape (count, 3, 112, 112) in [0, 1]."""
    return _images(draw_coefficients(count, generator))


def gaussian(count: int, generator: torch.Generator) -> Tensor:
    """Return faces with all components, those of people at their larger variance."""
    components = len(load_face_pca()[1])
    variances, directions = load_identity_directions()
    people = torch.randn(count, len(variances), generator=generator) * (PEOPLE_VARIANCE * variances).sqrt()
    coefficients = torch.randn(count, components, generator=generator)
    first = coefficients[:, : directions.shape[1]]
    first += (people - first @ directions.T) @ directions
    return _images(coefficients)


def mosaic(count: int, generator: torch.Generator) -> Tensor:
    """Return mixtures of two Gaussian faces in places, with detail."""
    mixed = _in_places(gaussian(count, generator), gaussian(count, generator), generator)
    amount = _DETAIL * torch.rand(count, 1, 1, 1, generator=generator)
    return (mixed + amount * detail(count, generator)).clamp(0, 1)


def noise(count: int, generator: torch.Generator) -> Tensor:
    """Return images without a face, and without anything that was learned of faces."""

    def one() -> Tensor:
        colour = torch.rand(count, 3, 1, 1, generator=generator)
        return colour + _NOISE * torch.rand(count, 1, 1, 1, generator=generator) * detail(count, generator)

    return _in_places(one(), one(), generator).clamp(0, 1)


def _in_places(images: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Return images with others in some places, shape (count, 3, 112, 112)."""
    places = torch.randn(len(images), 1, _PLACES, _PLACES, generator=generator)
    mask = torch.sigmoid(_SHARPNESS * F.interpolate(places, _SIDE, mode="bicubic"))
    return mask * images + (1 - mask) * others


def detail(count: int, generator: torch.Generator) -> Tensor:
    """Return noise whose amplitude falls with the frequency, mean 0, deviation 1 in each image.

    Source: Field, Journal of the Optical Society of America A 4(12), 1987: photographs have 1/f amplitudes.
    """
    down, across = torch.fft.fftfreq(_SIDE)[:, None], torch.fft.rfftfreq(_SIDE)[None]
    frequency = (down.square() + across.square()).sqrt()
    white = torch.randn(count, 3, _SIDE, _SIDE, generator=generator)
    noise = torch.fft.irfft2(torch.fft.rfft2(white) / (frequency + 1 / _SIDE), s=(_SIDE, _SIDE))
    noise = _GREY * noise.mean(1, keepdim=True) + (1 - _GREY) * noise
    noise = noise - noise.mean((1, 2, 3), keepdim=True)
    return noise / noise.std((1, 2, 3), keepdim=True)


#: The kinds by name.
KINDS: dict[str, Callable[[int, torch.Generator], Tensor]] = {
    "symmetric": symmetric,
    "gaussian": gaussian,
    "mosaic": mosaic,
    "noise": noise,
}


def draw(kind: str, count: int, out: Path, *, seed: int = 0) -> None:
    """Write faces to folders of `PER_FOLDER`; those that an earlier run finished stay.

    Args:
        kind: A name in `KINDS`.
        count: The number of faces.
        out: The folder to fill.
        seed: The seed. The first faces of two numbers are the same.
    """
    out.mkdir(parents=True, exist_ok=True)

    def write(folder: Path, numbers: range) -> None:
        generator = torch.Generator().manual_seed(derive_seed(seed, kind, numbers.start // PER_FOLDER))
        faces = to_uint8(KINDS[kind](PER_FOLDER, generator)[: len(numbers)])
        for place, face in enumerate(faces):
            write_png(folder / f"{place:03d}.png", face)

    fill_folders(out, count, PER_FOLDER, write, title=kind, digits=4)


def _images(coefficients: Tensor) -> Tensor:
    return resized(faces_of(coefficients).clamp(0, 1), _SIDE)


def main() -> None:
    """Parse the command line and write the faces."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kind", choices=KINDS, default="mosaic", help="the kind (default: mosaic)")
    parser.add_argument("--faces", type=int, default=20_000, help="the number of faces (default: 20000)")
    parser.add_argument("--out", type=Path, required=True, help="the folder to fill")
    parser.add_argument("--seed", type=int, default=0, help="the seed (default: 0)")
    options = parser.parse_args()
    draw(options.kind, options.faces, options.out, seed=options.seed)
    print(f"Wrote {options.faces} faces to {options.out}")


if __name__ == "__main__":
    main()
