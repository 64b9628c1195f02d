"""Relative statistics: no unit of a layer matters, and no image compensates for another."""

import pytest
import torch

from arcinvert.inversion.penalties.bn_relative import PerImageStatistics, RelativeStatistics
from tests.arcinvert.inversion.penalties.networks import small_network, some_images, value_of


def test_units_of_a_layer_do_not_matter() -> None:
    network, images = small_network(), some_images()
    value = float(value_of(RelativeStatistics(), network, images))
    # The same last layer in other units: its inputs, their mean and deviation all ten times.
    network[3].weight.mul_(10)
    network[4].running_mean.mul_(10)
    network[4].running_var.mul_(100)
    assert float(value_of(RelativeStatistics(), network, images)) == pytest.approx(value, rel=1e-5)


def test_one_image_does_not_compensate_for_another() -> None:
    network, images = small_network(), some_images()
    together, alone = (value_of(kind(), network, images) for kind in (RelativeStatistics, PerImageStatistics))
    assert alone > together
    # An image's own penalty does not depend on the rest of its batch.
    slopes = []
    for given in (images.clone(), images[:1].clone()):
        (slope,) = torch.autograd.grad(value_of(PerImageStatistics(), network, given.requires_grad_()), given)
        slopes.append(slope)
    torch.testing.assert_close(slopes[0][:1] * 3, slopes[1])
