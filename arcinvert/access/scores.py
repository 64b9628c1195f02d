"""A person's template from scores against it: faces are chosen by what earlier scores say."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from arcinvert.access.black_box import Answers
from arcinvert.access.meter import BudgetSpentError
from arcinvert.access.template_model import TemplateEstimate, TemplateModel
from recognition.seeds import derive_seed

#: The share of the scores that are asked of faces drawn at random, and the number of rounds of the others.
_FIRST, _ROUNDS = 0.5, 4

#: Returns the scores, (n,), of faces by their indices; raises `BudgetSpentError` where there is no more room.
AskScores = Callable[[np.ndarray], Answers]


@dataclass(frozen=True)
class Answered:
    """The answers about one person.

    Args:
        estimate: What they say of the person.
        shown: Shape (n,), the indices of the faces that were shown, in their order.
        answers: Shape (n,), the answers.
    """

    estimate: TemplateEstimate
    shown: np.ndarray
    answers: Answers


def estimate_by_scores(
    model: TemplateModel,
    whitened: Answers,
    ask: AskScores,
    budget: int,
    *,
    seed: int,
    person: str,
    decimals: int | None = None,
) -> Answered:
    """Show faces, the later ones chosen by the scores of the earlier ones, and return what the scores say.

    Half of the faces are drawn at random. The others are those whose expected score is the highest: they are
    the nearest to the person, where a score says the most about what tells the person from alike people.

    Args:
        model: The model of scores.
        whitened: Shape (faces, dim), of all faces that can be shown.
        ask: Shows faces.
        budget: How many faces are shown at most.
        seed: The seed of the draw.
        person: The person's name, which the draw follows from too.
        decimals: The decimals that scores are rounded to; None for none.

    Raises:
        BudgetSpentError: If there is no room for a single score.
    """
    generator = np.random.default_rng(derive_seed(seed, "scores", person))
    order = generator.permutation(len(whitened))
    budget = min(budget, len(whitened))
    first = max(1, round(_FIRST * budget))
    shown = order[:first]
    answers = ask(shown)
    for size in _sizes(budget - first):
        estimate = model.from_scores(whitened[shown], answers, decimals)
        rest = np.setdiff1d(order, shown)
        best = rest[np.argsort(-estimate.predicted(whitened[rest]), kind="stable")[:size]]
        try:
            answers = np.append(answers, ask(best))
        except BudgetSpentError:
            # Retries took what was left.
            break
        shown = np.append(shown, best)
    return Answered(model.from_scores(whitened[shown], answers, decimals), shown, answers)


def _sizes(count: int) -> list[int]:
    """Return the sizes of the rounds, as equal as can be, none empty."""
    edges = np.linspace(0, count, _ROUNDS + 1).round().astype(int)
    return [int(size) for size in np.diff(edges) if size]
