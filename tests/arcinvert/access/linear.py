"""A world in which scores are linear in the embeddings of the surrogate."""

import numpy as np
from numpy.typing import NDArray

from arcinvert.access.template_model import TemplateModel

Floats = NDArray[np.float64]
DIM = 12


def unit(rows: Floats) -> Floats:
    return np.asarray(rows / np.linalg.norm(rows, axis=-1, keepdims=True))


def person(number: int) -> Floats:
    """Return the embedding of somebody like the public."""
    draw = np.random.default_rng(100 + number)
    return unit(draw.normal(size=DIM) * np.linspace(0.5, 2, DIM) + 0.3)


def scores_of(model: TemplateModel, shown: Floats, template: Floats) -> Floats:
    """Return scores by the model: linear in whitened embeddings, with an offset and a strength."""
    whitened = model.whitened(np.concatenate([shown, template[None]]))
    return np.asarray(0.05 + 0.03 * whitened[:-1] @ whitened[-1])
