"""Whether an audit meets the policy that the user set."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from arcinvert.audit.options import Bound

Verdict = Literal["pass", "fail", "undecided", "no policy"]


@dataclass(frozen=True)
class Policy:
    """The highest share of accepted reconstructions (SAR) that passes, by every judge.

    Args:
        max_sar: A fraction.
        fmr: The false match rate (FMR) of the judges' thresholds.
        bound: Whether the value found, or the upper end of its interval, is compared.
    """

    max_sar: float
    fmr: float
    bound: Bound = "value"


def decide(policy: Policy | None, judges: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the verdict with its reason; of several judges the one that accepts most decides.

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
    limit = f"SAR at most {policy.max_sar:g} at FMR {policy.fmr:g}"
    described = asdict(policy)
    if len(found) < len(judges) or not found:
        missing = ", ".join(judge["name"] for judge in judges if judge["name"] not in found) or "no judge"
        return {
            "verdict": "undecided",
            "policy": described,
            "reason": f"{limit}: cannot be decided, too few comparisons or photographs ({missing}).",
        }
    key = "value" if policy.bound == "value" else "high"
    worst = max(found, key=lambda name: found[name][key])
    figure = found[worst]
    verdict: Verdict = "fail" if figure[key] > policy.max_sar else "pass"
    reason = f"{limit}: {worst} finds {figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"
    if policy.bound == "upper":
        reason += ", of which the upper end counts"
    if verdict == "pass" and figure["high"] > policy.max_sar:
        reason += f"; {figure['identities']} identities are too few to show that the limit holds"
    return {"verdict": verdict, "policy": described, "reason": reason + "."}
