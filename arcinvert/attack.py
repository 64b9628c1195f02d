"""A plan carried through: subjects to images. Nothing is decided here."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import torch
from torch import Tensor

from arcinvert.inversion.augmentation import Augmentation
from arcinvert.inversion.engine import invert
from arcinvert.inversion.initialisation import INITIALISATIONS
from arcinvert.inversion.initialisation.base import Initialisation, InitialisationRequest
from arcinvert.inversion.initialisation.noise import noise_images
from arcinvert.inversion.parametrisations import PARAMETRISATIONS
from arcinvert.inversion.parametrisations.base import Parametrisation
from arcinvert.inversion.parametrisations.deformed import Deformed
from arcinvert.inversion.parametrisations.low_resolution import LowResolution
from arcinvert.inversion.penalties import PENALTIES, WeightedPenalty
from arcinvert.inversion.penalties.base import Setting
from arcinvert.inversion.progress import StepCounter
from arcinvert.inversion.restarts import augmented_similarity, best_of
from arcinvert.inversion.result import Inversion, StopInversion
from arcinvert.inversion.retries import unlike, with_retry
from arcinvert.inversion.schedule import Schedule
from arcinvert.inversion.size import given_size
from arcinvert.inversion.stages import in_stages
from arcinvert.inversion.targets import LOSSES
from arcinvert.inversion.targets.base import Target, TargetRequest
from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.knowledge.skin_tone import skin_tone_of
from arcinvert.knowledge.whitening import Whitening, whitening_of
from arcinvert.plan import AttackPlan, PlannedAugmentation
from arcinvert.subjects import Subject
from recognition.appearance.upsampling import as_seen
from recognition.errors import InputError
from recognition.images import resized
from recognition.recogniser import Recogniser
from recognition.seeds import derive_seed


@dataclass(frozen=True)
class Task:
    """One image to make: a subject, and the number of its sample from 0."""

    subject: Subject
    sample: int


class Attack:
    """Runs a plan on batches.

    Args:
        recogniser: The attacked network.
        knowledge: What the attacker knows besides the network.
        plan: Every decision.
        dtype: The floating-point type of the network's inner computation.
        initialisation: The plan's initialisation, which keeps what it prepared for other attacks on the
            network.
        graphs: Whether steps are captured as CUDA graphs.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        knowledge: Knowledge,
        plan: AttackPlan,
        *,
        dtype: torch.dtype,
        initialisation: Initialisation,
        graphs: bool = False,
    ) -> None:
        self.plan = plan
        self._graphs = graphs
        self._recogniser = recogniser
        self._knowledge = knowledge
        self._dtype = dtype
        self.initialisation = initialisation
        self._parametrisation = PARAMETRISATIONS[plan.parametrisation]
        setting = Setting(recogniser, self._parametrisation, knowledge.statistics)
        self._penalties = tuple(
            WeightedPenalty(penalty.name, penalty.weight, PENALTIES[penalty.name].build(setting))
            for penalty in plan.penalties
        )
        self._skin_tone = skin_tone_of(knowledge, plan.initialisation) if plan.skin_tone else None
        self._whitening: Whitening | None = None
        if plan.whiten_centres and recogniser.centres is not None:
            self._whitening = whitening_of(recogniser.centres)

    def run(self, tasks: Sequence[Task], *, batch: int, counter: StepCounter) -> Inversion:
        """Return the inversion of one batch.

        Args:
            tasks: The images to make.
            batch: The batch's number from 0, which the random augmentation follows from.
            counter: Counts and reports the steps.
        """
        target = self._target([task.subject for task in tasks])
        request = self._request(counter)
        try:
            self.initialisation.prepare(request)
        except StopInversion:
            return self._stopped_at_once(tasks, target)
        found = self._attempt(tasks, target, request, batch)
        for retry in range(1, self.plan.retries + 1):
            missed = unlike(found)
            if found.stopped or not missed.any():
                break
            counter.add(self.plan.steps_per_attempt)
            some = list(compress(tasks, missed.tolist()))
            again = self._attempt(
                some, self._target([task.subject for task in some]), request, batch, retry=retry
            )
            found = with_retry(found, again, missed)
            if unlike(again).all():
                # What raises nobody would hardly raise anybody if it were repeated.
                break
        if not all(part.isfinite().all() for part in (found.images, found.similarity)):
            raise InputError(
                "learning rate or penalty: expected values with which the optimisation converges, got images "
                "that are no numbers; lower --learning-rate or the weights of --penalty"
            )
        images = self._finished(found.images, target)
        if images is not found.images:
            found = replace(found, images=images, similarity=self._similarity(images, target))
        return self._shown(tasks, found, target, batch=batch, counter=counter)

    def shown(
        self, tasks: Sequence[Task], found: Inversion, *, batch: int, counter: StepCounter
    ) -> Inversion:
        """Return an inversion with the plan's pose, expression and size, which it was made without.

        The images are deformed, and what the network sees then is optimised until it finds the people again.

        Args:
            tasks: The images' tasks.
            found: What was found for them.
            batch: The batch's number from 0, which the random augmentation follows from.
            counter: Counts and reports the steps.
        """
        target = self._target([task.subject for task in tasks])
        return self._shown(tasks, found, target, batch=batch, counter=counter)

    def _shown(
        self, tasks: Sequence[Task], found: Inversion, target: Target, *, batch: int, counter: StepCounter
    ) -> Inversion:
        found = self._deformed(found, target, batch=batch, counter=counter)
        images = given_size(found.images, self.plan.size, self._seeds(tasks, "detail"))
        if images is found.images:
            return found
        return replace(found, images=images, similarity=self._similarity(images, target))

    def _deformed(self, found: Inversion, target: Target, *, batch: int, counter: StepCounter) -> Inversion:
        """Return an inversion with the plan's pose, expression and age."""
        appearance = self.plan.appearance
        if not appearance.is_wanted:
            return found
        if found.stopped or not self.plan.appearance_steps:
            images = appearance.given_to(found.images)
            return replace(found, images=images, similarity=self._similarity(images, target))
        setting = Setting(self._recogniser, Deformed, self._knowledge.statistics)
        faces = found.images.to(self._recogniser.device)
        shown = invert(
            self._recogniser,
            target,
            Deformed(faces, appearance.deformation(faces)),
            self.plan.appearance_stage,
            penalties=[one for one in self._penalties if not PENALTIES[one.name].missing(setting)],
            augmentation=self._augmentation(self.plan.augmentation, batch, "appearance"),
            dtype=self._dtype,
            counter=counter,
        )
        return replace(
            shown,
            start=found.start,
            steps=found.steps + shown.steps,
            further_steps=found.further_steps,
        )

    def prepare(self, counter: StepCounter) -> None:
        """Do what the first batch needs and no later one repeats, unless it was done before.

        Args:
            counter: Counts and reports the steps.

        Raises:
            StopInversion: If the counter's callback raises it.
        """
        self.initialisation.prepare(self._request(counter))

    def _request(self, counter: StepCounter) -> InitialisationRequest:
        return InitialisationRequest(
            self._recogniser,
            self._knowledge,
            self._penalties,
            self._dtype,
            self.plan.whiten_neighbours,
            counter,
        )

    def _attempt(
        self,
        tasks: Sequence[Task],
        target: Target,
        request: InitialisationRequest,
        batch: int,
        retry: int = 0,
    ) -> Inversion:
        """Run all restarts, and take the rest of the steps; restarts of further attempts move further."""
        plan, again = self.plan, ("retry", retry) if retry else ()
        stages = plan.retry_stages if retry else plan.stages
        augmentation = plan.retry_augmentation if retry else plan.augmentation
        templates = torch.stack([task.subject.template for task in tasks]).cpu()

        def run(restart: int) -> Inversion:
            number = (*again, "restart", restart) if restart else again
            # Noise makes optimisations differ; where there is none it would only stay in the image.
            start = (
                self.initialisation.images(
                    templates, request, seeds=self._seeds(tasks, *number), restart=restart
                )
                if plan.steps
                else resized(
                    self.initialisation.faces(templates, request, restart), self._recogniser.input_size
                )
            )
            return self._optimised(start, stages, augmentation, target, request, (batch, *number))

        found = best_of(
            plan.restarts,
            run,
            lambda images: augmented_similarity(
                self._recogniser, images.to(self._recogniser.device), target.templates
            ).cpu(),
        )
        if not plan.last_stages or found.stopped:
            return found
        views = (batch, *again, "kept")
        rest = self._optimised(found.images, plan.last_stages, plan.augmentation, target, request, views)
        return replace(rest, start=found.start, steps=found.steps + rest.steps)

    def _optimised(
        self,
        start: Tensor,
        stages: Sequence[Schedule],
        planned: PlannedAugmentation,
        target: Target,
        request: InitialisationRequest,
        views: tuple[int | str, ...],
    ) -> Inversion:
        """Optimise images in stages; the random augmentation follows from `views`."""
        augmentation = self._augmentation(planned, *views)

        def parametrised(images: Tensor) -> Parametrisation:
            return self._parametrisation.build(images, target.templates, self._knowledge)

        def run(schedule: Schedule, images: Tensor) -> Inversion:
            images = images.to(self._recogniser.device)
            return invert(
                self._recogniser,
                target,
                LowResolution(images, parametrised) if schedule.low_resolution else parametrised(images),
                schedule,
                penalties=self._penalties,
                augmentation=augmentation,
                dtype=self._dtype,
                counter=request.counter,
                graphs=self._graphs,
            )

        return in_stages(stages, start, run)

    def _augmentation(self, planned: PlannedAugmentation, *views: int | str) -> Augmentation:
        """Return an augmentation whose random numbers follow from the plan's seed and `views`."""
        # The text is older than the name: it decides the random numbers.
        generator = torch.Generator().manual_seed(derive_seed(self.plan.seed, "views", *views))
        return Augmentation(**vars(planned), generator=generator)

    def _seeds(self, tasks: Sequence[Task], *again: str | int) -> list[int]:
        """Return seeds that depend on identity and sample number, not on the batch."""
        return [
            derive_seed(self.plan.seed, task.subject.key or task.subject.name, task.sample, *again)
            for task in tasks
        ]

    def _target(self, subjects: Sequence[Subject]) -> Target:
        device, labels = self._recogniser.device, [subject.label for subject in subjects]
        return LOSSES[self.plan.loss].build(
            TargetRequest(
                self._recogniser,
                torch.stack([subject.template for subject in subjects]).to(device),
                None if None in labels else torch.tensor(labels, device=device),
                scale=self.plan.loss_scale,
                margin=self.plan.loss_margin,
                own_templates=any(subject.subcentre is not None for subject in subjects),
                whitening=self._whitening,
            )
        )

    @torch.no_grad()
    def _finished(self, images: Tensor, target: Target) -> Tensor:
        """Return what the plan makes of the images that gradients found; the same object if nothing."""
        if self.plan.regression_blend:
            images = self._blended(images, target)
        if self._skin_tone is not None:
            images = self._skin_tone.apply(images, target.templates)
        return images

    def _blended(self, images: Tensor, target: Target) -> Tensor:
        """Mix images with the regression's faces of the same templates."""
        if self._knowledge.regression is None:
            raise InputError("regression_blend: expected a regression, got none")
        blend = self.plan.regression_blend
        faces = self._knowledge.regression.faces(target.templates.cpu())
        return (1 - blend) * images + blend * resized(faces, self._recogniser.input_size)

    @torch.no_grad()
    def _stopped_at_once(self, tasks: Sequence[Task], target: Target) -> Inversion:
        """Return what there is of an attack that was stopped before its first step: noise."""
        images = noise_images(seeds=self._seeds(tasks), size=self._recogniser.input_size)
        return Inversion(images, images, self._similarity(images, target), {}, 0, stopped=True)

    @torch.no_grad()
    def _similarity(self, images: Tensor, target: Target) -> Tensor:
        seen = resized(as_seen(images), self._recogniser.input_size)
        embeddings = self._recogniser(seen.to(self._recogniser.device))
        return (embeddings * target.templates).sum(1).cpu()


