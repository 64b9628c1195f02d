"""A new penalty, loss, parametrisation or initialisation is a class and one line in its registry.

Each is registered here from outside, as a plug-in does, and used by name through `arcinvert.Attacker`.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from arcinvert import Attacker, AttackOptions, InputError, Step
from arcinvert.inversion.initialisation import INITIALISATIONS
from arcinvert.inversion.initialisation.base import Initialisation, InitialisationRequest
from arcinvert.inversion.parametrisations import PARAMETRISATIONS
from arcinvert.inversion.parametrisations.base import Parametrisation
from arcinvert.inversion.penalties import PENALTIES
from arcinvert.inversion.penalties.base import Penalty
from arcinvert.inversion.targets import LOSSES
from arcinvert.inversion.targets.base import Target
from recognition.registry import Entry, Registry


class Brightness(Penalty):
    """The mean brightness of each image."""

    def __call__(self, images: Tensor) -> Tensor:
        return images.mean((1, 2, 3))


class AngleTarget(Target):
    """The angle between an embedding and its template, radians."""

    def __call__(self, embeddings: Tensor) -> Tensor:
        return torch.acos((embeddings * self.templates).sum(1).clamp(-0.999, 0.999))


class Grey(Parametrisation):
    """Images without colour: one channel, shown three times."""

    learning_rate = 0.03
    steps = 2
    restarts = 1
    penalty_weights = {"colour-tv": 0.0}  # noqa: RUF012  (never changed)

    def __init__(self, start: Tensor) -> None:
        self._grey = start.mean(1, keepdim=True).detach().requires_grad_()

    @property
    def parameters(self) -> list[Tensor]:
        return [self._grey]

    def images(self) -> Tensor:
        return self._grey.expand(-1, 3, -1, -1)


class White(Initialisation):
    """White images."""

    of_public_faces = False

    def faces(self, templates: Tensor, request: InitialisationRequest, restart: int) -> Tensor:
        size = request.recogniser.input_size
        return torch.ones(len(templates), 3, size, size)


@contextlib.contextmanager
def registered(registry: Registry[Any], name: str, part: type) -> Iterator[None]:
    registry.register(name, Entry(f"{part.__module__}:{part.__qualname__}", "a part of a test"))
    try:
        yield
    finally:
        registry.unregister(name)


@pytest.fixture
def attacker(tiny_model: Path) -> Attacker:
    return Attacker(tiny_model, device="cpu", precision="float32")


def test_a_penalty(attacker: Attacker) -> None:
    steps: list[Step] = []
    with registered(PENALTIES, "toy", Brightness):
        run = attacker.generate(0, steps=2, penalty={"toy": 0.5}, progress=steps.append)
        dark = attacker.generate(0, steps=8, penalty={"toy": 1e6})
        bright = attacker.generate(0, steps=8)
    assert run.result["plan"]["penalties"]["toy"] == 0.5
    assert run.result["plan"]["changes"]["penalty"] == {"toy": 0.5}
    assert 0 < steps[0].losses["toy"] < 0.5
    assert dark.images[0].mean() < bright.images[0].mean()
    with pytest.raises(InputError, match=r"^penalty: expected one of tv, .*got 'toy'$"):
        attacker.generate(0, steps=2, penalty={"toy": 0.5})


def test_a_loss(attacker: Attacker) -> None:
    templates = torch.eye(32)[:2]
    steps: list[Step] = []
    with registered(LOSSES, "toy", AngleTarget):
        run = attacker.from_embedding(templates, steps=2, loss="toy", progress=steps.append)
    assert run.result["plan"]["loss"] == "toy"
    assert len(run.images) == 2
    # Random images are about a right angle away.
    assert 1.0 < steps[0].losses["identity"] < 2.2
    with pytest.raises(InputError, match=r"^loss: expected one of arcface, cosine, euclidean, got 'toy'$"):
        AttackOptions(loss="toy")


def test_a_parametrisation(attacker: Attacker) -> None:
    with registered(PARAMETRISATIONS, "toy", Grey):
        run = attacker.generate(1, parametrisation="toy")
        plan = attacker.plan("class", parametrisation="toy", low_resolution=0.5)
    # Its own settings are used where none are given.
    decided = run.result["plan"]
    assert (decided["steps"], decided["restarts"], decided["learning_rate"]) == (2, 1, 0.03)
    assert "colour-tv" not in decided["penalties"]
    assert [stage.low_resolution for stage in plan.stages] == [True, False]
    (image,) = run.images
    assert (image == image[..., :1]).all()
    with pytest.raises(
        InputError, match=r"^parametrisation: expected one of face-pca, decoder, pixels, fourier"
    ):
        AttackOptions(parametrisation="toy")


def test_an_initialisation(attacker: Attacker) -> None:
    starts: list[Tensor] = []

    def first(step: Step) -> None:
        starts.append(step.images())

    with registered(INITIALISATIONS, "toy", White):
        run = attacker.generate(
            1, steps=1, restarts=1, initialisation="toy", learning_rate=1e-6, progress=first
        )
    assert run.result["plan"]["initialisation"] == "toy"
    # It is not made of faces, and neither are pixels.
    assert run.result["plan"]["parametrisation"] == "pixels"
    assert run.result["attacker_knowledge"] == {"level": "weights"}
    # White with a little noise, clipped.
    assert float(starts[0].mean()) > 0.95
