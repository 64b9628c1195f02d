"""The attacker's side: what is learned by queries, and the inversion on a surrogate.

Nothing here has the attacked network. What is known of it are the answers of a `BlackBox`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from arcinvert.access.black_box import Answers, BlackBox
from arcinvert.access.candidates import FINISHED, candidates, preferred
from arcinvert.access.decisions import DecisionAttack, covering_order
from arcinvert.access.faces import PublicFaces
from arcinvert.access.meter import BudgetSpentError
from arcinvert.access.opinion import opinion_of
from arcinvert.access.options import AccessOptions
from arcinvert.access.refine import check_package, refine
from arcinvert.access.scores import estimate_by_scores
from arcinvert.access.surrogate import MappedRecogniser, embedded, embedded_faces, queried, with_faces
from arcinvert.access.template_model import TemplateModel
from arcinvert.attack import Task
from arcinvert.attacked import describe_model
from arcinvert.attacker import Attacker
from arcinvert.evaluation.scores import Reference
from arcinvert.inversion.progress import OnStage, OnStep
from arcinvert.inversion.result import Inversion
from arcinvert.knowledge.activation_statistics import statistics_layers
from arcinvert.knowledge.embedding_map import FEWEST_FACES, fit_map
from arcinvert.options import AttackOptions
from arcinvert.plan import AttackPlan
from arcinvert.subjects.subject import Subject
from recognition.appearance.upsampling import as_seen
from recognition.errors import InputError
from recognition.images import resized, to_tensor, to_uint8
from recognition.recogniser import EMBEDDING_BATCH

#: The share of the variance of the black box's embeddings that a map must explain so that the end of the
#: optimisation is the result without a look at candidates. From 256 photographs `lfw-distilled` explains 0.37
#: of its teacher, MobileFaceNet, and `lfw-iresnet18` 0.01; from 960 it is 0.52 and 0.07.
_EXPLAINED = 0.2
#: The stages before the first step, beside the queries.
MEASURING = "Measuring the attacker's own network"
EMBEDDING = "Embedding faces with the attacker's own network"
LEARNING = "Learning from the answers"
#: Steps of the reconstructions of what decisions have said so far.
_STEPS_BETWEEN = 20


class SurrogateAttacker:
    """Learns about people by queries, and inverts what was learned on a surrogate.

    Args:
        box: What may be asked.
        own: The attacker's own network, loaded, with what is known of it.
        faces: The attacker's public faces.
        options: What may be asked, and how often.
        samples: The images of each person.
        seed: The seed of all draws.
        on_stage: Receives what is done before anybody is asked about; without it the measurement of the
            attacker's own network shows a bar.

    Raises:
        InputError: If too few faces are answered, or a package is missing.
    """

    def __init__(
        self,
        box: BlackBox,
        own: Attacker,
        faces: PublicFaces,
        options: AccessOptions,
        *,
        samples: int,
        seed: int,
        on_stage: OnStage | None = None,
    ) -> None:
        if options.refine:
            check_package()
        self._box, self._faces, self._options, self._seed = box, faces, options, seed
        self._own = own.recogniser
        if not statistics_layers(self._own):
            # Without BatchNorm, what was measured on synthetic faces is all that is known of activations.
            own.measure(AttackOptions(), None if on_stage is None else partial(on_stage, MEASURING))
        on_stage = on_stage or _ignored
        self._reserve_for(options.candidates, samples)
        embeddings = embedded_faces(self._own, faces, partial(on_stage, EMBEDDING))
        self._map: dict[str, Any] | None = None
        recogniser, templates, exact = self._own, embeddings, len(faces)
        if options.access == "embeddings":
            answers = self._asked(embeddings, samples)
            exact = len(answers)
            on_stage(LEARNING, 0, 1)
            found = fit_map(embeddings[:exact], answers)
            recogniser = MappedRecogniser(self._own, found, name=f"{self._own.name} as {box.name}")
            templates = np.concatenate([answers, found(embeddings[exact:])])
            # The last point of the curve is the map itself.
            counts = curve_points(exact, FEWEST_FACES)
            maps = [
                found if count == exact else fit_map(embeddings[:count], answers[:count]) for count in counts
            ]
            self._map = {
                "faces": found.faces,
                "explained_variance": round(found.explained, 4),
                "curve": [[count, round(one.explained, 4)] for count, one in zip(counts, maps, strict=True)],
            }
        else:
            self._model = TemplateModel(embeddings)
            self._whitened = self._model.whitened(embeddings)
            self._embeddings = embeddings
            if options.access == "decisions":
                self._order = covering_order(embeddings)
        self.attacker = Attacker(
            recogniser.freeze(),
            device=own.device,
            precision="float32" if own.dtype == torch.float32 else "bfloat16",
            knowledge=with_faces(own.knowledge, recogniser, faces, templates, exact=exact),
        )
        if self._map is not None:
            on_stage(LEARNING, 1, 1)
        self._people: dict[str, dict[str, Any]] = {}
        self._opinions: list[dict[str, Any]] = []

    def _reserve_for(self, candidates: int, samples: int) -> None:
        """Divide the budget: what is shown before the inversion, and what the finished images need."""
        self._candidates = candidates
        self._budget = self._options.for_estimate(samples, candidates)
        # Attempts that fail must not take what the finished images need.
        self._reserve = samples * self._options.for_image(candidates)
        self._box.meter.reserved = self._reserve

    def _asked(self, embeddings: Answers, samples: int) -> Answers:
        """Return the black box's embeddings of the first faces; none are left for candidates without need."""
        sure = self._budget - self._budget % EMBEDDING_BATCH or self._budget
        answers = queried(self._box, self._faces, sure)
        if fit_map(embeddings[: len(answers)], answers).explained >= _EXPLAINED:
            self._reserve_for(1, samples)
        return queried(self._box, self._faces, self._budget, answers)

    def plan(self, options: AttackOptions) -> AttackPlan:
        """Return the complete plan of the inversion.

        The skin tone is left alone unless it is asked for: whether estimated templates predict it was not
        measured.

        Raises:
            InputError: If options contradict the surrogate or each other.
        """
        tone = False if options.skin_tone is None else options.skin_tone
        return self.attacker.resolved(replace(options, skin_tone=tone), "template")

    def estimate(self, person: str, name: str, template: Tensor | None) -> Tensor:
        """Return a person's template in the surrogate's space, (dim,), unit norm.

        Args:
            person: The person's name in the black box.
            name: What results call the person; draws follow from it.
            template: The person's template in the space of the black box, which leaked; None where only
                scores or decisions are known.
        """
        self._box.meter.reserved = self._reserve
        if self._options.access == "embeddings":
            if template is None:
                raise InputError("template: expected one with --access embeddings, got none")
            return template
        found, report = (
            self._by_scores(person) if self._options.access == "scores" else self._by_decisions(person, name)
        )
        self._people[person] = {"input": name} | report
        return F.normalize(torch.from_numpy(found).float(), dim=0)

    def _by_scores(self, person: str) -> tuple[Answers, dict[str, Any]]:
        def ask(rows: NDArray[np.intp]) -> Answers:
            return self._box.query(self._faces.images(self._box.size, rows), "scores", person=person)

        found = estimate_by_scores(
            self._model,
            self._whitened,
            ask,
            self._budget,
            decimals=self._options.decimals,
        )
        report = {
            "shown": len(found.shown),
            "highest_score": float(found.answers.max()),
            "curve": [
                [count, float(found.answers[:count].max())] for count in curve_points(len(found.answers), 1)
            ],
            "explained_variance": found.estimate.explained,
        }
        return found.estimate.template, report

    def _by_decisions(self, person: str, name: str) -> tuple[Answers, dict[str, Any]]:
        left = self._budget

        def ask(images: Tensor) -> Answers:
            nonlocal left
            if len(images) > left:
                raise BudgetSpentError(len(images), left)
            left -= len(images)
            return self._box.query(images, "decisions", person=person)

        def embed(images: Tensor) -> Answers:
            return embedded(self._own, resized(images, self._own.input_size))

        def remaining() -> int:
            of_meter = self._box.meter.left(person)
            return left if of_meter is None else min(left, of_meter)

        plan = self.plan(AttackOptions(seed=self._seed, steps=_STEPS_BETWEEN, restarts=1, retries=0))

        def reconstruct(template: Answers) -> Tensor:
            known = F.normalize(torch.from_numpy(template).float(), dim=0)
            subject = Subject(name, None, known, Reference(), stem=name)
            return resized(self.attacker.reconstruct([subject], plan).images, self._box.size)

        found = DecisionAttack(
            self._model,
            lambda rows: self._faces.images(self._box.size, rows),
            self._embeddings,
            self._order,
            ask,
            embed,
            reconstruct,
            remaining,
            seed=self._seed,
            person=name,
        ).run()
        report = {
            "shown": self._budget - left,
            "until_accepted": found.until_accepted,
            "mixtures": found.mixtures,
        }
        if found.estimate is None:
            # All were refused: nothing is known but that the person is like nobody.
            return self._embeddings.mean(0), report
        return found.estimate.template, report

    def run_batch(
        self,
        tasks: Sequence[Task],
        plan: AttackPlan,
        people: Sequence[str],
        *,
        batch: int,
        batches: int,
        on_step: OnStep | None,
    ) -> Inversion:
        """Return the inversion of one batch: the candidates that the black box prefers, refined.

        Where the black box gives numbers, the similarity of each image is that number.

        Args:
            tasks: The images to make.
            plan: Every decision about the attack.
            people: The name of each task's person in the black box.
            batch: The batch's number from 0.
            batches: The number of batches.
            on_step: Receives every step.
        """
        found = self.attacker.run_batch(tasks, plan, batch=batch, batches=batches, on_step=on_step)
        self._box.meter.reserved = 0
        images, similarity = [], found.similarity.clone()
        regression = self.attacker.knowledge.regression
        for row, (task, person) in enumerate(zip(tasks, people, strict=True)):
            regressed = None if regression is None else regression.faces(task.subject.template[None].cpu())[0]
            of_person = candidates(found.images[row], found.start[row], regressed, self._candidates)
            image, value, name = self._finished(of_person, task, person)
            images.append(image)
            self._opinions.append(
                {"input": task.subject.name, "sample": task.sample, "candidate": name, "answer": value}
            )
            if value is not None and self._options.access != "decisions":
                similarity[row] = value
        return replace(found, images=torch.stack(images), similarity=similarity)

    def _finished(
        self, of_person: dict[str, Tensor], task: Task, person: str
    ) -> tuple[Tensor, float | None, str]:
        """Return the preferred candidate after its refinement, the black box's answer on it, and its name.

        The answer is None where there was no room to ask.
        """
        template = task.subject.template.double().numpy()

        def similarities(answers: Answers) -> Answers:
            return np.asarray(answers @ template) if self._options.access == "embeddings" else answers

        def ask(images: Tensor, purpose: str = "refinement") -> Answers:
            try:
                return similarities(
                    self._box.query(resized(as_seen(images), self._box.size), purpose, person=person)
                )
            except BudgetSpentError as error:
                if len(error.answers):
                    error.answers = similarities(error.answers)
                raise

        name, value = FINISHED, None
        if len(of_person) > 1:
            name, value = preferred(of_person, lambda images: ask(images, "candidates"))
        image = of_person[name]
        if value is not None and not self._options.refine:
            return image, value, name
        if self._options.refine:
            draws = f"{task.subject.name} {task.sample}"
            image = refine(image, ask, self._options.refine, seed=self._seed, person=draws)
            # What is shown, and what is written, has eight bits.
            image = to_tensor(to_uint8(image))
        try:
            return image, float(ask(image[None], "results")[0]), name
        except BudgetSpentError:
            return image, None, name

    def opinion(self) -> str:
        """Return a sentence about what the black box itself says of the images."""
        return opinion_of(self._opinions, self._options.access)

    def describe(self) -> dict[str, Any]:
        """Return what was asked, learned and answered, as JSON."""
        return {
            "kind": self._options.access,
            "queries": self._box.meter.describe(),
            "surrogate": describe_model(self._own),
            "map": self._map,
            "faces": {"count": len(self._faces), "kind": self._faces.kind},
            "people": list(self._people.values()),
            "own_opinion": self._opinions,
        }


