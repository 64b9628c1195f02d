"""Mixtures of training faces, which a teacher labels in the training of the bundled network.

    python -m benchmarks.mixed_faces --aligned aligned --out mixed --faces 24000
    python -m benchmarks.mixed_faces --aligned aligned --out faces/mixed --faces 8000 --public

Each is a weighted mean of the aligned photographs of two people whom the bundled network was trained on, with
a weight drawn from 0.3 to 0.7, one of the two mirrored half of the time. A teacher says where a mixture
belongs, so that a student sees more people than the photographs show (mixup as in Beyer et al., Knowledge
distillation: a good teacher is patient and consistent, arXiv:2106.05237). The reserved photograph of each
class is left out, and so is everybody who is held out. With `--public` the people are those with a single
photograph, whom no benchmark attacks: the bundled decoder learns from their faces and these mixtures.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from arcinvert.learning.faces import MIXTURE
from benchmarks.face_folders import fill_folders, make_folder
from benchmarks.people import single_photographs, without_reserved
from recognition.checkpoint import load_notes
from recognition.data.faces import read_face
from recognition.data.folders import read_folders
from recognition.loading import bundled_path, load

#: Faces in one folder.
PER_FOLDER = 1_000


def main() -> None:
    """Parse the command line and write the faces."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--aligned", type=Path, required=True, help="aligned LFW: a folder of one folder for each identity"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder to fill")
    parser.add_argument("--faces", type=int, default=24_000, help="the number of mixtures (default: 24000)")
    parser.add_argument("--seed", type=int, default=0, help="the seed of the mixtures (default: 0)")
    parser.add_argument("--public", action="store_true", help="mix people with a single photograph alone")
    options = parser.parse_args()
    names, folders = load().class_names or (), read_folders(options.aligned)
    if options.public:
        paths = single_photographs(names, folders)
    else:
        paths = [path for name in names for path in folders.get(name, ())]
        paths = without_reserved(paths, load_notes(bundled_path())["split"]["reserved"])
    if len({path.parent for path in paths}) < 2:
        raise SystemExit(f"{options.aligned}: expected LFW's people, found none; check --aligned")
    make_folder(options.out)
    write_mixtures(paths, options.faces, options.out, seed=options.seed)
    print(f"Wrote {options.faces} faces to {options.out}")


def write_mixtures(paths: Sequence[Path], count: int, out: Path, *, seed: int = 0) -> None:
    """Write mixtures to folders of `PER_FOLDER`; those that an earlier run finished stay.

    Args:
        paths: Aligned photographs, in a folder for each person; at least two people.
        count: The number of mixtures.
        out: The folder to fill, which exists.
        seed: The seed. The first mixtures of two numbers are the same.
    """

    def write(folder: Path, numbers: range) -> None:
        for number in numbers:
            image = Image.fromarray(mixture(paths, np.random.default_rng([seed, number])))
            image.save(folder / f"{number:06}.jpg", quality=95, subsampling=0, comment=MIXTURE)

    fill_folders(out, count, PER_FOLDER, write, title="mixtures", digits=3)


def mixture(paths: Sequence[Path], generator: np.random.Generator) -> np.ndarray:
    """Return the weighted mean of the photographs of two people, uint8, shape (112, 112, 3)."""
    first = second = paths[int(generator.integers(len(paths)))]
    while second.parent == first.parent:
        second = paths[int(generator.integers(len(paths)))]
    one, other = (np.asarray(read_face(path, aligned=True), dtype=np.float32) for path in (first, second))
    if generator.random() < 0.5:
        other = other[:, ::-1]
    weight = generator.uniform(0.3, 0.7)
    return np.rint(weight * one + (1 - weight) * other).astype(np.uint8)


if __name__ == "__main__":
    main()
