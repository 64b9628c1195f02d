"""A person's template from yes and no at an unknown threshold.

Faces of strangers are nearly all refused, and a refusal says little. So public faces are shown until one is
accepted; from then on faces between an accepted and a refused one are halved, until the score of what is left
is the threshold itself. Each such face tells of the refused one in it, the more the larger its part is, and
therefore the higher the score of the accepted one. Faces that are refused are drawn at random; the accepted
one is the reconstruction of what is known so far, if it is accepted, else a face with a high expected score.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arcinvert.access.black_box import Answers
from arcinvert.access.meter import BudgetSpentError
from arcinvert.access.template_model import TemplateEstimate, TemplateModel
from recognition.seeds import derive_seed

#: Faces that are shown at once while none is accepted.
_BATCH = 25
#: How often an interval between an accepted and a refused face is halved.
_HALVINGS = 5
#: Faces on the boundary that are found between two estimates of the template, and the most that are kept, as
#: the time of an estimate grows with them.
_BETWEEN_ESTIMATES, _MOST = 60, 600
#: The most refused faces whose refusal is kept: one says little.
_REFUSED = 200

#: Returns the attacker's faces of some indices, (n, 3, h, w) in [0, 1].
Images = Callable[[NDArray[np.integer]], Tensor]
#: Shows images and returns decisions, (n,).
AskDecisions = Callable[[Tensor], Answers]
#: Returns the surrogate's embeddings, (n, dim), of images.
Embed = Callable[[Tensor], Answers]
#: Returns the reconstruction of a template, (1, 3, h, w).
Reconstruct = Callable[[Answers], Tensor]


@dataclass(frozen=True)
class Decided:
    """What decisions say about one person.

    Args:
        estimate: The estimate; None where no face was accepted.
        boundary: The number of faces on the boundary that were found.
        until_accepted: The number of faces that were shown until one was accepted; None if none was.
    """

    estimate: TemplateEstimate | None
    boundary: int
    until_accepted: int | None


class DecisionAttack:
    """Estimates one person's template from decisions.

    Args:
        model: The model of scores.
        images: The attacker's faces.
        embeddings: Shape (faces, dim), the surrogate's embeddings of them.
        ask: Shows images.
        embed: Embeds images by the surrogate.
        reconstruct: Reconstructs a face from an estimate of the template.
        left: Returns how many images may still be shown; None without a budget.
        seed: The seed of all draws.
        person: The person's name, which the draws follow from too.
    """

    def __init__(
        self,
        model: TemplateModel,
        images: Images,
        embeddings: Answers,
        ask: AskDecisions,
        embed: Embed,
        reconstruct: Reconstruct,
        left: Callable[[], int | None],
        *,
        seed: int,
        person: str,
    ) -> None:
        self._model, self._images, self._ask, self._embed = model, images, ask, embed
        self._reconstruct, self._left = reconstruct, left
        self._whitened = model.whitened(embeddings)
        self._generator = np.random.default_rng(derive_seed(seed, "decisions", person))
        self._answers = np.full(len(embeddings), np.nan)
        self._boundary: list[Answers] = []
        #: Reconstructions that were shown, whitened, and the answers.
        self._shown: list[Answers] = []
        self._shown_answers: list[float] = []

    def run(self) -> Decided:
        """Show images until the budget is spent, and return what the decisions say."""
        until, estimate = None, None
        try:
            until = self._first_accepted()
            if until is None:
                return Decided(None, 0, None)
            while self._find_boundary(self._start(estimate), _BETWEEN_ESTIMATES):
                estimate = self._estimate()
        except BudgetSpentError:
            if until is None and not (self._answers == 1).any():
                return Decided(None, 0, None)
        return Decided(self._estimate(), len(self._boundary), until)

    def _first_accepted(self) -> int | None:
        """Show public faces until one is accepted; return how many were shown, None if all are refused."""
        order = self._generator.permutation(len(self._answers))
        for begin in range(0, len(order), _BATCH):
            part = order[begin : begin + _BATCH]
            self._answers[part] = self._ask(self._images(part))
            if (self._answers[part] == 1).any():
                return begin + len(part)
        return None

    def _start(self, estimate: TemplateEstimate | None) -> Tensor:
        """Return an accepted face to leave from, (1, 3, h, w).

        With an estimate, it is its reconstruction, if that is accepted. Otherwise the faces that the estimate
        predicts the highest scores for are shown first.
        """
        accepted = np.flatnonzero(self._answers == 1)
        if estimate is None:
            return self._images(self._generator.choice(accepted, 1))
        face = self._reconstruct(estimate.template)
        answer = float(self._ask(face)[0])
        self._shown.extend(self._model.whitened(self._embed(face)))
        self._shown_answers.append(answer)
        if answer == 1:
            return face
        predicted = estimate.predicted(self._whitened)
        unknown = np.flatnonzero(np.isnan(self._answers))
        if len(unknown):
            likely = unknown[np.argsort(-predicted[unknown], kind="stable")[:_BATCH]]
            self._answers[likely] = self._ask(self._images(likely))
        accepted = np.flatnonzero(self._answers == 1)
        # One of the best three, so that the boundary is found on several sides.
        best = accepted[np.argsort(-predicted[accepted], kind="stable")[:3]]
        return self._images(self._generator.choice(best, 1))

    def _find_boundary(self, first: Tensor, count: int) -> int:
        """Find faces whose score is the threshold, between an accepted face and others; return how many.

        All intervals are halved together, so that each round is one request.
        """
        others = np.flatnonzero(self._answers != 1)
        if (left := self._left()) is not None:
            # A round that the budget ends on the way would say nothing: each end is shown, and all halvings.
            count = min(count, left // (_HALVINGS + 1))
        if not count:
            return 0
        ends = self._generator.choice(others, min(count, len(others)), replace=False)
        last = self._images(ends)
        # Between two faces that are accepted there would be no boundary.
        unknown = np.isnan(self._answers[ends])
        if unknown.any():
            self._answers[ends[unknown]] = self._ask(self._images(ends[unknown]))
        refused = self._answers[ends] == 0
        last, count = last[torch.from_numpy(refused)], int(refused.sum())
        if not count:
            return 0
        low, high = np.zeros(count), np.ones(count)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            yes = self._ask(_between(first, last, middle)) == 1
            low, high = np.where(yes, middle, low), np.where(yes, high, middle)
        found = self._embed(_between(first, last, (low + high) / 2))
        self._boundary.extend(self._model.whitened(found))
        return count

    def _estimate(self) -> TemplateEstimate:
        known = np.flatnonzero(~np.isnan(self._answers))
        accepted, refused = known[self._answers[known] == 1], known[self._answers[known] == 0]
        faces = np.concatenate([accepted, refused[:_REFUSED]])
        boundary = np.array(self._boundary[-_MOST:]).reshape(-1, self._whitened.shape[1])
        shown = np.array(self._shown).reshape(-1, self._whitened.shape[1])
        return self._model.from_decisions(
            np.concatenate([self._whitened[faces], shown]),
            np.concatenate([self._answers[faces], self._shown_answers]),
            boundary,
        )


def _between(first: Tensor, last: Tensor, share: Answers) -> Tensor:
    """Return images between a face and others, (n, 3, h, w); share 0 is the face."""
    weight = torch.from_numpy(share).to(last.dtype)[:, None, None, None]
    return first * (1 - weight) + last * weight
