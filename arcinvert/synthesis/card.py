"""The data card of a synthetic set: how and from what it was made, what it cost, and whom it resembles."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from arcinvert.attacked import describe_model
from arcinvert.output.folder import write_json
from arcinvert.plan import AttackPlan
from arcinvert.synthesis.card_text import card_text
from arcinvert.synthesis.known import KnownPeople
from arcinvert.synthesis.measure import apart, pictures_of_identities, privacy
from arcinvert.synthesis.options import SynthesisOptions
from arcinvert.synthesis.set_folder import SetFolder
from recognition.config import to_json
from recognition.images import atomic_path
from recognition.recogniser import Recogniser

#: The version of card.json's fields; it rises when a reader would have to change.
SCHEMA = "arcinvert-synthetic-set-1"
CARD, README = "card.json", "README.md"


@dataclass(frozen=True)
class SetCard:
    """What a data card is made of, besides the journals.

    Args:
        options: The options of the set.
        plan: Every decision about the attack.
        recogniser: The network.
        known: Known people.
        directions: All identities, unit norm, float64, shape (identities, dim).
        spread: Whose templates the identities are drawn by.
        within: The mean angle of a picture's target to its identity, degrees.
        within_source: Where this angle comes from.
        folder: The set's folder.
    """

    options: SynthesisOptions
    plan: AttackPlan
    recogniser: Recogniser
    known: KnownPeople
    directions: Tensor
    spread: str
    within: float
    within_source: str
    folder: Path


def write_card(card: SetCard, folder: SetFolder) -> dict[str, Any]:
    """Write card.json and README.md by all parts that there are, and return the content of card.json."""
    described = describe_set(card, folder)
    with atomic_path(card.folder / CARD) as temporary:
        write_json(temporary, described)
    with atomic_path(card.folder / README) as temporary:
        temporary.write_text(card_text(described), encoding="utf-8")
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
            "network": describe_model(card.recogniser),
            "spread": card.spread,
            "knowledge": {"level": plan.knowledge} | plan.knowledge_used,
            "known_people": card.known.sources,
            "within": {"degrees": round(card.within, 2), "source": card.within_source},
        },
        "options": to_json(options),
        "plan": plan.describe(),
        "identities_apart": apart(card.directions, options.angle),
        "privacy": privacy(measured, card.directions, card.known, options.known_angle),
        "pictures_of_identities": pictures_of_identities(measured) if measured else None,
        "cost": describe_cost(folder.runs(), options.identities * options.per_identity),
    }


def describe_cost(runs: list[dict[str, Any]], pictures: int) -> dict[str, Any] | None:
    """Return what making a set took, as JSON; None if no run ended yet.

    Args:
        runs: The runs that made pictures and ended.
        pictures: The number of pictures of the whole set.
    """
    made, seconds = sum(run["pictures"] for run in runs), sum(run["seconds"] for run in runs)
    if not made or not seconds:
        return None
    return {
        "runs": runs,
        "seconds": round(seconds, 2),
        "images_per_second": round(made / seconds, 3),
        "hours_of_whole_set": round(pictures / made * seconds / 3600, 3),
        "peak_memory": max(run["peak_memory"] for run in runs),
    }
