"""How many people would decide a policy that an audit leaves undecided, if the share found stays.

The interval of a share accepted has two parts, which are combined by their squares: that of the people
attacked, and the change of the share over the interval of the threshold, which is of the people that it was
calibrated on. More people attacked narrow the first part alone.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from recognition.metrics.shares import equivalent_people, people_needed
from recognition.metrics.thresholds import fewest_people


@dataclass(frozen=True)
class Need:
    """What would decide.

    Args:
        attacked: How many people to attack; None if there are enough.
        outside: How many people to calibrate the judge on; None if there are enough.
        never: Whether no number of people does, because the share found is the limit itself.
        threshold_alone: The share that the threshold's uncertainty alone allows, where it decides; else None.
    """

    attacked: int | None = None
    outside: int | None = None
    never: bool = False
    threshold_alone: float | None = None

    @classmethod
    def of_all(cls, needs: Sequence["Need"]) -> "Need":
        """Return what is enough for each of several judges."""
        first = max(needs, key=lambda need: need.outside or 0)
        return cls(
            max((need.attacked for need in needs if need.attacked is not None), default=None),
            first.outside,
            any(need.never for need in needs),
            first.threshold_alone,
        )

    def text(self) -> str:
        """Return it in words."""
        if self.never:
            return "the share found is the limit itself, so that no number of people shows that it holds"
        parts = [] if self.outside is None else [f"calibrate on {self.outside:,} people outside the attack"]
        parts += [] if self.attacked is None else [f"attack {self.attacked:,} people"]
        why = ""
        if self.threshold_alone is not None:
            why = (
                f", as the uncertainty of the threshold alone allows a share of "
                f"{self.threshold_alone:.3f}, however many are attacked"
            )
        return " and ".join(parts) + why


def need_of(limit: float, judge: dict[str, Any], rate: str) -> Need:
    """Return what decides whether the share that a judge finds exceeds a limit.

    A share above the limit is looked at from the other side, as the share of those rejected, of which the
    upper end must not exceed 1 minus the limit.

    Args:
        limit: The highest share that passes.
        judge: As in audit.json.
        rate: The false match rate, as audit.json writes it.
    """
    figure, ends = judge["sar"][rate]["type_2"], judge["sar"][rate]["type_2_at_ends"]
    share, high, most, people = figure["value"], figure["high"], ends["high"], figure["identities"]
    above = share > limit
    if above:
        share, high, most, limit = 1 - share, 1 - figure["low"], 1 - ends["low"], 1 - limit
    if share >= limit:
        return Need(never=True)
    margin, part = limit - share, max(0.0, most - share)
    # An interval that was cut off at 1 does not say how wide its parts are.
    own = share + math.sqrt(max(0.0, (high - share) ** 2 - part**2)) if high < 1 else 1.0
    # Half of the squared margin is for each part, where the threshold's takes more than that.
    half = margin / math.sqrt(2)
    if part <= half:
        return Need(_attacked(share, own, share + math.sqrt(margin**2 - part**2), people))
    threshold = next(one for one in judge["thresholds"] if f"{one['fmr']:g}" == rate)
    fewest = fewest_people(threshold["fmr"])
    outside = threshold["identities"]
    # The interval of a threshold narrows with the square root of its people, where some resemble many, and
    # faster where none do.
    needed = fewest if outside is None else math.ceil(outside * (part / half) ** 2)
    attacked = None if own <= share + half else _attacked(share, own, share + half, people)
    alone = (1 - most if above else most) if part >= margin else None
    return Need(attacked, max(needed, fewest), threshold_alone=alone)


def need_of_ceiling(limit: float, judge: dict[str, Any], rate: str) -> Need:
    """Return how many people show that a judge accepts real photographs more often than a limit.

    Args:
        limit: Below the share of real photographs that the judge accepts.
        judge: As in audit.json.
        rate: The false match rate, as audit.json writes it.
    """
    ceiling = judge["sar"][rate]["ceiling"]
    return Need(_attacked(1 - ceiling["value"], 1 - ceiling["low"], 1 - limit, ceiling["identities"]))


def _attacked(share: float, own: float, limit: float, people: int) -> int:
    """Return how many people have an interval whose part ends at a limit.

    Args:
        share: The share found.
        own: Where the part of the people attacked ends.
        limit: Where it shall end, above the share.
        people: How many are attacked.
    """
    needed = people_needed(share, limit)
    if needed is None:
        raise ValueError("expected a limit above the share")
    # With several samples a person is worth more, or less, than one of a share with one sample each.
    worth = equivalent_people(share, own) if share < own < 1 else people
    return max(math.ceil(people * needed / worth - 1e-6), people + 1)
