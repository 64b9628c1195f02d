"""The table of defences: the same attack on the same people, row by row, and what each defence costs."""

import hashlib
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arcinvert.audit.attack import NetworkAttack, Reconstructions, load_attack
from arcinvert.audit.cohort import Cohort
from arcinvert.audit.defences.base import Adversary, Defence, NetworkDefence, TemplateDefence, unit_norm
from arcinvert.audit.defences.cost import Cost, measure_cost
from arcinvert.audit.inputs import templates_of
from arcinvert.audit.pipeline import Enrolled, Pipeline, joined
from arcinvert.audit.plan import BASELINE, compared_people, row_names
from arcinvert.audit.units import AttackUnit, CalibrationUnit, VariantUnit, labels_of, texts
from arcinvert.evaluation.judges import RecogniserJudge
from arcinvert.evaluation.similarity import Array, similarity
from recognition.data.faces import at_size
from recognition.errors import InputError
from recognition.images import to_tensor
from recognition.seeds import derive_seed

#: Faces on which an adversary measures a hardened network: people outside the attack.
_PUBLIC_FACES = 256


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Args:
        name: The defence with its strength, or the variant.
        held: What the adversary holds.
        cost: What the defence costs.
        recovered: Shape (people,), cosine of what the adversary inverts to the template itself.
        embeddings: One array a judge, (people, samples, dim), of the reconstructions.
        attacked_similarity: Shape (people, samples), to what was inverted, in the attacked network.
    """

    name: str
    held: str
    cost: Cost
    recovered: Array
    embeddings: tuple[Array, ...]
    attacked_similarity: Array


class Comparison:
    """Attacks every defence of an audit with the plan of its main attack.

    Args:
        pipeline: Does the work.
        cohort: The people of the audit.
        enrolled: Those attacked.
        calibration: Those outside the attack, whose templates are the adversary's public faces.
    """

    def __init__(
        self, pipeline: Pipeline, cohort: Cohort, enrolled: Enrolled, calibration: CalibrationUnit
    ) -> None:
        self._pipeline, self._cohort, self._calibration = pipeline, cohort, calibration
        count = compared_people(pipeline.inputs, len(enrolled.names))
        self._names: list[str] = enrolled.names[:count].tolist()
        self._templates = enrolled.templates[:count].astype(np.float64)
        self._seed = pipeline.inputs.options.seed

    def rows(self) -> list[Row]:
        """Return the rows, the baseline first; none if nothing is compared."""
        inputs = self._pipeline.inputs
        if not row_names(inputs):
            return []
        rows = [self._baseline()]
        for defence in inputs.defences:
            rows.append(self._row_of(defence))
        rows += [self._variant(name, model) for name, model in inputs.options.variant_models().items()]
        return rows

    def _baseline(self) -> Row:
        return self._row(BASELINE, "the template", self._cost(None), self._pipeline.inputs.attack)

    def _row_of(self, defence: Defence) -> Row:
        if isinstance(defence, NetworkDefence):
            return self._network_row(defence)
        if isinstance(defence, TemplateDefence):
            return self._template_row(defence)
        raise TypeError(f"no row for {type(defence).__name__}")

    def _template_row(self, defence: TemplateDefence) -> Row:
        keys = [derive_seed(self._seed, "own key", "attacked", row) for row in range(len(self._names))]
        adversary = Adversary(self._templates.shape[1], self._public().astype(np.float64))
        protected = defence.protect(self._templates, keys)
        estimates = defence.recover(protected, keys, adversary)
        attack = self._pipeline.inputs.attack.against_template_defence(self._names, estimates)
        held = defence.held(adversary)
        return self._row(defence.label, held, self._cost(defence), attack, estimates)

    def _network_row(self, defence: NetworkDefence) -> Row:
        attack = self._pipeline.inputs.attack
        hardened = defence.harden(attack.recogniser)
        measured = defence.measure(hardened, self._public_faces(hardened.input_size))
        against = attack.against_network_defence(hardened, measured)
        held = defence.held("statistics" in against.plan.knowledge_used)
        return self._row(defence.label, held, self._cost(None), against)

    def _variant(self, name: str, model: str) -> Row:
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
        found = self._reconstructed(f"variant {name}", attack, unit.templates)
        whole = np.ones(len(self._names))
        return Row(name, "the template", cost, whole, _judges(found), found.similarity)

    def _row(
        self,
        name: str,
        held: str,
        cost: Cost,
        attack: NetworkAttack,
        estimates: Array | None = None,
    ) -> Row:
        """Return a row of the attacked network.

        Args:
            name: The row's.
            held: What the adversary holds.
            cost: What the defence costs.
            attack: The attack.
            estimates: What is inverted, (people, dim); None inverts the templates themselves.
        """
        inverted = self._templates if estimates is None else estimates
        recovered = similarity(unit_norm(inverted.astype(np.float64)), self._templates, "cosine")
        found = self._reconstructed(name, attack, inverted)
        return Row(name, held, cost, recovered, _judges(found), found.similarity)

    def _reconstructed(
        self, title: str, attack: NetworkAttack, templates: NDArray[np.floating]
    ) -> AttackUnit:
        def judged(found: Reconstructions, _: slice) -> AttackUnit:
            embeddings = self._pipeline.judge(found.images)
            return AttackUnit(found.images, found.similarity, found.face_detected, embeddings, {})

        return joined(self._pipeline.run(attack, f"row {title}", self._names, templates, judged))

    def _cost(self, defence: TemplateDefence | None) -> Cost:
        return measure_cost(defence, self._public(), labels_of(self._calibration.names), seed=self._seed)

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
