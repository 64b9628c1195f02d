import math

import torch

from recognition.training.angles import AngleHistogram


def test_angles_are_counted_by_degree():
    degrees = [0.5, 30.5, 30.6, 90.5, 179.5]
    embeddings = torch.tensor(
        [[3 * math.cos(math.radians(d)), 3 * math.sin(math.radians(d))] for d in degrees]
    )
    histogram = AngleHistogram()
    for _ in range(2):
        histogram.add(embeddings, torch.zeros(5, dtype=torch.long), torch.tensor([[1.0, 0.0]]))
    assert {index: int(histogram.counts[index]) for index in histogram.counts.nonzero()[0]} == {
        0: 2,
        30: 4,
        90: 2,
        179: 2,
    }
    # To the second centre, a quarter turn away, the first angle is 89.5 degrees.
    histogram.reset()
    histogram.add(embeddings[:1], torch.ones(1, dtype=torch.long), torch.eye(2))
    assert histogram.counts.nonzero()[0].tolist() == [89]
