"""Sentences about what limits the figures of judges: their thresholds, and what they make of photographs."""

from typing import Any

from arcinvert.audit.metrics import NOT_HELD
from arcinvert.audit.policy import LEAST_CEILING, set_by_alike
from arcinvert.output.verdicts import fmr_text
from recognition.metrics.text import interval_text
from recognition.metrics.thresholds import fewest_people

#: The share of pairs of different people whom a judge that tells people apart finds as similar as one person.
_FEW = 0.01


def judge_notes(judges: list[dict[str, Any]], attacked: int) -> list[str]:
    """Return sentences about judges.

    Args:
        judges: As in audit.json.
        attacked: How many people are attacked.
    """
    return [note for judge in judges for note in _notes(judge, attacked)]


def _notes(judge: dict[str, Any], attacked: int) -> list[str]:
    return [
        *_shipped(judge),
        *_not_held(judge),
        *_alike(judge),
        *_alike_attacked(judge, attacked),
        *_blind(judge),
    ]


def _shipped(judge: dict[str, Any]) -> list[str]:
    """Return where a shipped threshold serves although people are outside the attack."""
    people = judge["calibration"]["identities"]
    rates = [one["fmr"] for one in judge["thresholds"] if one["source"] == "shipped"]
    if not people or not rates:
        return []
    takes = " and ".join(f"{fewest_people(rate):,} at {fmr_text(rate)}" for rate in rates)
    listed = " and ".join(map(fmr_text, rates))
    return [
        f"{judge['name']}: the shipped thresholds are used at {listed}: only {people:,} people are outside "
        f"the attack, and to calibrate a threshold on them takes {takes}."
    ]


def _not_held(judge: dict[str, Any]) -> list[str]:
    """Return where there is no figure, since the people outside show that a shipped threshold is too low."""
    people = judge["calibration"]["identities"]
    reasons = {one["fmr"]: (one["refused"] or "").rpartition("; ")[2] for one in judge["thresholds"]}
    return [
        f"{judge['name']}: no figure at {fmr_text(rate)}: only {people:,} people are outside the attack, of "
        f"{fewest_people(rate):,} that a threshold takes, and {reason}."
        for rate, reason in reasons.items()
        if reason.startswith(NOT_HELD)
    ]


def _alike(judge: dict[str, Any]) -> list[str]:
    """Return whether people outside who resemble each other as one person does set a threshold."""
    rates = [one["fmr"] for one in judge["thresholds"] if one["source"] == "calibration"]
    noted = [fmr_text(rate) for rate in rates if set_by_alike(judge, rate)]
    if not noted:
        return []
    return [
        f"{judge['name']}: {judge['calibration']['alike']:,} pairs of people outside the attack are more "
        "similar than half of the pairs of photographs of one person, and half or more of the false matches "
        f"at {' and '.join(noted)}. If they are people who are enrolled twice, the threshold is too high and "
        "SAR too low."
    ]


def _alike_attacked(judge: dict[str, Any], attacked: int) -> list[str]:
    """Return whether somebody outside may be attacked as well, by another photograph."""
    alike, people = judge["calibration"]["alike_attacked"], judge["calibration"]["identities"]
    # Of a judge that tells few people apart, this says nothing.
    if not 0 < alike <= _FEW * attacked * people:
        return []
    return [
        f"{judge['name']}: {alike:,} pairs of somebody attacked and somebody outside the attack are more "
        "similar than half of the pairs of photographs of one person. If they are one person each, the "
        "attacks on defences and the gallery have those attacked among the public faces."
    ]


def _blind(judge: dict[str, Any]) -> list[str]:
    """Return whether a judge rejects most real photographs."""
    ceilings = {rate: sar["ceiling"] for rate, sar in judge["sar"].items()}
    found = [
        f"{interval_text(one)} at {fmr_text(rate)}"
        for rate, one in ceilings.items()
        if one["value"] < LEAST_CEILING
    ]
    if not found:
        return []
    return [
        f"{judge['name']} accepts real photographs of those attacked in {' and '.join(found)} only: that it "
        "rejects reconstructions says little."
    ]
