"""A person's template from scores against it: faces are chosen by what earlier scores leave open."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from arcinvert.access.black_box import Answers
from arcinvert.access.meter import BudgetSpentError
from arcinvert.access.template_model import EXPLAINED_AT_FIRST, TemplateEstimate, TemplateModel

#: The rounds in which faces are shown; after each, the noise of the scores is estimated anew.
_ROUNDS = 4

#: Returns the scores, (n,), of faces by their indices; raises `BudgetSpentError` where there is no more room.
AskScores = Callable[[NDArray[np.intp]], Answers]


@dataclass(frozen=True)
class Answered:
    """The answers about one person.

    Args:
        estimate: What they say of the person.
        shown: Shape (n,), the indices of the faces that were shown, in their order.
        answers: Shape (n,), the answers.
    """

    estimate: TemplateEstimate
    shown: NDArray[np.intp]
    answers: Answers


def estimate_by_scores(
    model: TemplateModel, whitened: Answers, ask: AskScores, budget: int, *, decimals: int | None = None
) -> Answered:
    """Show the faces that say the most, and return what their scores say of the person.

    Each face is the one whose score reduces the variance of the template the most, given all that were shown
    before it and how noisy their scores were.

    Args:
        model: The model of scores.
        whitened: Shape (faces, dim), of all faces that can be shown.
        ask: Shows faces.
        budget: How many faces are shown at most.
        decimals: The decimals that scores are rounded to; None for none.

    Raises:
        BudgetSpentError: If there is no room for a single round.

    Source: the choice, A-optimality, Chaloner and Verdinelli, "Bayesian experimental design", Statistical
        Science 10(3), 1995.
    """
    shown, answers = np.zeros(0, np.intp), np.zeros(0)
    estimate, explained = None, EXPLAINED_AT_FIRST
    for size in _sizes(min(budget, len(whitened))):
        chosen = model.most_informative(whitened, shown, size, explained)
        spent: BudgetSpentError | None = None
        try:
            found = ask(chosen)
        except BudgetSpentError as error:
            # Retries took what was left.
            spent, found = error, np.asarray(error.answers, dtype=np.float64)
            if estimate is None and not len(found):
                raise
        if len(found):
            answers, shown = np.append(answers, found), np.append(shown, chosen[: len(found)])
            estimate = model.from_scores(whitened[shown], answers, decimals)
            explained = estimate.explained
        if spent is not None:
            break
    if estimate is None:
        raise BudgetSpentError(1, 0)
    return Answered(estimate, shown, answers)


def _sizes(count: int) -> list[int]:
    """Return the sizes of the rounds, as equal as can be, none empty."""
    edges = np.linspace(0, count, _ROUNDS + 1).round().astype(int)
    return [int(size) for size in np.diff(edges) if size]
