"""Whether those attacked are among the attacker's public faces: by photograph, by name, and by template."""

from dataclasses import dataclass
from typing import Any

import torch

from arcinvert.audit.cohort import Cohort
from arcinvert.audit.defences.base import TemplateDefence
from arcinvert.audit.enrolled import Enrolled
from arcinvert.audit.inputs import AuditInputs
from arcinvert.knowledge.overlap import attack_overlap
from arcinvert.knowledge.public_photographs import Overlap
from recognition.errors import InputError


@dataclass(frozen=True)
class AuditOverlap:
    """What of an audit's people is among the attacker's public faces.

    Args:
        listed: By photograph and by name, as far as the lists of the public faces are known.
        templates: People whose template is nearly that of a public face: of the same photograph. Another one
            of the person is not found by it.
    """

    listed: Overlap
    templates: tuple[str, ...]

    def describe(self) -> dict[str, Any]:
        """Return counts as JSON: a report has no names."""
        return {
            "checked": self.listed.checked,
            "photographs": len(self.listed.photographs),
            "people": len(self.listed.people),
            "templates": len(self.templates),
        }

    def notes(self) -> list[str]:
        """Return sentences for the report, without names."""
        found = []
        if not self.listed.checked:
            found.append(self.listed.sentence())
        if counts := self._counts():
            found.append(
                f"Overlap: among the attacker's public faces are {counts}. The figures are those of an "
                "attacker who has these faces already, and are too high for any other."
            )
        return found

    def refuse(self) -> None:
        """Raise the error of an audit that does not allow an overlap, if there is one.

        Raises:
            InputError: If those attacked are among the public faces.
        """
        if counts := self._counts():
            names = (*self.listed.photographs, *self.listed.people, *self.templates)
            raise InputError(
                f"overlap: expected public faces of other people, got {counts} among them (the first: "
                f"{names[0]}); calibrate on others, attack others, or report it with --allow-overlap"
            )

    def _counts(self) -> str:
        kinds = {
            "{} of the attacked photographs": self.listed.photographs,
            "{} of the attacked people by name": self.listed.people,
            "{} of the attacked people by template": self.templates,
        }
        return ", ".join(text.format(len(names)) for text, names in kinds.items() if names)


def find_audit_overlap(inputs: AuditInputs, cohort: Cohort | None, enrolled: Enrolled) -> AuditOverlap | None:
    """Return what of the attacked people is among the public faces; None if the audit uses none.

    The attack may use them, and the attackers of defences, whose prior is made of their templates.

    Raises:
        InputError: If any of them is, and the options do not allow it.
    """
    statistics, used = inputs.attack.knowledge.statistics, _used(inputs)
    names = enrolled.names.tolist()
    attacked = cohort.attacked if cohort else {}
    keys = [*inputs.keys_of(attacked), *enrolled.photograph_keys]
    listed = attack_overlap(inputs.attack.knowledge, used, keys, names)
    if listed is None:
        return None
    known = None
    if (
        statistics is not None
        and statistics.shows_people(used)
        and statistics.template_faces != "synthetic faces"
        # With scores and decisions, public faces have templates of the surrogate, in another space.
        and inputs.options.access in ("weights", "embeddings")
    ):
        known = statistics.nearest_neighbours
    near: tuple[str, ...] = ()
    if known is not None and inputs.options.target == "templates" and len(names):
        found = known.has_template(torch.from_numpy(enrolled.templates).float())
        own = [
            unit.source_embeddings.attacked for unit in enrolled.units if unit.source_embeddings is not None
        ]
        parts = [torch.from_numpy(part).float() for part in own if part is not None]
        if parts and sum(map(len, parts)) == len(names):
            found = found | known.has_template(torch.cat(parts))
        near = tuple(name for name, one in zip(names, found.tolist(), strict=True) if one)
    overlap = AuditOverlap(listed, near)
    if not inputs.options.allow_overlap:
        overlap.refuse()
    return overlap


def _used(inputs: AuditInputs) -> dict[str, str]:
    """Return what the audit uses of public faces, by kind, as a plan says it."""
    used = dict(inputs.attack.plan.knowledge_used)
    priors = (one.uses_prior for one in inputs.defences if isinstance(one, TemplateDefence))
    if inputs.attack.level != "weights" and any(priors):
        used.setdefault("nearest_neighbours", "prior of the attackers of defences")
    return used
