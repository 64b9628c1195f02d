"""Refinement of reconstructions against a black box alone: CMA-ES along coefficients of the face PCA.

A surrogate finds what it and the black box have in common. What is left is searched for without gradients:
an evolution strategy changes the first coefficients of the face PCA, shows the faces, and keeps what raises
the answers.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from arcinvert.access.black_box import Answers
from arcinvert.access.meter import BudgetSpentError
from arcinvert.knowledge.face_pca import faces_of
from recognition.errors import InputError
from recognition.images import resized
from recognition.seeds import derive_seed

#: How many coefficients are changed, and by how much at first, in standard deviations of photographs.
COEFFICIENTS, STEP = 48, 0.25
#: Faces of a generation: what Hansen, arXiv:1604.00772, recommends for so many coefficients, 4 + 3 ln(n), and
#: the fewest that the strategy works with.
_POPULATION, _FEWEST = 4 + int(3 * math.log(COEFFICIENTS)), 5
#: The weight of the squared length of the change, which keeps a face likely, against a similarity.
_PRIOR = 0.002

#: Shows images, (n, 3, h, w) in [0, 1], and returns similarities to the person, (n,).
AskSimilarities = Callable[[Tensor], Answers]


def check_package() -> None:
    """Raise an InputError if the package of the evolution strategy is missing."""
    try:
        import cmaes  # noqa: F401
    except ImportError:
        raise InputError(
            "refine: expected the package cmaes, found none; install it (pip install 'arcinvert[black-box]')"
        ) from None


def refine(image: Tensor, ask: AskSimilarities, queries: int, *, seed: int, person: str) -> Tensor:
    """Return an image that the black box finds at least as similar to the person, shape (3, h, w).

    Args:
        image: Shape (3, h, w) in [0, 1].
        ask: Shows images.
        queries: The most images that are shown.
        seed: The seed of the random changes.
        person: The person's name, which the random changes follow from too.

    Source: Ros and Hansen, "A simple modification in CMA-ES achieving linear time and space complexity", PPSN
        X, 2008, as the package cmaes has it.
    """
    from cmaes import SepCMA

    strategy = SepCMA(
        np.zeros(COEFFICIENTS),
        STEP,
        seed=derive_seed(seed, "refine", person) % 2**32,
        population_size=min(_POPULATION, max(_FEWEST, queries - 1)),
    )
    best, best_value, shown = image, -np.inf, 0
    try:
        if queries:
            best_value, shown = float(ask(image[None])[0]), 1
        while shown + strategy.population_size <= queries:
            changes = [strategy.ask() for _ in range(strategy.population_size)]
            images = changed(image, np.stack(changes))
            values = ask(images)
            shown += len(values)
            strategy.tell(
                [
                    (change, _PRIOR * float(change @ change) - float(value))
                    for change, value in zip(changes, values, strict=True)
                ]
            )
            if values.max() > best_value:
                best, best_value = images[int(values.argmax())], float(values.max())
    except BudgetSpentError:
        # Retries took what was left.
        return best
    return best


def changed(image: Tensor, changes: Answers) -> Tensor:
    """Return images with changed coefficients, (n, 3, h, w) in [0, 1], of changes, (n, coefficients)."""
    zero = torch.zeros(1, changes.shape[1])
    moves = faces_of(torch.from_numpy(changes).float()) - faces_of(zero)
    return (image + resized(moves, image.shape[-1])).clamp(0, 1)
