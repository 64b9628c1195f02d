"""The pictures of a synthetic set, batch by batch: inversion of each identity's varied targets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from arcinvert.attack import Attack, Task
from arcinvert.attacker import Attacker
from arcinvert.evaluation.scores import Reference
from arcinvert.inversion.initialisation import INITIALISATIONS
from arcinvert.inversion.initialisation.base import Initialisation, InitialisationRequest
from arcinvert.inversion.progress import OnStep, StepCounter
from arcinvert.options import AttackOptions
from arcinvert.plan import AttackPlan
from arcinvert.subjects.subject import Subject
from arcinvert.synthesis.identities import Spread
from arcinvert.synthesis.options import SynthesisOptions
from arcinvert.synthesis.variation import VariedFaces, finished, targets
from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError
from recognition.images import resized
from recognition.seeds import derive_seed

#: Optimiser steps of a picture from the regression's face, which is near its target already.
STEPS = 10


@dataclass(frozen=True)
class PictureNumber:
    """A picture: the number of its identity, and its own among the identity's, both from 0."""

    identity: int
    picture: int


def plan_pictures(attacker: Attacker, options: SynthesisOptions) -> AttackPlan:
    """Return every decision about the attack that makes the pictures of a set.

    A network that was not measured on faces is measured on synthetic ones now, if the plan needs it.

    Args:
        attacker: The network and what is known of faces.
        options: The options of the set.

    Raises:
        InputError: If the network cannot be attacked so.
    """
    from_faces = options.knowledge == "public-faces"
    asked = AttackOptions(
        knowledge=options.knowledge,
        seed=options.seed,
        batch_size=options.batch_size,
        steps=options.steps if options.steps is not None or not from_faces else STEPS,
        restarts=1,
        regression_blend=0.0,
        # Each picture has light of its own.
        skin_tone=False,
    )
    # Measures a network that was not measured.
    plan = attacker.resolved(asked, "template")
    if not from_faces:
        return plan
    lacking = attacker.knowledge.regression_missing(attacker.recogniser.name)
    if lacking and not plan.steps:
        raise InputError(f"steps: expected at least 1 without a regression, got 0; {lacking}")
    start = "mean-face" if lacking else "regression"
    return attacker.resolved(replace(asked, initialisation=start), "template")


class Pictures:
    """Makes pictures of identities; a picture depends on its batch alone, not on what was made before.

    Args:
        attacker: The network and what is known of faces.
        options: The options of the set.
        plan: That of `plan_pictures`.
        spread: How the network's templates spread.
        within: The mean angle of a picture's target to its identity, degrees.
    """

    def __init__(
        self,
        attacker: Attacker,
        options: SynthesisOptions,
        plan: AttackPlan,
        spread: Spread,
        within: float,
    ) -> None:
        self._attacker, self._options, self._spread, self._within = attacker, options, spread, within
        self.plan = plan
        face = INITIALISATIONS[plan.initialisation]()
        self._initialisation: Initialisation = (
            VariedFaces(face, options.variation) if options.knowledge == "public-faces" else face
        )
        self._attack = Attack(
            attacker.recogniser,
            attacker.knowledge,
            self.plan,
            dtype=attacker.dtype,
            initialisation=self._initialisation,
        )

    def prepare(self) -> None:
        """Do what the first batch needs and no later one repeats, unless it was done before."""
        if self.plan.steps:
            self._attack.prepare(StepCounter(self._initialisation.pending_steps))

    def make(
        self,
        directions: Tensor,
        numbers: Sequence[PictureNumber],
        *,
        batch: int,
        on_step: OnStep | None = None,
    ) -> Tensor:
        """Return pictures, float32 in [0, 1], shape (len(numbers), 3, 112, 112), on the CPU.

        Args:
            directions: The identity of each picture, unit norm, float64, shape (len(numbers), dim).
            numbers: The pictures.
            batch: The batch's number, which random augmentation follows from.
            on_step: Receives every step.
        """
        wanted, _ = targets(
            directions, self._spread, within=self._within, seeds=self._seeds(numbers, "target")
        )
        images = (
            self._inverted(wanted, numbers, batch, on_step)
            if self.plan.steps
            else self._initialisation.images(wanted, self._request(), seeds=self._seeds(numbers, "start"))
        )
        return finished(
            resized(images, ALIGNED_SIZE),
            variation=self._options.variation,
            seeds=self._seeds(numbers, "picture"),
        )

    def _inverted(
        self, wanted: Tensor, numbers: Sequence[PictureNumber], batch: int, on_step: OnStep | None
    ) -> Tensor:
        names = [f"synthetic identity {one.identity}, picture {one.picture}" for one in numbers]
        tasks = [
            Task(Subject(name, None, target, Reference()), 0)
            for name, target in zip(names, wanted, strict=True)
        ]
        pending = self._initialisation.pending_steps
        counter = StepCounter(pending + self.plan.steps_per_batch, on_step, batch=1, batches=1, extra=pending)
        return self._attack.run(tasks, batch=batch, counter=counter).images

    def _request(self) -> InitialisationRequest:
        return InitialisationRequest(
            self._attacker.recogniser,
            self._attacker.knowledge,
            (),
            torch.float32,
            self.plan.whiten_neighbours,
            StepCounter(0),
        )

    def _seeds(self, numbers: Sequence[PictureNumber], what: str) -> list[int]:
        return [derive_seed(self._options.seed, what, one.identity, one.picture) for one in numbers]
