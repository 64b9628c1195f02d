"""The answer of an audit in three plain sentences."""

from typing import Any

from arcinvert.audit.options import AuditOptions
from recognition.metrics.text import percent_text


def headline_fmr(judges: list[dict[str, Any]], options: AuditOptions) -> str | None:
    """Return the false match rate of the first page: the policy's if all judges support it, else the lowest.

    None if there is no judge, or no rate that all of them support.
    """
    supported = [
        f"{fmr:g}" for fmr in sorted(options.fmr) if judges and all(f"{fmr:g}" in j["sar"] for j in judges)
    ]
    wanted = f"{options.policy_fmr:g}"
    return wanted if wanted in supported else next(iter(supported), None)


def answer_sentences(result: dict[str, Any]) -> list[str]:
    """Return the answer: what passes, compared with what, and the verdict of the policy."""
    if not result["judges"] or result["answer"]["headline_fmr"] is None:
        return _unjudged(result)
    threat, headline = result["threat_model"], result["answer"]["headline_fmr"]
    worst = max(result["judges"], key=lambda entry: entry["sar"][headline]["type_2"]["value"])
    sar, rank = worst["sar"][headline], worst["rank"]
    share, low = sar["type_2"]["value"], sar["type_2"]["low"]
    if low > sar["mean_face"]["value"]:
        can = "can be turned into faces that another recogniser accepts"
    elif share > sar["mean_face"]["value"]:
        can = "may be turned into faces that another recogniser accepts, but these are too few people to tell"
    else:
        can = "were not shown to be turned into faces that another recogniser accepts"
    return [
        f"The {threat['held']} of {threat['network']} {can}: of {result['people']['attacked']} people, "
        f"{percent_text(sar['type_2'])} are accepted as themselves by {worst['name']}, which was not "
        f"attacked, at the threshold where it accepts a stranger in {float(headline):g} of cases.",
        f"For comparison, the mean face passes in {percent_text(sar['mean_face'])} and a real second "
        f"photograph in {percent_text(sar['ceiling'])}; in a gallery of {rank['gallery']:,} people, the "
        f"reconstruction ranks the right person first in {percent_text(rank['attack']['1'])} (by chance "
        f"{rank['chance']['1']:.1%}).",
        _verdict(result),
    ]


def _unjudged(result: dict[str, Any]) -> list[str]:
    threat, face = result["threat_model"], result["faces"]["face_detected"]
    reason = (
        "there are too few people outside the attack"
        if result["judges"]
        else "no photographs of the people were given"
    )
    return [
        f"Faces were reconstructed from {result['people']['attacked']} {threat['held']} of "
        f"{threat['network']}, and a detector finds a face in {percent_text(face)} of them.",
        f"Whether they pass for the people cannot be said: {reason}.",
        _verdict(result),
    ]


def _verdict(result: dict[str, Any]) -> str:
    answer = result["answer"]
    if answer["verdict"] == "no policy":
        return str(answer["reason"])
    return f"{answer['verdict'].capitalize()}: {answer['reason']}"
