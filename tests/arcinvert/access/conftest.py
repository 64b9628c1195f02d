"""Public faces of the linear world, and the model of their scores."""

import numpy as np
import pytest

from arcinvert.access.template_model import TemplateModel
from tests.arcinvert.access.linear import DIM, Floats, unit


@pytest.fixture(scope="module")
def public() -> Floats:
    """Embeddings of public faces, of another variance in each direction."""
    draw = np.random.default_rng(0)
    return unit(draw.normal(size=(400, DIM)) * np.linspace(0.5, 2, DIM) + 0.3)


@pytest.fixture(scope="module")
def model(public: Floats) -> TemplateModel:
    return TemplateModel(public)
