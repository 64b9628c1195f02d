"""The data card of a synthetic set: how and from what it was made, what it cost, and whom it resembles."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from arcinvert.attacked import describe_model, environment
from arcinvert.attacker import Attacker
from arcinvert.output.folder import write_json
from arcinvert.plan import AttackPlan
from arcinvert.synthesis.card_text import card_text
from arcinvert.synthesis.judged import JudgedPeople
from arcinvert.synthesis.known import KnownPeople
from arcinvert.synthesis.measure import apart, pictures_of_identities, privacy
from arcinvert.synthesis.options import SynthesisOptions
from arcinvert.synthesis.overview import write_overview
from arcinvert.synthesis.set_folder import SetFolder
from recognition.config import to_json
from recognition.images import atomic_path

#: The version of card.json's fields; it rises when a reader would have to change.
SCHEMA = "arcinvert-synthetic-set-1"
CARD, README = "card.json", "README.md"


@dataclass(frozen=True)
class SetCard:
    """What a data card is made of, besides the journals.

    Args:
        options: The options of the set.
        plan: Every decision about the attack.
        attacker: The network and what is known of faces.
        known: Known people.
        judged: Known people by the judge; None if it is not used.
        directions: All identities, unit norm, float64, shape (identities, dim).
        spread: Whose templates the identities are drawn by.
        within: The mean angle of a picture's target to its identity, degrees.
        within_source: Where this angle comes from.
    """

    options: SynthesisOptions
    plan: AttackPlan
    attacker: Attacker
    known: KnownPeople
    judged: JudgedPeople | None
    directions: Tensor
    spread: str
    within: float
    within_source: str


def write_card(card: SetCard, folder: SetFolder) -> dict[str, Any]:
    """Write card.json, README.md and overview.png by all parts that there are; return card.json's content."""
    described = describe_set(card, folder)
    with atomic_path(folder.path / CARD) as temporary:
        write_json(temporary, described)
    with atomic_path(folder.path / README) as temporary:
        temporary.write_text(card_text(described), encoding="utf-8")
    write_overview(folder)
    return described


def describe_set(card: SetCard, folder: SetFolder) -> dict[str, Any]:
    """Return the content of card.json."""
    batches = folder.batches()
    measured = [one for number in sorted(batches) for one in batches[number]["identities"]]
    options, plan = card.options, card.plan
    return {
        "schema": SCHEMA,
        "complete": len(measured) == options.identities,
        "identities": len(measured),
        "pictures": sum(len(one["own"]) for one in measured),
        "made_of": {
            "network": describe_model(card.attacker.recogniser),
            "spread": card.spread,
            "knowledge": {"level": plan.knowledge} | plan.knowledge_used,
            "known_people": card.known.sources,
            "within": {"degrees": round(card.within, 2), "source": card.within_source},
        },
        "options": to_json(options),
        "plan": plan.describe(),
        "identities_apart": apart(card.directions, options.angle),
        "privacy": privacy(measured, card.directions, card.known, options.known_angle),
        "judged": _judged(measured, card.judged),
        "pictures_of_identities": pictures_of_identities(measured) if measured else None,
        "cost": describe_cost(list(batches.values())),
        "environment": environment(card.attacker.device, card.attacker.dtype),
    }


def _judged(measured: list[dict[str, Any]], people: JudgedPeople | None) -> dict[str, Any] | None:
    if people is None or not measured:
        return None
    return people.describe([one["judged"] for one in measured])


def describe_cost(batches: list[dict[str, Any]]) -> dict[str, float] | None:
    """Return what the pictures took, without loading and measuring the network, as JSON.

    Args:
        batches: The finished batches, as the journals have them; with none of them the result is None.
    """
    pictures = sum(len(one["own"]) for batch in batches for one in batch["identities"])
    seconds = sum(batch["seconds"] for batch in batches)
    if not pictures or not seconds:
        return None
    return {"seconds": round(seconds, 2), "images_per_second": round(pictures / seconds, 3)}
