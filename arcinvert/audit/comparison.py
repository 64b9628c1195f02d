"""The table of defences: the same attack on the same people, row by row, and what each defence costs."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arcinvert.audit.adversary import adversary_of
from arcinvert.audit.attack import NetworkAttack, load_attack, plan_differences
from arcinvert.audit.cohort import Cohort
from arcinvert.audit.defences.base import Adversary, Defence, NetworkDefence, TemplateDefence, unit_norm
from arcinvert.audit.defences.cost import Cost, measure_cost
from arcinvert.audit.enrolled import Enrolled
from arcinvert.audit.inputs import templates_of
from arcinvert.audit.pipeline import Pipeline
from arcinvert.audit.plan import BASELINE, WITHOUT_KEY, compared_people, row_names
from arcinvert.audit.units import AttackUnit, CalibrationUnit, VariantUnit, joined, labels_of, repeated, texts
from arcinvert.evaluation.judges import RecogniserJudge
from arcinvert.evaluation.similarity import Array, similarity
from arcinvert.recipes import KnowledgeName
from recognition.data.faces import at_size
from recognition.errors import InputError
from recognition.images import to_tensor
from recognition.seeds import derive_seed

#: Faces on which an adversary measures a hardened network: people outside the attack.
_PUBLIC_FACES = 256
#: How templates are estimated where they are not protected.
AS_IT_IS = "the template as it is"
#: The field of a plan in which another network's attack differs by itself.
_OF_ANOTHER_NETWORK = frozenset({"notes"})


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Args:
        name: The defence with its strength, or the variant.
        key: Whether the adversary holds the key of a keyed defence: `known` or `unknown`; None without keys.
        attacker: How the adversary estimates the template.
        knowledge: The level of knowledge that the estimates use.
        held: What the adversary holds.
        cost: What the defence costs.
        recovered: Shape (people,), cosine of what the adversary inverts to the template itself.
        embeddings: One array a judge, (people, samples, dim), of the reconstructions.
        attacked_similarity: Shape (people, samples), to what was inverted, in the attacked network.
        differences: By field of the plan, what this row's attack does in place of the baseline's, besides
            what the defence itself changes.
        floor: Shape (people,), cosine of what all people share to the template; None where nothing is known
            of that, and in all rows but the first.
    """

    name: str
    key: str | None
    attacker: str
    knowledge: KnowledgeName
    held: str
    cost: Cost
    recovered: Array
    embeddings: tuple[Array, ...]
    attacked_similarity: Array
    differences: Mapping[str, str]
    floor: Array | None = None


@dataclass(frozen=True)
class _Attacker:
    """What a row says of its adversary; see `Row`."""

    held: str
    how: str = AS_IT_IS
    key: str | None = None
    knowledge: KnowledgeName = "weights"


@dataclass(frozen=True)
class PlannedRow:
    """A row before its attack.

    Args:
        title: What its reconstructions are kept under.
        attack: The attack.
        names: Whom it inverts.
        templates: Shape (people, dim), what it inverts of them.
        finish: Returns the row, of the reconstructions.
        of_audit: Whether the audit's own attack on everybody is this one.
    """

    title: str
    attack: NetworkAttack
    names: list[str]
    templates: NDArray[np.floating]
    finish: Callable[[AttackUnit], Row]
    of_audit: bool = False


