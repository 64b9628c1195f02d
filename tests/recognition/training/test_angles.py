import math

import torch

from recognition.training.angles import AngleHistogram, count_angles


def test_angles_are_counted_by_degree():
    degrees = [0.5, 30.5, 30.6, 90.5, 179.5]
    cosines = torch.tensor([math.cos(math.radians(d)) for d in degrees])
    histogram = AngleHistogram()
    for _ in range(2):
        histogram.add(count_angles(cosines))
    assert {index: int(histogram.counts[index]) for index in histogram.counts.nonzero()[0]} == {
        0: 2,
        30: 4,
        90: 2,
        179: 2,
    }
    histogram.reset()
    assert not histogram.counts.any()
