"""How well the perceptual hash tells the same photograph from others; chose `SAME_PHOTOGRAPH`.

    python -m benchmarks.duplicates --aligned ALIGNED --photos LFW

Prints how many pairs of photographs of different people differ in at most so many bits, and the share of
photographs that are found again after each change, the face detected and aligned anew. LFW has six
photographs under the names of two people each, which no threshold can tell apart.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from recognition.data.faces import read_face
from recognition.data.folders import read_folders
from recognition.detection.alignment import crop_at
from recognition.detection.search import find_face
from recognition.errors import InputError
from recognition.images import read_image
from recognition.metrics.intervals import estimate
from recognition.perceptual_hash import BYTES, SAME_PHOTOGRAPH, distances, perceptual_hash

Picture = NDArray[np.uint8]
#: The seed of the draw of photographs that are changed.
_SEED = 0


def encoded(image: Picture, quality: int) -> Picture:
    """Return an image after JPEG compression."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def scaled(image: Picture, factor: float) -> Picture:
    """Return an image of another size."""
    height, width = image.shape[:2]
    size = round(width * factor), round(height * factor)
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))


def cropped(image: Picture, part: float) -> Picture:
    """Return an image without this part of each side."""
    height, width = image.shape[:2]
    down, right = round(height * part), round(width * part)
    return np.ascontiguousarray(image[down : height - down, right : width - right])


def grey(image: Picture) -> Picture:
    """Return an image without colour."""
    return np.asarray(Image.fromarray(image).convert("L").convert("RGB"))


def barred(image: Picture) -> Picture:
    """Return an image whose lower two fifths are black, as under a caption."""
    changed = image.copy()
    changed[round(0.6 * len(image)) :] = 0
    return changed


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "JPEG quality 50": lambda image: encoded(image, 50),
    "JPEG quality 20": lambda image: encoded(image, 20),
    "0.7 of the size": lambda image: scaled(image, 0.7),
    "half the size": lambda image: scaled(image, 0.5),
    "twice the size": lambda image: scaled(image, 2),
    "0.8 of the brightness": lambda image: (image * 0.8).astype(np.uint8),
    "grey": grey,
    "a tenth off each side": lambda image: cropped(image, 0.1),
    "the lower two fifths black": barred,
}


def close_pairs(hashes: NDArray[np.uint8], people: NDArray[np.str_]) -> tuple[NDArray[np.int64], int]:
    """Return how many pairs of different people differ in each number of bits, (257,), and in any."""
    counts = np.zeros(8 * BYTES + 1, np.int64)
    signs = np.unpackbits(hashes, axis=1).astype(np.float32) * 2 - 1
    for row in tqdm(range(len(signs) - 1), desc="pairs", unit="photograph", mininterval=5):
        differing = np.rint((signs.shape[1] - signs[row + 1 :] @ signs[row]) / 2).astype(np.int64)
        counts += np.bincount(differing[people[row + 1 :] != people[row]], minlength=len(counts))
    return counts, int(counts.sum())


def found_again(photographs: list[Path], aligned: list[Path]) -> dict[str, list[int | None]]:
    """Return each photograph's distance to itself after each change; None where no face is found in it."""
    found: dict[str, list[int | None]] = {name: [] for name in CHANGES}
    for photograph, crop in tqdm(list(zip(photographs, aligned, strict=True)), desc="changes", mininterval=5):
        own, image = perceptual_hash(read_face(crop)), read_image(photograph)
        for name, change in CHANGES.items():
            changed = change(image)
            try:
                face = crop_at(changed, find_face(changed, name=name, pick="central"))
            except InputError:
                found[name].append(None)
                continue
            found[name].append(int(distances(own, perceptual_hash(face)[None])[0]))
    return found


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--aligned", type=Path, required=True, help="aligned LFW: a folder for each identity")
    parser.add_argument("--photos", type=Path, required=True, help="LFW itself: a folder for each identity")
    parser.add_argument("--count", type=int, default=200, help="photographs to change (default: %(default)s)")
    options = parser.parse_args()
    folders = read_folders(options.aligned)
    crops = [path for paths in folders.values() for path in paths]
    people = np.array([path.parent.name for path in crops])
    hashes = np.stack([perceptual_hash(read_face(path)) for path in tqdm(crops, desc="hash", mininterval=5)])
    counts, pairs = close_pairs(hashes, people)
    print(f"{len(crops):,} photographs of {len(folders):,} people, {pairs:,} pairs of different people")
    print("bits: pairs of different people no farther apart")
    for bits in (10, 20, 30, SAME_PHOTOGRAPH, 50, 60):
        print(f"  {bits}: {int(counts[: bits + 1].sum())}")
    order = np.random.default_rng(_SEED).permutation(len(crops))[: options.count]
    chosen = [crops[index] for index in sorted(order)]
    originals = [next((options.photos / one.parent.name).glob(f"{one.stem}.*")) for one in chosen]
    print(f"Found again within {SAME_PHOTOGRAPH} bits, of {len(chosen)} photographs:")
    for name, values in found_again(originals, chosen).items():
        hits = estimate(
            [value is not None and value <= SAME_PHOTOGRAPH for value in values], range(len(values))
        )
        print(f"  {name}: {hits.value:.3f} [{hits.low:.3f}, {hits.high:.3f}]")


if __name__ == "__main__":
    main()
