"""The one place where an audit meets the attack."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from arcinvert.attacked import environment
from arcinvert.attacker import Attacker
from arcinvert.audit.duration import StepSeconds
from arcinvert.audit.options import AuditOptions
from arcinvert.evaluation.crops import face_detected, to_crop_size
from arcinvert.evaluation.scores import Reference
from arcinvert.inversion.progress import OnStep
from arcinvert.inversion.result import Inversion, Step, StopInversion
from arcinvert.knowledge.activation_statistics import MeasuredStatistics
from arcinvert.knowledge.first_use import OnFaces
from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.options import AttackOptions
from arcinvert.plan import AttackPlan
from arcinvert.recipes import KnowledgeName, TargetKind, preset
from arcinvert.subjects import class_label
from arcinvert.subjects.subject import Subject
from recognition.errors import InputError, is_out_of_memory
from recognition.images import to_uint8
from recognition.loading import ModelChoice, with_preset
from recognition.recogniser import Recogniser

#: Reconstructions in a batch. They share their batch statistics, so batches are of nearly one size.
BATCH = 16
#: Steps that measure the speed of an attack.
_PROBE_STEPS = 4


@dataclass(frozen=True)
class Reconstructions:
    """A batch of reconstructions.

    Args:
        images: uint8, shape (identities, samples, 112, 112, 3).
        similarity: Shape (identities, samples), cosine to the target in the attacked network.
        face_detected: Shape (identities, samples).
    """

    images: NDArray[np.uint8]
    similarity: NDArray[np.float64]
    face_detected: NDArray[np.bool_]


class NetworkAttack:
    """One attacker, loaded once, and the plan that every batch of an audit follows.

    Args:
        attacker: The attacker.
        plan: Every decision about the attack.
        options: The audit's, which the plan follows from.
    """

    def __init__(self, attacker: Attacker, plan: AttackPlan, options: AuditOptions) -> None:
        self._attacker = attacker
        self._options = options
        self.plan = plan

    @property
    def recogniser(self) -> Recogniser:
        """The attacked network."""
        return self._attacker.recogniser

    @property
    def knowledge(self) -> Knowledge:
        """What the attacker knows besides the network."""
        return self._attacker.knowledge

    @property
    def level(self) -> KnowledgeName:
        """What the attacker may know, whether the plan uses it or not."""
        chosen = attack_options(self._options)
        return preset(chosen.get("recipe", "arcinvert"), chosen.get("knowledge"))[0]

    @property
    def networks(self) -> tuple[Recogniser, ...]:
        """The attacked network, and others by whose gradients images are optimised."""
        return (self.recogniser,)

    @property
    def pending_steps(self) -> int:
        """Optimiser steps that the next batch takes to prepare the initialisation."""
        return self._attacker.attacks.of(self.plan).initialisation.pending_steps

    def prepare(self, on_step: OnStep | None = None) -> None:
        """Do what the first batch needs and no later one repeats; `on_step` receives its steps."""
        self._attacker.prepare(self.plan, on_step)

    @property
    def mean_face(self) -> NDArray[np.uint8]:
        """The mean face of the attacker's knowledge, uint8 (112, 112, 3): what knowing nobody gives."""
        return np.asarray(to_crop_size(to_uint8(self._attacker.knowledge.mean_face)[None])[0])

    def access(self) -> dict[str, Any]:
        """Return what the attacker has of the network, as JSON; what was asked for where that is answers."""
        return {"kind": "weights"}

    def describe(self) -> dict[str, Any]:
        """Return plan, used knowledge and environment, as JSON."""
        found = environment(self._attacker.device, self._attacker.dtype)
        return {
            "plan": self.plan.describe(),
            "knowledge": {"level": self.plan.knowledge} | self.plan.knowledge_used,
            "environment": {key: value for key, value in found.items() if key != "libraries"},
        }

    def invert(
        self,
        names: Sequence[str],
        templates: NDArray[np.floating[Any]],
        number: int,
        on_step: OnStep | None = None,
    ) -> Reconstructions:
        """Reconstruct one batch.

        Args:
            names: The identities; the class names where classes are attacked.
            templates: Shape (identities, dim), what is attacked.
            number: The batch's number, which random numbers follow from.
            on_step: Receives every step.

        Raises:
            InputError: If the batch does not fit into memory.
        """
        subjects = [
            self._subject(name, template, f"batch{number}.npy[{row}]")
            for row, (name, template) in enumerate(zip(names, templates, strict=True))
        ]
        try:
            found = self._reconstruct(subjects, on_step, number)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise InputError(
                f"memory: expected room for {len(subjects) * self.plan.samples} images on "
                f"{self._attacker.device}, got less; lower --samples, or choose another --device"
            ) from None
        shape = (len(subjects), self.plan.samples)
        images = to_crop_size(to_uint8(found.images))
        return Reconstructions(
            images.reshape(*shape, *images.shape[1:]),
            np.array(found.similarity.tolist()).reshape(shape),
            np.array([face_detected(image) for image in images]).reshape(shape),
        )

    def _reconstruct(self, subjects: Sequence[Subject], on_step: OnStep | None, number: int) -> Inversion:
        """Return the inversion of the batch of this number."""
        return self._attacker.reconstruct(subjects, self.plan, on_step=on_step)

    def _subject(self, name: str, template: NDArray[np.floating[Any]], key: str) -> Subject:
        if self.plan.target == "class":
            label = class_label(self.recogniser, name)
            return Subject(name, label, _unit_norm(template), Reference(), stem=name)
        # The text is older than this class: it decides the random numbers.
        return Subject(key, None, _unit_norm(template), Reference(), stem=key)

    def against_template_defence(
        self, names: Sequence[str], estimates: NDArray[np.floating[Any]]
    ) -> "NetworkAttack":
        """Return the same attack by an adversary who knows estimates in place of templates.

        Only class centres change anything: the loss over all classes reads them from the network.

        Args:
            names: The attacked identities.
            estimates: Shape (identities, dim).
        """
        network = self.recogniser
        if self.plan.target != "class" or network.centres is None:
            return self
        centres = network.centres.clone()
        labels = [class_label(network, name) for name in names]
        centres[labels] = torch.from_numpy(np.asarray(estimates, dtype=np.float32)).to(centres.device)
        changed = Recogniser(
            network.backbone,
            name=network.name,
            preprocessing=network.preprocessing,
            centres=centres,
            class_names=network.class_names,
            class_photographs=network.class_photographs,
            scale=network.scale,
            margin=network.margin,
            source=network.source,
            output=network.output,
        )
        attacker = self._attacker_on(changed, self._attacker.knowledge.statistics)
        # The weights are the same, and so is the mean face that is found in them.
        attacker.attacks.reuse(self._attacker.attacks)
        return NetworkAttack(attacker, self.plan, self._options)

    def against_network_defence(self, hardened: Recogniser, measured: MeasuredStatistics) -> "NetworkAttack":
        """Return the same attack on a hardened network that makes the same embeddings.

        Penalties of activations use what was measured, and are left out if the attacker knows no public
        faces; everything else of the plan stays.

        Args:
            hardened: The hardened network.
            measured: Statistics of its activations on public faces.
        """
        known = self._attacker.knowledge.statistics
        # Public faces with their templates serve as before, as the embeddings are the same.
        statistics = replace(
            measured,
            nearest_neighbours=known.nearest_neighbours if known else None,
            regression=known.regression if known else None,
            template_faces=known.template_faces if known else measured.template_faces,
        )
        attacker = self._attacker_on(hardened, statistics)
        found = attacker.plan(self.plan.target, **attack_options(self._options))
        plan = replace(
            self.plan,
            penalties=found.penalties,
            knowledge=found.knowledge,
            knowledge_used=found.knowledge_used,
            notes=found.notes,
        )
        return NetworkAttack(attacker, plan, self._options)

    def _attacker_on(self, network: Recogniser, statistics: MeasuredStatistics | None) -> Attacker:
        """Return an attacker on a changed network with the same knowledge but for its statistics."""
        return Attacker(
            network,
            device=self._options.device,
            precision=self._options.precision,
            knowledge=replace(self._attacker.knowledge, statistics=statistics),
        )

    def seconds_per_step(self) -> StepSeconds:
        """Return the measured seconds of a step, by the number of images in its batch."""
        return StepSeconds.measured(self._probe(1), self._probe(BATCH), BATCH)

    def _probe(self, images: int) -> float:
        """Return the seconds of one step of a batch of so many images, leaving the first step out."""
        times: list[float] = []

        def on_step(_: Step) -> None:
            times.append(time.monotonic())
            if len(times) == _PROBE_STEPS:
                raise StopInversion

        templates = np.random.default_rng(0).normal(size=(images, self._attacker.recogniser.embedding_size))
        subjects = [
            Subject(f"batch0.npy[{row}]", None, _unit_norm(template), Reference(), stem=str(row))
            for row, template in enumerate(templates)
        ]
        options = attack_options(self._options) | {
            "samples": 1,
            "steps": _PROBE_STEPS,
            "restarts": 1,
            "loss": "cosine",
        }
        self._attacker.reconstruct(subjects, self._attacker.plan("template", **options), on_step=on_step)
        return (times[-1] - times[0]) / (len(times) - 1)


