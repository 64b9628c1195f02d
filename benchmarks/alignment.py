"""How long the alignment of photographs takes, and whether the search in smaller copies changes any crop.

    python -m benchmarks.alignment PHOTOGRAPHS [--sample 500] [--seed 0]

PHOTOGRAPHS has one folder for each identity, such as LFW. Each photograph is aligned twice: as `python -m
recognition align` does it, and with a search of the whole photograph for all of its faces. Times are of the
processor, so that other programs count little; two cores align twice as many photographs per second.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from recognition.data.folders import read_folders
from recognition.detection.alignment import Face, crop_at, face_detector, landmark_predictor
from recognition.detection.search import find_face, find_faces
from recognition.errors import NoFaceError
from recognition.images import read_image, write_png

Photograph = NDArray[np.uint8]
Result = TypeVar("Result")


@dataclass
class Clock:
    """Seconds of the processor, by what they were spent on."""

    seconds: dict[str, float]

    def time(self, name: str, work: Callable[..., Result], *given: Any) -> Result:
        """Return the result of a function of some arguments, and add its time to a name."""
        begin = time.process_time()
        try:
            return work(*given)
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - begin


def main() -> int:
    """Print times, photographs without a face, and differences of crops."""
    parser = argparse.ArgumentParser(description="Time the alignment of photographs.")
    parser.add_argument("photographs", type=Path, help="Folder with one folder for each identity")
    parser.add_argument("--sample", type=int, default=500, help="Number of photographs")
    parser.add_argument("--seed", type=int, default=0, help="Seed of the sample")
    options = parser.parse_args()
    paths = [path for found in read_folders(options.photographs).values() for path in found]
    chosen = random.Random(options.seed).sample(paths, min(options.sample, len(paths)))  # noqa: S311
    face_detector(), landmark_predictor()
    clock = Clock({})
    distances, missed = [], [0, 0]
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(chosen):
            image = clock.time("read", read_image, path)
            face = clock.time("find the face", _central, image)
            if face is not None:
                crop = clock.time("warp", crop_at, image, face)
                target = Path(folder, f"{number}.png")
                clock.time("write", write_png, target, crop)
                target.unlink()
            whole = clock.time("the whole photograph", _central_of_all, image)
            missed[0] += face is None
            missed[1] += whole is None
            if face is not None and whole is not None:
                distances.append(float(np.linalg.norm(face.points - whole.points, axis=1).max()))
    _print(clock, np.array(distances), missed, len(chosen))
    return 0


def _central(image: Photograph) -> Face | None:
    try:
        return find_face(image, name="photograph", pick="central")
    except NoFaceError:
        return None


def _central_of_all(image: Photograph) -> Face | None:
    middle = np.array([image.shape[1], image.shape[0]]) / 2
    faces = find_faces(image)
    return min(faces, key=lambda face: float(np.linalg.norm(face.points.mean(0) - middle)), default=None)


def _print(clock: Clock, distances: NDArray[np.float64], missed: list[int], count: int) -> None:
    whole = clock.seconds.pop("the whole photograph")
    for name, seconds in clock.seconds.items():
        print(f"{name:24} {1000 * seconds / count:7.1f} ms")
    total = sum(clock.seconds.values())
    print(
        f"{'together':24} {1000 * total / count:7.1f} ms, {count / total:.0f} photographs a second per core"
    )
    print(f"{'a search of the whole':24} {1000 * whole / count:7.1f} ms, in place of 'find the face'")
    interval = binomtest(missed[0], count).proportion_ci()
    print(
        f"without a face: {missed[0]} of {count} [{interval.low:.4f}, {interval.high:.4f}] "
        f"(by a search of the whole: {missed[1]})"
    )
    same = int((distances == 0).sum())
    interval = binomtest(same, max(1, len(distances))).proportion_ci()
    print(
        f"the same crop, bit for bit: {same} of {len(distances)} [{interval.low:.4f}, {interval.high:.4f}]; "
        f"largest distance of a landmark otherwise: {distances.max(initial=0):.2f} pixels"
    )


if __name__ == "__main__":
    sys.exit(main())
