"""Verdicts of the judge in a few words, as badges on faces."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from arcinvert.output.verdicts import badge, one_in

#: Symbols beside the words, so that no verdict is said by its colour alone.
_ACCEPTED, _REJECTED, _UNKNOWN = "\N{CHECK MARK}", "\N{MULTIPLICATION X}", "\N{EN DASH}"
NO_FACE = "no face in it"


def verdict_badge(verdict: Mapping[str, Any]) -> str:
    """Return the verdict on one reconstruction as HTML.

    A picture in which the detector finds no face has no accepted verdict: noise can satisfy a judge too.

    Args:
        verdict: The entry `judge` of a sample in result.json.
    """
    if not verdict["face_detected"]:
        return _html("unknown", _UNKNOWN, NO_FACE)
    words = badge(verdict["accepted"])
    if words.rate is None:
        return _html(
            "rejected" if words.judged else "unknown", _REJECTED if words.judged else _UNKNOWN, words.text
        )
    return _html("accepted" if words.strictest else "accepted-lenient", _ACCEPTED, words.text)


def plain_badge(words: str) -> str:
    """Return a badge without a verdict, for pictures that are no reconstructions."""
    return f'<span class="ai-badge ai-plain">{escape(words)}</span>'


def _html(style: str, symbol: str, words: str) -> str:
    return (
        f'<span class="ai-badge ai-{style}"><span aria-hidden="true">{symbol}</span> {escape(words)}</span>'
    )


def is_accepted(verdict: Mapping[str, Any]) -> bool:
    """Return whether a reconstruction has a face and is accepted at any of the judge's thresholds."""
    return bool(verdict["face_detected"]) and badge(verdict["accepted"]).rate is not None


def headline(verdicts: Sequence[Mapping[str, Any]]) -> str:
    """Return what the verdicts on one person's reconstructions mean, in one or two sentences.

    Args:
        verdicts: The entries `judge` of the samples of one person in result.json, at least one.
    """
    judged = [one for one in verdicts if one["accepted"] is not None]
    if not judged:
        return "These faces cannot be judged: there is no photograph of the person to compare them with."
    count = len(judged)
    by_rate = {
        float(rate): sum(bool(one["face_detected"] and one["accepted"][rate]) for one in judged)
        for rate in judged[0]["accepted"]
    }
    accepted = max(by_rate.values())
    # The strictest threshold at which as many pass; where none does, the most lenient.
    passing = [rate for rate, passed in by_rate.items() if passed == accepted]
    rate = one_in(min(passing) if accepted else max(passing))
    if count == 1:
        which = "takes this face" if accepted else "does not take this face"
    elif accepted == count:
        which = f"takes all {count} of these faces"
    else:
        which = f"takes {accepted or 'none'} of these {count} faces"
    sentence = (
        f"A face recogniser that had no part in this {which} for the person, "
        f"at a threshold that {rate} pairs of strangers pass."
    )
    if not accepted:
        sentence += " That does not make the numbers harmless: a better attack may succeed."
    return sentence
