"""The exponential moving average of weights, by hand."""

import pytest
import torch
from torch import nn

from recognition.training.average import WeightAverage


def test_the_average_moves_by_its_decay_and_faster_in_the_first_steps():
    layer = nn.BatchNorm1d(1)
    average = WeightAverage({"layer": layer}, 0.5)
    expected = 1.0
    for step, value in enumerate([3.0, 5.0, 7.0, 9.0, 2.0, 4.0, 6.0, 8.0, 0.0, 1.0]):
        layer.weight.data.fill_(value)
        layer.num_batches_tracked.fill_(step)
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
        assert float(average.tensors["layer.weight"]) == pytest.approx(expected, rel=1e-6)
    assert int(average.tensors["layer.num_batches_tracked"]) == 9


def test_modules_have_the_average_inside_the_context_alone():
    layer = nn.Linear(1, 1, bias=False)
    layer.weight.data.fill_(1.0)
    average = WeightAverage({"layer": layer}, 0.5)
    layer.weight.data.fill_(2.0)
    with average.applied():
        assert float(layer(torch.ones(1, 1)).detach()) == 1.0
    assert float(layer(torch.ones(1, 1)).detach()) == 2.0
    assert float(average.tensors["layer.weight"]) == 1.0
    average.reset()
    assert float(average.tensors["layer.weight"]) == 2.0
    average.load({"layer.weight": torch.full((1, 1), 7.0)})
    assert float(average.tensors["layer.weight"]) == 7.0
    with pytest.raises(ValueError, match="other weights"):
        average.load({"other.weight": torch.ones(1, 1)})
