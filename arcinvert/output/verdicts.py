"""Verdicts of the judge in plain words, for the terminal, sheets and pages."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

#: What a reconstruction without a photograph to compare it with has in place of a verdict.
NOT_JUDGED = "not judged"
#: Rates above it are seldom one in a whole number.
_LARGE = 0.1


def one_in(rate: float) -> str:
    """Return a false match rate above 0 as a frequency: `1 in 1,000`, or `2 in 5` if it is large."""
    if rate > _LARGE:
        share = Fraction(rate).limit_denominator(round(1 / _LARGE))
        return f"{share.numerator} in {share.denominator}"
    return f"1 in {round(1 / rate):,}"


def fmr_text(rate: float | str | None) -> str:
    """Return a false match rate for readers, such as `FMR 1 in 1,000`.

    Args:
        rate: The rate, or the text of it that result.json and audit.json have; None where an audit supports
            none.
    """
    return "FMR refused" if rate is None else f"FMR {one_in(float(rate))}"


def accepted_at(accepted: Mapping[str, bool] | None) -> str:
    """Return the smallest false match rate at which a reconstruction is accepted, for a table's cell.

    Args:
        accepted: As in `badge`.
    """
    found = badge(accepted)
    if not found.judged:
        return found.text
    return "none" if found.rate is None else one_in(found.rate)


@dataclass(frozen=True)
class Badge:
    """A verdict in a few words.

    Args:
        text: The words.
        rate: The smallest false match rate at which the reconstruction is accepted; None if at none, or if
            it was not judged.
        judged: Whether there was a photograph to compare with.
        strictest: Whether `rate` is the smallest of all that were tried.
    """

    text: str
    rate: float | None = None
    judged: bool = True
    strictest: bool = False


def badge(accepted: Mapping[str, bool] | None) -> Badge:
    """Return the verdict on a reconstruction.

    Args:
        accepted: Whether it is accepted by false match rate, as result.json has it; None if it was not
            judged.
    """
    if accepted is None:
        return Badge(NOT_JUDGED, judged=False)
    passed = [float(rate) for rate, is_accepted in accepted.items() if is_accepted]
    if not passed:
        return Badge("not accepted")
    return Badge(
        f"accepted at {one_in(min(passed))}", min(passed), strictest=min(passed) == min(map(float, accepted))
    )


def person_line(samples: Sequence[Mapping[str, Any]]) -> str:
    """Return one plain line on a person: the name, the training photographs, and the verdicts.

    Args:
        samples: The entries of one person in result.json, at least one.
    """
    name = display_name(samples[0]["input"], samples[0]["class_id"])
    if known := seen_in(samples[0]["class_photographs"]):
        name = f"{name}, {known}"
    if (subcentre := samples[0]["subcentre"]) is not None:
        name = f"{name}, {subcentre_name(subcentre)}"
    texts = [badge(sample["judge"]["accepted"]).text for sample in samples]
    if len(texts) == 1:
        return f"{name}: {texts[0]}"
    counts = [f"{texts.count(text):,} {text}" for text in sorted(set(texts), key=_strictness)]
    return f"{name}: of {len(texts):,} reconstructions {', '.join(counts)}"


def display_name(name: str, class_id: int | None) -> str:
    """Return the name of a person as people read it.

    Args:
        name: The class name, or the path of a photograph.
        class_id: The class number; None for a photograph or a template.
    """
    return Path(name).name if class_id is None else name.replace("_", " ")


def subcentre_name(subcentre: Mapping[str, Any]) -> str:
    """Return what a sub-centre of a class is called: its number, and whether it is dominant.

    Args:
        subcentre: The entry `subcentre` of a sample in result.json.
    """
    kind = {True: " (dominant)", False: " (not dominant)", None: ""}[subcentre["dominant"]]
    return f"sub-centre {subcentre['number']}{kind}"


def seen_in(photographs: int | None) -> str:
    """Return how many photographs of a person a network was trained on; empty if it is not known."""
    if photographs is None:
        return ""
    return f"seen in {photographs:,} photograph" + ("" if photographs == 1 else "s")


def _strictness(text: str) -> tuple[bool, int, str]:
    """The order of verdicts: accepted ones first, of these the smallest rate, then the others."""
    digits = "".join(letter for letter in text.split("in ")[-1] if letter.isdigit())
    return (not digits, -int(digits or 0), text)