class Comparison:
    """Attacks every defence of an audit with the plan of its main attack.

    Args:
        pipeline: Does the work.
        cohort: The people of the audit.
        enrolled: Those attacked.
        calibration: Those outside the attack, whose templates are among the adversary's public faces.
        attacked: The audit's own attack on all enrolled, which is the baseline if all are compared; None if
            no rows are wanted.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        cohort: Cohort,
        enrolled: Enrolled,
        calibration: CalibrationUnit,
        attacked: AttackUnit | None,
    ) -> None:
        self._pipeline, self._cohort, self._calibration = pipeline, cohort, calibration
        count = compared_people(pipeline.inputs, len(enrolled.names))
        self._everybody, self._attacked = count == len(enrolled.names), attacked
        self._names: list[str] = enrolled.names[:count].tolist()
        self._templates = enrolled.templates[:count].astype(np.float64)
        self._seed = pipeline.inputs.options.seed

    def rows(self) -> list[Row]:
        """Return the rows, the baseline first; none if nothing is compared."""
        rows = []
        for planned in self._planned():
            found = self._attacked if planned.of_audit else joined(self._reconstructed(planned))
            if found is None:
                raise ValueError("expected the audit's own attack, got none")
            rows.append(planned.finish(found))
        return rows

    def reconstruct(self) -> None:
        """Make the reconstructions of the rows, of a shard its own, without the rows."""
        for planned in self._planned():
            if not planned.of_audit:
                self._reconstructed(planned)

    def _planned(self) -> Iterator[PlannedRow]:
        inputs = self._pipeline.inputs
        if not row_names(inputs):
            return
        yield self._baseline()
        for defence in inputs.defences:
            yield from self._rows_of(defence)
        for name, model in inputs.options.variant_models().items():
            yield self._variant(name, model)

    def _reconstructed(self, planned: PlannedRow) -> list[AttackUnit]:
        return self._pipeline.attack_row(planned.attack, planned.title, planned.names, planned.templates)

    def _baseline(self) -> PlannedRow:
        cost, attack = self._cost(None), self._pipeline.inputs.attack
        planned = self._row(BASELINE, _Attacker("the template"), cost, attack)
        mean = self._adversary.prior.mean[None]
        floor = similarity(unit_norm(mean), self._templates, "cosine") if mean.any() else None
        return replace(
            planned,
            of_audit=self._everybody,
            finish=lambda found: replace(planned.finish(found), floor=floor),
        )

    def _rows_of(self, defence: Defence) -> list[PlannedRow]:
        if isinstance(defence, NetworkDefence):
            return [self._network_row(defence)]
        if isinstance(defence, TemplateDefence):
            return self._template_rows(defence)
        raise TypeError(f"no row for {type(defence).__name__}")

    def _template_rows(self, defence: TemplateDefence) -> list[PlannedRow]:
        """Return a row for the adversary with the key, if there is one, and one for that without."""
        keys = [derive_seed(self._seed, "own key", "attacked", row) for row in range(len(self._names))]
        adversary = self._adversary
        protected, cost = defence.protect(self._templates, keys), self._cost(defence)
        knowledge = defence.knowledge(adversary)
        attacker = _Attacker(
            defence.held(adversary), defence.attacker, "known" if defence.keyed else None, knowledge
        )
        estimates = defence.recover(protected, keys, adversary)
        rows = [self._estimated(defence, defence.label, attacker, cost, estimates)]
        if defence.keyed:
            held = defence.held(adversary, with_key=False)
            attacker = _Attacker(held, defence.attacker_without_key, "unknown", knowledge)
            estimates = defence.recover_without_key(protected, adversary)
            title = f"{defence.label} {WITHOUT_KEY}"
            rows.append(self._estimated(defence, title, attacker, cost, estimates))
        return rows

    def _estimated(
        self, defence: TemplateDefence, title: str, attacker: _Attacker, cost: Cost, estimates: Array
    ) -> PlannedRow:
        """Return the row of a template defence whose adversary inverts estimates, (people, dim)."""
        attack = self._pipeline.inputs.attack.against_template_defence(self._names, estimates)
        planned = self._row(defence.label, attacker, cost, attack, estimates, title=title, defence=defence)
        if not (defence.same_estimate and attacker.key == "unknown"):
            return planned
        # One inversion serves everybody, as nobody's estimate differs from another's.
        everybody = len(self._names)
        return replace(
            planned,
            names=self._names[:1],
            templates=estimates[:1],
            finish=lambda found: planned.finish(repeated(found, everybody)),
        )

    def _network_row(self, defence: NetworkDefence) -> PlannedRow:
        attack = self._pipeline.inputs.attack
        hardened = defence.harden(attack.recogniser)
        measured = defence.measure(hardened, self._public_faces(hardened.input_size))
        against = attack.against_network_defence(hardened, measured)
        attacker = _Attacker(defence.held("statistics" in against.plan.knowledge_used))
        return self._row(defence.label, attacker, self._cost(None), against, defence=defence)

    def _variant(self, name: str, model: str) -> PlannedRow:
        """Return the row of another network: the same people, its own templates, attacked alike."""
        inputs = self._pipeline.inputs
        attack = load_attack(inputs.options, model)
        slug = hashlib.sha256(name.encode()).hexdigest()[:8]

        def make() -> VariantUnit:
            reader = self._pipeline.reader()
            kept = list(reader.read_all(self._cohort.calibration))
            pairs = [reader.read_two(self._cohort.attacked[who]) for who in self._names]
            sources = [pair[0] for pair in pairs if pair is not None]
            if len(sources) != len(self._names):
                raise InputError(f"variant {name}: expected the photographs of the audit, some are gone")
            return VariantUnit(
                RecogniserJudge(attack.recogniser).embed([crop for crop, _ in kept]),
                texts([who for _, who in kept]),
                templates_of(attack.recogniser, inputs.options.target, self._names, sources),
            )

        unit = self._pipeline.cache.get_or_compute(f"variant-{slug}", VariantUnit, make)
        cost = measure_cost(None, unit.embeddings, labels_of(unit.names), seed=self._seed)

        def finish(found: AttackUnit) -> Row:
            return Row(
                name,
                None,
                AS_IT_IS,
                "weights",
                "the template",
                cost,
                np.ones(len(self._names)),
                _judges(found),
                found.similarity,
                self._differences(attack, _OF_ANOTHER_NETWORK),
            )

        return PlannedRow(f"variant {name}", attack, self._names, unit.templates, finish)

    def _row(
        self,
        name: str,
        attacker: _Attacker,
        cost: Cost,
        attack: NetworkAttack,
        estimates: Array | None = None,
        *,
        title: str | None = None,
        defence: Defence | None = None,
    ) -> PlannedRow:
        """Return a row of the attacked network.

        Args:
            name: The row's.
            attacker: What it says of its adversary.
            cost: What the defence costs.
            attack: The attack.
            estimates: What is inverted, (people, dim); None inverts the templates themselves.
            title: What the reconstructions are kept under; None takes the name.
            defence: The defence; None for the baseline.
        """
        inverted = self._templates if estimates is None else estimates
        recovered = similarity(unit_norm(inverted.astype(np.float64)), self._templates, "cosine")

        def finish(found: AttackUnit) -> Row:
            return Row(
                name,
                attacker.key,
                attacker.how,
                attacker.knowledge,
                attacker.held,
                cost,
                recovered,
                _judges(found),
                found.similarity,
                self._differences(attack, defence.changes if defence else frozenset()),
            )

        return PlannedRow(title or name, attack, self._names, inverted, finish)

    def _differences(self, attack: NetworkAttack, implied: frozenset[str]) -> dict[str, str]:
        """Return what an attack does in place of the baseline's, but for the fields that are implied."""
        found = plan_differences(attack.plan, self._pipeline.inputs.attack.plan)
        return {name: text for name, text in found.items() if name not in implied}

    def _cost(self, defence: TemplateDefence | None) -> Cost:
        return measure_cost(defence, self._public(), labels_of(self._calibration.names), seed=self._seed)

    @cached_property
    def _adversary(self) -> Adversary:
        """Who attacks protected templates; one for all defences, as they have one prior."""
        return adversary_of(self._pipeline.inputs.attack, self._names, self._public())

    def _public(self) -> Array:
        """Return the attacked network's templates of people outside the attack."""
        embeddings = self._calibration.embeddings
        if embeddings is None or embeddings.attacked is None:
            raise InputError("defences: expected photographs of people outside the attack, got none")
        return embeddings.attacked

    def _public_faces(self, size: int) -> Tensor:
        """Return faces of people outside the attack, (faces, 3, size, size)."""
        entries = self._cohort.calibration[:_PUBLIC_FACES]
        crops = [at_size(crop, size) for crop, _ in self._pipeline.reader().read_all(entries)]
        return torch.stack([to_tensor(crop) for crop in crops]) if crops else torch.zeros(0, 3, size, size)


def _judges(unit: AttackUnit) -> tuple[Array, ...]:
    return () if unit.embeddings is None else unit.embeddings.judges
