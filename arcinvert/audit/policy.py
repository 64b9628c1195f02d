"""Pass or fail against the policy that the user set."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from arcinvert.audit.options import Bound

Verdict = Literal["pass", "fail", "undecided", "no policy"]


@dataclass(frozen=True)
class Policy:
    """The highest SAR at one false match rate that passes, in every judge's eyes.

    Args:
        max_sar: a fraction.
        fmr: of the judges' thresholds.
        bound: whether the found value, or the upper end of its interval, is compared.
    """

    max_sar: float
    fmr: float
    bound: Bound = "value"


def decide(policy: Policy | None, judges: list[dict[str, Any]]) -> dict[str, Any]:
    """The verdict with its reasons; of several judges the one that accepts most counts.

    Args:
        judges: as in audit.json, each with `name` and `sar`.
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
        silent = ", ".join(judge["name"] for judge in judges if judge["name"] not in found) or "no judge"
        return {
            "verdict": "undecided",
            "policy": described,
            "reason": f"{limit}: cannot be decided, too few comparisons or photographs ({silent}).",
        }
    key = "value" if policy.bound == "value" else "high"
    worst = max(found, key=lambda name: found[name][key])
    figure = found[worst]
    verdict: Verdict = "fail" if figure[key] > policy.max_sar else "pass"
    reason = f"{limit}: {worst} finds {figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"
    if policy.bound == "upper":
        reason += ", whose upper end counts"
    if verdict == "pass" and figure["high"] > policy.max_sar:
        reason += f"; {figure['identities']} identities are too few to show that the limit holds"
    return {"verdict": verdict, "policy": described, "reason": reason + "."}
