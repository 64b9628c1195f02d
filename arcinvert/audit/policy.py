"""Whether an audit meets the policy that the user set."""

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

from arcinvert.audit.options import Bound
from arcinvert.output.verdicts import one_in
from recognition.metrics.shares import equivalent_people, people_needed
from recognition.metrics.text import interval_text

Verdict = Literal["pass", "fail", "undecided", "no policy"]


@dataclass(frozen=True)
class Policy:
    """The highest share of accepted reconstructions (SAR) that passes, by every judge.

    Args:
        max_sar: A fraction.
        fmr: The false match rate (FMR) of the judges' thresholds.
        bound: What must not exceed `max_sar` for a pass: the upper end of the interval, or the value found.
    """

    max_sar: float
    fmr: float
    bound: Bound = "upper"


def decide(policy: Policy | None, judges: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the verdict with its reason; of several judges the one that accepts most decides.

    The policy is not met if the share that any judge finds exceeds the limit. It is met if all judges have a
    figure, and the upper end of the interval
    does not exceed it either (or without regard to the interval, if the policy's bound is the value). In
    between it cannot be decided, and the reason says how many people would decide it.

    Args:
        policy: None if none was set.
        judges: As in audit.json, each with `name` and `sar`.
    """
    if policy is None:
        return {"verdict": "no policy", "policy": None, "reason": "No policy was set (--max-sar)."}
    found = {
        judge["name"]: judge["sar"][f"{policy.fmr:g}"]["type_2"]
        for judge in judges
        if f"{policy.fmr:g}" in judge["sar"]
    }
    limit = f"SAR at most {policy.max_sar:g} at FMR {one_in(policy.fmr)}"
    described = asdict(policy)
    verdict, key = _verdict(policy, list(found.values()))
    if verdict != "fail" and (len(found) < len(judges) or not found):
        missing = ", ".join(judge["name"] for judge in judges if judge["name"] not in found) or "no judge"
        return {
            "verdict": "undecided",
            "policy": described,
            "reason": f"{limit}: cannot be decided, as too few people outside the attack, or no photographs, "
            f"were given ({missing}).",
        }
    worst = max(found, key=lambda name: found[name][key])
    figure = found[worst]
    reason = f"{limit}: {worst} finds {interval_text(figure)} of {figure['identities']:,} people"
    if verdict == "undecided":
        reason += f"; cannot be decided: {_remedy(policy.max_sar, figure)}"
    elif verdict == "pass" and figure["high"] > policy.max_sar:
        reason += f"; {figure['identities']:,} people are too few to show that the limit holds"
    return {"verdict": verdict, "policy": described, "reason": reason + "."}


def _verdict(policy: Policy, figures: list[dict[str, Any]]) -> tuple[Verdict, str]:
    """Return the verdict, and by which part of a figure the deciding judge is chosen."""
    if any(figure["value"] > policy.max_sar for figure in figures):
        return "fail", "value"
    if policy.bound == "upper" and any(figure["high"] > policy.max_sar for figure in figures):
        return "undecided", "high"
    return "pass", "value" if policy.bound == "value" else "high"


def _remedy(limit: float, figure: dict[str, Any]) -> str:
    """Return how many people would decide, if the share found stays.

    The interval shrinks as that of a share does; it has the width of so many people with one sample each as
    `equivalent_people` says.
    """
    needed = people_needed(figure["value"], limit)
    if needed is None:
        return "the share found is the limit itself, so that no number of people shows that it holds"
    people = figure["identities"]
    if figure["high"] < 1:
        worth = equivalent_people(figure["value"], figure["high"])
        needed = max(math.ceil(people * needed / worth), people + 1)
    return f"attack {max(needed, people + 1):,} people"