class Attacks:
    """Attacks on one network by their plans; what an initialisation prepared is kept for other plans.

    Args:
        recogniser: The attacked network.
        knowledge: What the attacker knows besides the network.
        dtype: The floating-point type of the network's inner computation.
        graphs: Whether steps are captured as CUDA graphs.
    """

    def __init__(
        self, recogniser: Recogniser, knowledge: Knowledge, dtype: torch.dtype, *, graphs: bool = False
    ) -> None:
        self._recogniser, self._knowledge, self._dtype, self._graphs = recogniser, knowledge, dtype, graphs
        self._initialisations: dict[tuple[Any, ...], Initialisation] = {}
        self._latest: Attack | None = None

    def reuse(self, other: "Attacks") -> None:
        """Take over what initialisations prepared for another network with the same weights."""
        self._initialisations |= other._initialisations

    def of(self, plan: AttackPlan) -> Attack:
        """Return the attack of a plan; the batches of a plan share one."""
        if self._latest is None or self._latest.plan is not plan:
            key = (plan.initialisation, plan.penalties)
            if key not in self._initialisations:
                self._initialisations[key] = INITIALISATIONS[plan.initialisation]()
            self._latest = Attack(
                self._recogniser,
                self._knowledge,
                plan,
                dtype=self._dtype,
                initialisation=self._initialisations[key],
                graphs=self._graphs,
            )
        return self._latest
