"""Whether an audit meets the policy that the user set."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from arcinvert.audit.needs import Need, need_of, need_of_ceiling
from arcinvert.audit.options import Bound
from arcinvert.output.verdicts import fmr_text
from recognition.metrics.text import interval_text
from recognition.metrics.thresholds import fewest_people

Verdict = Literal["pass", "fail", "undecided", "no policy"]
#: A judge that accepts fewer real photographs than this cannot show that reconstructions do not pass.
LEAST_CEILING = 0.5
#: Of the false matches that a rate allows, the share from which people who may be enrolled twice set its
#: threshold.
_MOST_ALIKE = 0.5


@dataclass(frozen=True)
class Policy:
    """The highest share of accepted reconstructions (SAR) that passes, by every judge.

    Args:
        max_sar: A fraction.
        fmr: The false match rate (FMR) of the judges' thresholds.
        bound: What decides: the interval, of which the upper end passes and the lower end fails, or the value
            found.
    """

    max_sar: float
    fmr: float
    bound: Bound = "upper"

    @property
    def rate(self) -> str:
        """The false match rate as audit.json writes it."""
        return f"{self.fmr:g}"


def decide(policy: Policy | None, judges: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the verdict with its reason; of several judges the one that accepts most decides.

    A policy fails if the lower end of any judge's interval exceeds the limit. It passes if all judges have a
    figure whose upper end does not exceed it, and accept real photographs more often than the limit allows;
    a judge that rejects them would let any reconstruction pass. In between it cannot be decided, and the
    reason says how many people would decide it. If the policy's bound is the value, the value found takes the
    place of both ends.

    Args:
        policy: None if none was set.
        judges: As in audit.json, each with `name`, `sar`, and `thresholds`.
    """
    if policy is None:
        return {"verdict": "no policy", "policy": None, "reason": "No policy was set (--max-sar)."}
    found = [judge for judge in judges if policy.rate in judge["sar"]]
    verdicts = {judge["name"]: _verdict(policy, judge) for judge in found}
    verdict = _verdict_of_all(list(verdicts.values()), len(judges))
    deciding = [judge for judge in found if verdicts[judge["name"]] == verdict]
    limit = f"SAR at most {policy.max_sar:g} at {fmr_text(policy.fmr)}"
    if deciding:
        key = "value" if policy.bound == "value" else "low" if verdict == "fail" else "high"
        worst = max(deciding, key=lambda judge: _figure(policy, judge)[key])
        figure = _figure(policy, worst)
        reason = f"{worst['name']} finds {interval_text(figure)} of {figure['identities']:,} people"
        if verdict == "undecided":
            reason += f"; cannot be decided: {_remedy(policy, deciding)}"
        elif verdict == "pass" and figure["high"] > policy.max_sar:
            reason += f"; {figure['identities']:,} people are too few to show that the limit holds"
        elif verdict == "fail" and figure["low"] <= policy.max_sar:
            reason += f"; {figure['identities']:,} people are too few to show that it is exceeded"
    else:
        missing = ", ".join(judge["name"] for judge in judges if judge not in found) or "no judge"
        reason = (
            f"cannot be decided, as too few people outside the attack, or no photographs, were given "
            f"({missing}); it takes {fewest_people(policy.fmr):,} people outside"
        )
    return {"verdict": verdict, "policy": asdict(policy), "reason": f"{limit}: {reason}."}


def _verdict_of_all(verdicts: list[Verdict], judges: int) -> Verdict:
    """Return the verdict of so many judges, of which some may have no figure."""
    if "fail" in verdicts:
        return "fail"
    return "undecided" if not verdicts or len(verdicts) < judges or "undecided" in verdicts else "pass"


def _figure(policy: Policy, judge: dict[str, Any]) -> dict[str, Any]:
    return dict(judge["sar"][policy.rate]["type_2"])


def _verdict(policy: Policy, judge: dict[str, Any]) -> Verdict:
    """Return the verdict of one judge."""
    figure = _figure(policy, judge)
    least, most = ("value", "value") if policy.bound == "value" else ("low", "high")
    if figure[least] > policy.max_sar:
        return "fail"
    return "pass" if figure[most] <= policy.max_sar and _sees(policy, judge) else "undecided"


def _sees(policy: Policy, judge: dict[str, Any]) -> bool:
    """Return whether a judge is shown to accept a face as good as a photograph more often than the limit.

    Nothing exceeds a limit of 1, whatever the judge.
    """
    if policy.max_sar >= 1:
        return True
    ceiling = judge["sar"][policy.rate]["ceiling"]
    shown = ceiling["value"] if policy.bound == "value" else ceiling["low"]
    return _blindness(policy, judge) is None and bool(shown > policy.max_sar)


def _blindness(policy: Policy, judge: dict[str, Any]) -> str | None:
    """Return why no number of people makes a judge see what would pass; None if one may."""
    ceiling, name = judge["sar"][policy.rate]["ceiling"], judge["name"]
    if set_by_alike(judge, policy.fmr):
        return (
            f"{judge['calibration']['alike']:,} pairs of people outside are as similar to {name} as one "
            "person is, and set its threshold: if they are enrolled twice, leave one of each out; if not, "
            "give another judge"
        )
    if ceiling["value"] < LEAST_CEILING or ceiling["value"] <= policy.max_sar:
        return (
            f"{name} accepts real photographs in {interval_text(ceiling)}, so that a face as good as one "
            "would hardly exceed the limit: look for people who are enrolled twice among those outside, or "
            "give another judge"
        )
    return None


def set_by_alike(judge: dict[str, Any], fmr: float) -> bool:
    """Return whether people outside who resemble each other as one person does set the threshold of a rate.

    They may be enrolled twice; if they are not, the judge rejects about half of the pairs of one person.

    Args:
        judge: As in audit.json.
        fmr: The rate.
    """
    calibration = judge["calibration"]
    pairs = calibration["identities"] * (calibration["identities"] - 1) / 2
    own = any(one["fmr"] == fmr and one["source"] == "calibration" for one in judge["thresholds"])
    return own and bool(0 < calibration["alike"] >= _MOST_ALIKE * fmr * pairs)


def _remedy(policy: Policy, judges: list[dict[str, Any]]) -> str:
    """Return what would decide, if the shares found stay: of all judges that are undecided."""
    parts, needs = [], []
    for judge in judges:
        figure = _figure(policy, judge)
        # That a judge rejects photographs does not keep it from failing what it accepts.
        if figure["value"] <= policy.max_sar and not _sees(policy, judge):
            why = _blindness(policy, judge)
            if why is not None:
                parts.append(why)
            else:
                needs.append(need_of_ceiling(policy.max_sar, judge, policy.rate))
        if policy.bound == "upper" and figure["high"] > policy.max_sar:
            needs.append(need_of(policy.max_sar, judge, policy.rate))
    return "; ".join([*parts, *([Need.of_all(needs).text()] if needs else [])])
