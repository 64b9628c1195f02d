"""Plans of attacks on small networks, with knowledge that is made up."""

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from arcinvert.knowledge.activation_statistics import ActivationSite, LayerMoments
from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.options import AttackOptions
from arcinvert.plan import AttackPlan, PlannedPenalty
from arcinvert.resolve import resolve
from recognition.recogniser import Preprocessing, Recogniser
from tests.arcinvert.inversion.initialisation.knowledge import full_knowledge, no_statistics
from tests.arcinvert.inversion.networks import DIM, SIZE, recogniser_with_statistics

#: What error messages recommend.
CALIBRATE = (
    "measure them with 'arcinvert calibrate --model MODEL --images FACES' and use --knowledge public-faces"
)


def network() -> Recogniser:
    """Return a network with BatchNorm, and eight class centres of four dimensions."""
    recogniser = recogniser_with_statistics()
    recogniser.scale, recogniser.margin = 16.0, 0.3
    return recogniser


def without_batch_norm(centres: int | None = 3) -> Recogniser:
    """Return a network without statistics of its own, with fewer centres than dimensions."""
    body = nn.Sequential(nn.Flatten(), nn.Linear(3 * SIZE * SIZE, DIM))
    rows = None if centres is None else torch.eye(DIM)[:centres]
    preprocessing = Preprocessing(input_size=SIZE)
    return Recogniser(body, name="plain", preprocessing=preprocessing, centres=rows).freeze()


def known(
    *, neighbours: bool = False, regression: bool = False, layers: bool = False, decoder: bool = False
) -> Knowledge:
    """Return knowledge with some of what 'arcinvert calibrate' measures and 'arcinvert learn' trains."""
    knowledge = full_knowledge()
    assert knowledge.statistics is not None
    maps = torch.zeros(4, 4, 4), torch.ones(4, 4, 4)
    moments = LayerMoments(ActivationSite("backbone.0", "output", 1), torch.zeros(4), torch.ones(4), 9, *maps)
    statistics = replace(
        knowledge.statistics,
        layers=(moments,) if layers else (),
        nearest_neighbours=knowledge.nearest_neighbours if neighbours else None,
        regression=knowledge.regression if regression else None,
    )
    return replace(knowledge, statistics=statistics, decoder=knowledge.decoder if decoder else None)


def plan(
    target: Any = "class",
    *,
    recogniser: Recogniser | None = None,
    faces: Knowledge | None = None,
    **options: Any,
) -> AttackPlan:
    """Return the plan of an attack on a class or a template."""
    return resolve(AttackOptions(**options), recogniser or network(), faces or no_statistics(), target)


def penalties(**weights: float) -> tuple[PlannedPenalty, ...]:
    """Return planned penalties; underscores stand for dashes."""
    return tuple(PlannedPenalty(name.replace("_", "-"), weight) for name, weight in weights.items())