def plan_differences(plan: AttackPlan, baseline: AttackPlan) -> dict[str, str]:
    """Return what another plan does in place of the baseline's, by the name of the plan's field."""
    mine, theirs = plan.describe(), baseline.describe()
    return {name: f"{mine[name]} in place of {theirs[name]}" for name in mine if mine[name] != theirs[name]}


def load_attack(options: AuditOptions, model: str | None = None) -> NetworkAttack:
    """Load the attacked network, or a variant of it, with everything that its attack needs.

    Args:
        options: The audit's, with its budget.
        model: The variant's network, as `with_preset` takes it.

    Raises:
        InputError: If the network or its statistics cannot be used.
    """
    return attack_by(load_attacker(options, model), options)


def load_attacker(options: AuditOptions, model: str | None = None) -> Attacker:
    """Load the attacked network, or a variant of it, with what is known of it; nothing is measured yet.

    Args:
        options: The audit's.
        model: The variant's network, as `with_preset` takes it.

    Raises:
        InputError: If the network or its statistics cannot be used.
    """
    choice = ModelChoice(
        options.model,
        preset=options.preset,
        centres=options.centres,
        classes=options.classes,
        subcentres=options.subcentres,
        output=options.output,
    )
    return Attacker(
        choice if model is None else with_preset(model),
        statistics=options.statistics if model is None else None,
        device=options.device,
        precision=options.precision,
        calibrate=options.calibrate,
    )


