"""Fixtures of what an attacker knows: a small network and images for it."""

import pytest
from torch import Tensor

from recognition.recogniser import Recogniser
from tests.arcinvert.knowledge.networks import some_images, token_recogniser


@pytest.fixture(scope="session")
def recogniser() -> Recogniser:
    """A network with a convolution, a LayerNorm and a linear layer, frozen; nothing may change it."""
    return token_recogniser()


@pytest.fixture(scope="session")
def images() -> Tensor:
    """Seven random images for the network."""
    return some_images()
