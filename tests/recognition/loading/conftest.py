"""Fixtures of the loading tests."""

import pytest
import torch


@pytest.fixture(scope="session")
def images() -> torch.Tensor:
    """Two random images of 112x112 pixels."""
    return torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
