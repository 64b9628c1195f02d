"""What a black box itself says of the images, in words."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from arcinvert.access.candidates import FINISHED


def opinion_of(images: Sequence[dict[str, Any]], kind: str) -> str:
    """Return a sentence about what a black box says of images.

    Args:
        images: The name of the candidate and the answer, None where there is none, of each.
        kind: What the black box answers.
    """
    answers = [one["answer"] for one in images if one["answer"] is not None]
    if not answers:
        return "The black box was not asked about the images, as no query was left."
    mean, rest = float(np.mean(answers)), len(images) - len(answers)
    said = f"accepts {mean:.0%} of" if kind == "decisions" else f"gives a mean similarity of {mean:.3f} to"
    sentence = f"The black box itself {said} {_counted(len(answers))}, which says little about others."
    if others := sum(one["candidate"] != FINISHED for one in images):
        sentence += f" It preferred another candidate to the end of the attack for {others}."
    if rest:
        sentence += f" For {_counted(rest)} no query was left, so that the similarity is the surrogate's."
    return sentence


def _counted(images: int) -> str:
    return f"{images:,} image{'s' * (images != 1)}"