def _ignored(stage: str, done: int, total: int) -> None:
    """Receive a stage that nobody asked for."""


def curve_points(count: int, fewest: int) -> list[int]:
    """Return numbers of queries at which a curve is reported: the last is `count`, each twice the one before.

    Args:
        count: All queries.
        fewest: The fewest of a point.
    """
    points = [count]
    while points[0] // 2 >= fewest:
        points.insert(0, points[0] // 2)
    return points


#: Returns the name of a task's person in the black box.
PersonOf = Callable[[Task], str]


class BatchesOnSurrogate:
    """What a run needs of an attacker, with the black box behind it.

    Args:
        surrogate: The attacker's side.
        person_of: Returns the name of a task's person in the black box.
    """

    def __init__(self, surrogate: SurrogateAttacker, person_of: PersonOf) -> None:
        inner = surrogate.attacker
        self.recogniser, self.knowledge = inner.recogniser, inner.knowledge
        self.device, self.dtype = inner.device, inner.dtype
        self._surrogate, self._person_of = surrogate, person_of

    def prepare(self, plan: AttackPlan, on_step: OnStep | None = None) -> None:
        """Do what the first batch of a plan needs and no later one repeats."""
        self._surrogate.attacker.prepare(plan, on_step)

    def run_batch(
        self,
        tasks: Sequence[Task],
        plan: AttackPlan,
        *,
        batch: int,
        batches: int,
        on_step: OnStep | None,
    ) -> Inversion:
        """Return the inversion of one batch."""
        people = [self._person_of(task) for task in tasks]
        return self._surrogate.run_batch(tasks, plan, people, batch=batch, batches=batches, on_step=on_step)
