"""Which of an attacker's own images of a person the black box prefers.

Where the surrogate explains little of the black box, its gradients may lead away from the person, and the
image at their end is worse than the one that they began with, or than the face that a regression predicts. A
few queries show such candidates to the black box, and the one with the highest answer is the result.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from arcinvert.access.black_box import Answers
from arcinvert.access.meter import BudgetSpentError
from recognition.images import resized, to_tensor, to_uint8

#: The names of candidates in results: the end of the optimisation, and others in the order in which they are
#: shown, as far as the queries go.
FINISHED, REGRESSION, START = "finished", "regression", "initial"
_HALFWAY = "halfway from {}"


def candidates(finished: Tensor, start: Tensor, regressed: Tensor | None, count: int) -> dict[str, Tensor]:
    """Return candidates by name, each of shape (3, h, w) in [0, 1] with eight bits per colour.

    Args:
        finished: The end of the optimisation, shape (3, h, w) in [0, 1].
        start: Its initial image, likewise.
        regressed: The face that the regression predicts, shape (3, s, s) in [0, 1]; None where there is none.
        count: The most candidates, at least 1; the end of the optimisation comes first.
    """
    others = {} if regressed is None else {REGRESSION: resized(regressed[None], finished.shape[-1])[0]}
    found = {FINISHED: finished}
    for name, image in (others | {START: start}).items():
        found |= {_HALFWAY.format(name): (finished + image) / 2, name: image}
    # What is shown, and what is written, has eight bits.
    return {name: to_tensor(to_uint8(image)) for name, image in list(found.items())[:count]}


def preferred(shown: dict[str, Tensor], ask: Callable[[Tensor], Answers]) -> tuple[str, float | None]:
    """Return the name of the candidate with the highest answer, and the answer; the first without answers.

    Args:
        shown: Candidates by name, as `candidates` returns them.
        ask: Shows images, (n, 3, h, w) in [0, 1], and returns similarities to the person, (n,).
    """
    try:
        answers = ask(torch.stack(list(shown.values())))
    except BudgetSpentError as error:
        # Retries took what was left; there may be answers about the first ones.
        answers = error.answers
    names = list(shown)
    if not len(answers):
        return names[0], None
    best = int(answers.argmax())
    return names[best], float(answers[best])
