"""The answer of an audit in three plain sentences."""

from typing import Any

from arcinvert.audit.options import AuditOptions
from arcinvert.output.verdicts import one_in
from recognition.metrics.text import percent_text

#: What is said of the photographs that judges compare with, by the type of the figures.
_COMPARED = {
    "type_1": " compared with photographs that the targets came from (Type I),",
    "type_2": "",
    "unknown": " compared with photographs that the targets may have come from (Type I or II),",
}


def headline_fmr(judges: list[dict[str, Any]], options: AuditOptions) -> str | None:
    """Return the false match rate of the first page: the policy's if all judges support it, else the lowest.

    Where there is none that all of them support, it is one that some do. None without any.
    """
    rates = [f"{fmr:g}" for fmr in sorted(options.fmr)]
    by_all = [rate for rate in rates if judges and all(rate in judge["sar"] for judge in judges)]
    by_some = [rate for rate in rates if any(rate in judge["sar"] for judge in judges)]
    supported, wanted = by_all or by_some, f"{options.policy_fmr:g}"
    return wanted if wanted in supported else next(iter(supported), None)


def is_shown(sar: dict[str, Any], fmr: float) -> bool:
    """Return whether the attack is accepted more often than strangers and than the mean face are.

    Args:
        sar: A judge's shares at a false match rate, as in audit.json.
        fmr: The rate. One person who is accepted by chance, as one of a thousand strangers is, shows nothing.
    """
    return bool(sar["type_2"]["low"] > fmr and sar["above_mean_face"]["low"] > 0)


def answer_sentences(result: dict[str, Any]) -> list[str]:
    """Return the answer: what passes, compared with what, and the verdict of the policy."""
    if not result["judges"] or result["answer"]["headline_fmr"] is None:
        return _unjudged(result)
    threat, headline = result["threat_model"], result["answer"]["headline_fmr"]
    judged = [entry for entry in result["judges"] if headline in entry["sar"]]
    worst = max(judged, key=lambda entry: entry["sar"][headline]["type_2"]["value"])
    sar, rank = worst["sar"][headline], worst["rank"]
    share = sar["type_2"]["value"]
    if is_shown(sar, float(headline)):
        can = "can be turned into faces that another recogniser accepts"
    elif share > sar["mean_face"]["value"]:
        can = "may be turned into faces that another recogniser accepts, but these are too few people to tell"
    else:
        can = "were not shown to be turned into faces that another recogniser accepts"
    return [
        f"The {threat['held']} of {threat['network']} {can}: of {result['people']['attacked']} people, "
        f"{percent_text(sar['type_2'])} are accepted as themselves by {worst['name']}, which was not "
        f"attacked,{_COMPARED[threat['reference']['type']]} at a threshold that {one_in(float(headline))} "
        "pairs of strangers pass.",
        f"For comparison, the mean face passes in {percent_text(sar['mean_face'])} and a real second "
        f"photograph in {percent_text(sar['ceiling'])}; in a gallery of {rank['gallery']:,} people, the "
        f"reconstruction ranks the right person first in {percent_text(rank['attack']['1'])} (by chance "
        f"{rank['chance']['1']:.1%}).",
        *_without_figure([entry["name"] for entry in result["judges"] if entry not in judged]),
        _verdict(result),
    ]


def _without_figure(names: list[str]) -> list[str]:
    """Return a sentence about judges that have no threshold at the rate of the first page."""
    if not names:
        return []
    return [f"{' and '.join(names)} cannot say: there are too few people outside the attack for a threshold."]


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