def attack_by(attacker: Attacker, options: AuditOptions, measuring: OnFaces | None = None) -> NetworkAttack:
    """Return an audit's attack, whose network is measured on synthetic faces if this is its first use.

    Args:
        attacker: The loaded network.
        options: The audit's, with its budget.
        measuring: Receives the number of synthetic faces done and of all; None shows a progress bar.

    Raises:
        InputError: If the options do not suit the network.
    """
    target: TargetKind = "class" if options.target == "centres" else "template"
    chosen = attack_options(options)
    attacker.measure(AttackOptions(**chosen), measuring)
    return NetworkAttack(attacker, attacker.plan(target, **chosen), options)


def attack_options(options: AuditOptions) -> dict[str, Any]:
    """Return the options of the attack: the audit's own, and above them those of --attack.

    Restarts are those of any attack with as many steps: with fewer, an audit would find less than the tool's
    own attack, and call a network safer than it is.
    """
    chosen: dict[str, Any] = {"seed": options.seed, "samples": options.samples, "steps": options.steps}
    if options.attack is not None:
        given = options.attack.given() | {
            "recipe": options.attack.recipe,
            "knowledge": options.attack.knowledge,
        }
        chosen |= {name: value for name, value in given.items() if value is not None}
    return chosen


def batches(count: int, samples: int) -> list[slice]:
    """Return slices of `count` identities, as equal as can be, of at most `BATCH` reconstructions each."""
    number = -(-count // max(1, BATCH // samples))
    edges = np.linspace(0, count, number + 1).round().astype(int).tolist()
    return [slice(begin, end) for begin, end in pairwise(edges)]


def batch_images(count: int, samples: int) -> list[int]:
    """Return how many images each batch of `count` identities has."""
    return [(part.stop - part.start) * samples for part in batches(count, samples)]


def _unit_norm(template: NDArray[np.floating[Any]]) -> torch.Tensor:
    row = template.astype(np.float64)
    # By the largest number first: the squares of a norm could leave the range.
    row /= np.abs(row).max()
    row /= np.linalg.norm(row)
    return torch.from_numpy(row.astype(np.float32))
