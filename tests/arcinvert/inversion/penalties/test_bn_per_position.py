"""Statistics of each position, against loops over channels and positions."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from arcinvert.inversion.penalties.bn_per_position import PerPositionStatistics
from arcinvert.inversion.penalties.bn_relative import RelativeStatistics
from arcinvert.knowledge.activation_statistics import MeasuredStatistics
from recognition.errors import InputError
from recognition.recogniser import Preprocessing, Recogniser
from tests.arcinvert.inversion.networks import hooked_modules
from tests.arcinvert.inversion.penalties.networks import (
    maps_of,
    small_network,
    some_faces,
    some_images,
    use_statistics_of,
    value_of,
)


def positions_of(network: nn.Sequential, images: Tensor, statistics: MeasuredStatistics) -> Tensor:
    """Return the part of the penalty that is of positions."""
    whole = value_of(PerPositionStatistics(statistics), network, images)
    channels = value_of(RelativeStatistics(statistics), network, images)
    return (whole - channels) / PerPositionStatistics.WEIGHT


def naive_positions(network: nn.Sequential, images: Tensor, statistics: MeasuredStatistics) -> float:
    """Return the penalty of positions, value by value."""
    penalties = []
    for layer in statistics.layers:
        with torch.no_grad():
            outputs = network[: int(layer.site.name) + 1](images)
        both = torch.cat([outputs, outputs.flip(-1)]).numpy()
        assert layer.map_mean is not None
        assert layer.map_variance is not None
        means, ratios = [], []
        for channel, (face_mean, face_variance) in enumerate(
            zip(layer.map_mean.numpy(), layer.map_variance.numpy(), strict=True)
        ):
            floor = 0.05 * face_variance.mean()
            for row, column in np.ndindex(face_mean.shape):
                values = both[:, channel, row, column]
                faces = face_variance[row, column] + floor
                mean = sum(values) / len(values)
                variance = sum((value - mean) ** 2 for value in values) / len(values)
                means.append((mean - face_mean[row, column]) ** 2 / faces)
                ratios.append((((variance + floor) / faces) ** 0.5 - 1) ** 2)
        penalties.append(sum(means) / len(means) + sum(ratios) / len(ratios))
    return sum(penalties) / len(penalties)


def test_values_by_hand() -> None:
    network, images = small_network(), some_images()
    statistics = maps_of(network, some_faces())
    expected = naive_positions(network, images, statistics)
    assert float(positions_of(network, images, statistics)) == pytest.approx(expected, rel=1e-5)
    assert PerPositionStatistics.WEIGHT == 2


def test_the_same_statistics_at_other_positions_cost_much() -> None:
    network, images = small_network(), some_images()
    use_statistics_of(network, images)
    statistics = maps_of(network, images)
    assert float(value_of(PerPositionStatistics(statistics), network, images)) < 1e-4
    assert float(value_of(PerPositionStatistics(statistics), network, images.roll(2, 2))) > 0.5


def test_positions_that_never_change_stay_finite() -> None:
    network = small_network()
    still = some_images()[:1].expand(2, -1, -1, -1)
    still = (still + still.flip(-1)) / 2
    images = still.clone().requires_grad_()
    value_of(PerPositionStatistics(maps_of(network, still)), network, images).backward()
    assert images.grad is not None
    assert bool(images.grad.isfinite().all())


def test_a_mirrored_batch_costs_the_same() -> None:
    network = small_network()
    # With kernels that are symmetric, a mirrored image has mirrored activations.
    with torch.no_grad():
        network[0].weight.add_(network[0].weight.flip(-1).clone())
    statistics = maps_of(network, some_faces())
    first = MeasuredStatistics(statistics.layers[:1], "", "small", 6)
    values = [positions_of(network, images, first) for images in (some_images(), some_images().flip(-1))]
    torch.testing.assert_close(*values)


def test_nothing_stays_attached() -> None:
    network = small_network()
    penalty = PerPositionStatistics(maps_of(network, some_faces()))
    with penalty.observing(network):
        assert hooked_modules(network) == ["0", "1", "3", "4"]
    assert hooked_modules(network) == []


def test_passes_without_gradients_are_not_observed() -> None:
    network = small_network()
    penalty = PerPositionStatistics(maps_of(network, some_faces()))
    alone = float(value_of(penalty, network, some_images(1)))
    with penalty.observing(network):
        network(some_images(1))
        with torch.no_grad():
            network(some_images(2))
        assert float(penalty(some_images(1))) == alone


def test_activations_of_another_size_are_refused() -> None:
    network = small_network().float()
    faces = some_faces().float()
    penalty = PerPositionStatistics(maps_of(network, faces))
    larger = Recogniser(network, name="larger", preprocessing=Preprocessing(0.0, 1.0, input_size=8))
    message = r"^statistics: expected 0 of \(4, 6, 6\), as calibrated, got \(4, 8, 8\); calibrate for this "
    with penalty.observing(larger.backbone), pytest.raises(InputError, match=message):
        larger.backbone(torch.rand(2, 3, 8, 8, requires_grad=True))
