from pathlib import Path

import pytest
import torch

from tests.recognition.training.helpers import run


@pytest.fixture(scope="session")
def trained(people, tmp_path_factory) -> Path:
    """Folder of an uninterrupted training; nothing may change it."""
    out = tmp_path_factory.mktemp("trained") / "run"
    torch.manual_seed(123)
    assert run(people, out) == out / "model.safetensors"
    return out
