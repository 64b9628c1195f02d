"""Mixtures of training faces: who is in them, and that a seed repeats them."""

import numpy as np

from benchmarks.mixed_faces import mixture
from recognition.images import write_png


def test_a_mixture_is_a_weighted_mean_of_two_people(tmp_path):
    values = {"a": 0, "b": 100}
    paths = []
    for name, value in values.items():
        for number in range(2):
            path = tmp_path / name / f"{number}.png"
            path.parent.mkdir(exist_ok=True)
            write_png(path, np.full((112, 112, 3), value, dtype=np.uint8))
            paths.append(path)
    found = [mixture(paths, np.random.default_rng([0, number])) for number in range(20)]
    # Of 0 and 100 with a weight from 0.3 to 0.7: never one person alone.
    assert all(image.min() >= 30 and image.max() <= 70 for image in found)
    assert len({int(image[0, 0, 0]) for image in found}) > 10
    assert np.array_equal(found[3], mixture(paths, np.random.default_rng([0, 3])))
