"""How many faces are found: as they are, turned, small, and among others.

    python -m benchmarks.detection PHOTOGRAPHS [--sample 300] [--turned 20] [--missed align.json]

PHOTOGRAPHS has one folder for each identity, such as LFW. Each row says how many faces were found at the
right place and the right way up, with the 95 % interval of Clopper and Pearson, and the time of one
photograph.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import binomtest

from recognition.data.folders import read_folders
from recognition.detection.alignment import Face, crop_at, detect
from recognition.detection.search import find_faces, turned_photograph
from recognition.images import read_image

Photograph = NDArray[np.uint8]
#: Size of the composed photographs in pixels, and the sides of the faces in them.
COMPOSED = (1080, 1920)
GROUP = (200, 60, 60)
SMALL = (20, 30, 40, 60, 80)


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description="Count the faces that are found.")
    parser.add_argument("photographs", type=Path, help="Folder with one folder for each identity")
    parser.add_argument("--sample", type=int, default=300, help="Photographs as they are")
    parser.add_argument("--turned", type=int, default=20, help="Photographs that are turned and composed")
    parser.add_argument("--missed", type=Path, help="align.json, whose photographs without a face are tried")
    options = parser.parse_args()
    paths = [path for found in read_folders(options.photographs).values() for path in found]
    chosen = random.Random(0).sample(paths, min(options.sample, len(paths)))  # noqa: S311
    images = [read_image(path) for path in chosen]
    print(f"{'photographs':36}        found  95 % interval   CPU seconds each")
    _row("as they are, usual detector", images, lambda image: bool(detect(image)))
    _row("as they are, search", images, lambda image: bool(find_faces(image)))
    _row("as they are, the same crops", [image for image in images if detect(image)], _same_crops)
    if options.missed is not None:
        names = json.loads(options.missed.read_text())["without_face"]
        missed = [read_image(options.photographs / name) for name in names]
        _row("missed by the usual detector", missed, lambda image: bool(find_faces(image)))
    sure = [image for image in images if any(face.score > 1 for face in detect(image))][: options.turned]
    for turn in range(1, 8):
        _row(f"turned by {45 * turn} degrees", sure, partial(_found_turned, turn=turn))
    found = [image for image in images if find_faces(image)]
    for turn in (2, 4, 6):
        _row(f"any photograph, by {45 * turn} degrees", found, partial(_found_turned, turn=turn))
    for side in SMALL:
        _row(f"one face of {side} pixels in 1080p", sure, partial(_found_composed, sides=(side,)))
    _row("faces of 200, 60, 60 pixels in 1080p", sure, partial(_found_composed, sides=GROUP))
    return 0


def _row(name: str, images: Sequence[Photograph], found: Callable[[Photograph], bool]) -> None:
    begin = time.process_time()
    count = sum(found(image) for image in images)
    seconds = (time.process_time() - begin) / max(1, len(images))
    interval = binomtest(count, max(1, len(images))).proportion_ci()
    print(
        f"{name:36} {count:4} of {len(images):4}  [{interval.low:.3f}, {interval.high:.3f}] {seconds:12.2f}",
        flush=True,
    )


def _same_crops(image: Photograph) -> bool:
    return np.array_equal(crop_at(image, detect(image)[0]), crop_at(image, find_faces(image)[0]))


def _found_turned(image: Photograph, turn: int) -> bool:
    """Return whether the crop of a turned photograph is that of the upright one."""
    wanted = crop_at(image, find_faces(image)[0]).astype(float)
    turned = turned_photograph(image, turn)
    faces = find_faces(turned)
    if not faces:
        return False
    crop = crop_at(turned, faces[0]).astype(float)
    return bool(np.corrcoef(crop.ravel(), wanted.ravel())[0, 1] > 0.8)


def _found_composed(image: Photograph, sides: tuple[int, ...]) -> bool:
    """Return whether all faces are found in a grey photograph with faces of some sizes."""
    height, width = COMPOSED
    canvas = np.full((height, width, 3), 128, dtype=np.uint8)
    box = detect(image)[0].box
    middles = []
    for number, side in enumerate(sides):
        scale = side / (box[2] - box[0])
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        left, top = 60 + number * 620, 100 + number * 150
        canvas[top : top + size[1], left : left + size[0]] = np.asarray(
            Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)
        )
        middles.append((left + scale * (box[0] + box[2]) / 2, top + scale * (box[1] + box[3]) / 2))
    faces = find_faces(canvas, small=True)
    return all(any(_inside(face, middle) for face in faces) for middle in middles)


def _inside(face: Face, point: tuple[float, float]) -> bool:
    left, top, right, bottom = face.box
    return left <= point[0] <= right and top <= point[1] <= bottom


if __name__ == "__main__":
    sys.exit(main())
