"""A person's template from yes and no at an unknown threshold.

Faces of strangers are nearly all refused, and a refusal says little. So public faces are shown until one is
accepted. From then on mixtures of an accepted image, the origin, and of other faces are shown, each in the
parts for which the estimate so far expects a yes as much as a no: such an answer says the most. The origin is
the reconstruction of what is known so far, if it is accepted, else a face with a high expected score.

An answer at an even chance has 2 / pi of the information of the noisy score itself (the Fisher information of
the sign of a normal number), while finding the score by halving takes several answers.
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
#: The most faces whose order is chosen, and the share of pairs of faces that count as alike. Someone whom a
#: face is like is worth `_AGAIN` as much to the next such face.
_ORDERED, _ALIKE, _AGAIN = 4096, 0.01, 0.3
#: Mixtures that are shown at once.
_TOGETHER = 60
#: Mixtures of an origin: at least so many, and at least this share of all before, as an estimate takes time.
_FEWEST, _GROWTH = 120, 1 / 3
#: How far the level of the expected scores moves, in deviations of scores, where all answers are the same.
_CORRECTION = 0.75
#: The least part of each image in a mixture.
_LEAST_PART = 0.02
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
        mixtures: The number of mixtures that were shown.
        until_accepted: The number of faces that were shown until one was accepted; None if none was.
    """

    estimate: TemplateEstimate | None
    mixtures: int
    until_accepted: int | None


class DecisionAttack:
    """Estimates one person's template from decisions.

    Args:
        model: The model of scores.
        images: The attacker's faces.
        embeddings: Shape (faces, dim), the surrogate's embeddings of them.
        order: The order in which they are shown until one is accepted; see `covering_order`.
        ask: Shows images.
        embed: Embeds images by the surrogate.
        reconstruct: Reconstructs a face from an estimate of the template.
        left: Returns how many images may still be shown.
        seed: The seed of all draws.
        person: The person's name, which the draws follow from too.
    """

    def __init__(
        self,
        model: TemplateModel,
        images: Images,
        embeddings: Answers,
        order: NDArray[np.intp],
        ask: AskDecisions,
        embed: Embed,
        reconstruct: Reconstruct,
        left: Callable[[], int],
        *,
        seed: int,
        person: str,
    ) -> None:
        self._model, self._images, self._ask, self._embed = model, images, ask, embed
        self._order, self._reconstruct, self._left = order, reconstruct, left
        self._whitened = model.whitened(embeddings)
        self._generator = np.random.default_rng(derive_seed(seed, "decisions", person))
        #: Of the attacker's faces.
        self._answers = np.full(len(embeddings), np.nan)
        #: Of each group of images that were made: whitened embeddings, answers, shares that are not of the
        #: origin, and numbers of the origins.
        self._made: list[tuple[Answers, Answers, Answers, NDArray[np.intp]]] = []
        self._origins, self._mixtures = 0, 0

    def run(self) -> Decided:
        """Show images until the budget is spent, and return what the decisions say."""
        until, estimate = None, None
        try:
            until = self._first_accepted()
            if until is None:
                return Decided(None, 0, None)
            estimate = self._estimate()
            while self._show_mixtures(self._origin(estimate), estimate):
                estimate = self._estimate()
        except BudgetSpentError:
            if until is None and not (self._answers == 1).any():
                return Decided(None, 0, None)
        return Decided(self._estimate(), self._mixtures, until)

    def _first_accepted(self) -> int | None:
        """Show public faces until one is accepted; return how many were shown, None if all are refused."""
        for begin in range(0, len(self._order), _BATCH):
            part = self._order[begin : begin + _BATCH]
            self._answers[part] = self._ask(self._images(part))
            if (self._answers[part] == 1).any():
                return begin + len(part)
        return None

    def _origin(self, estimate: TemplateEstimate) -> Tensor:
        """Return an accepted image to mix others with, (1, 3, h, w).

        It is the estimate's reconstruction, if that is accepted. Otherwise the faces that the estimate
        predicts the highest scores for are shown first.
        """
        self._origins += 1
        face = self._reconstruct(estimate.template)
        answer = self._ask(face)
        self._note(self._embed(face), answer, np.zeros(1))
        if answer[0] == 1:
            return face
        # The reconstruction was one origin, the face that takes its place is another.
        self._origins += 1
        predicted = estimate.predicted(self._whitened)
        unknown = np.flatnonzero(np.isnan(self._answers))
        if len(unknown):
            likely = unknown[np.argsort(-predicted[unknown], kind="stable")[:_BATCH]]
            self._answers[likely] = self._ask(self._images(likely))
        accepted = np.flatnonzero(self._answers == 1)
        # One of the best three, so that not all mixtures have the same origin.
        best = accepted[np.argsort(-predicted[accepted], kind="stable")[:3]]
        return self._images(self._generator.choice(best, 1))

    def _show_mixtures(self, origin: Tensor, estimate: TemplateEstimate) -> int:
        """Show mixtures of an origin and of faces that are not accepted; return how many."""
        wanted = min(max(_FEWEST, round(_GROWTH * self._mixtures)), self._left())
        others = np.flatnonzero(self._answers != 1)
        at_origin = float(estimate.predicted(self._model.whitened(self._embed(origin)))[0])
        level, shown = 0.0, 0
        while shown < wanted and len(others):
            ends = self._generator.choice(others, min(_TOGETHER, wanted - shown, len(others)), replace=False)
            faces = self._images(ends)
            half = self._embed(_mixed(origin, faces, np.full(len(ends), 0.5)))
            shares = crossing(
                at_origin - level,
                estimate.predicted(self._model.whitened(half)) - level,
                estimate.predicted(self._whitened[ends]) - level,
            )
            images = _mixed(origin, faces, shares)
            answers = self._ask(images)
            self._note(self._embed(images), answers, shares)
            # Where most are accepted, as an estimate of an origin may be wrong, the others' parts grow.
            level += _CORRECTION * (1 - 2 * float(answers.mean()))
            shown += len(ends)
        self._mixtures += shown
        return shown

    def _note(self, embeddings: Answers, answers: Answers, shares: Answers) -> None:
        origins = np.full(len(answers), self._origins - 1)
        self._made.append((self._model.whitened(embeddings), answers, shares, origins))

    def _estimate(self) -> TemplateEstimate:
        known = np.flatnonzero(~np.isnan(self._answers))
        accepted, refused = known[self._answers[known] == 1], known[self._answers[known] == 0]
        faces = np.concatenate([accepted, refused[:_REFUSED]])
        public = self._whitened[faces], self._answers[faces], np.ones(len(faces)), np.full(len(faces), -1)
        whitened, answers, shares, origins = (
            np.concatenate(parts) for parts in zip(public, *self._made, strict=True)
        )
        return self._model.from_decisions(whitened, answers, origins, shares)


def covering_order(embeddings: Answers) -> NDArray[np.intp]:
    """Return an order of faces, (faces,), in which the first ones are like as many people as they can be.

    Each is the face that is like the most of the others whom none before it is like.

    Args:
        embeddings: Shape (faces, dim), unit norm, in random order; those after the first 4,096 keep their
            places.
    """
    some = embeddings[:_ORDERED]
    similarities = some @ some.T
    np.fill_diagonal(similarities, -np.inf)
    alike = similarities >= np.quantile(similarities[np.triu_indices(len(some), 1)], 1 - _ALIKE)
    worth, free = np.ones(len(some)), np.ones(len(some), bool)
    gains, order = alike.sum(1).astype(float), []
    for _ in range(len(some)):
        chosen = int(np.where(free, gains, -np.inf).argmax())
        order.append(chosen)
        free[chosen] = False
        known = np.flatnonzero(alike[chosen])
        gains -= (1 - _AGAIN) * alike[:, known] @ worth[known]
        worth[known] *= _AGAIN
    return np.concatenate([order, np.arange(len(some), len(embeddings))]).astype(np.intp)


def crossing(first: float, half: Answers, last: Answers) -> Answers:
    """Return the share of the last image at which a mixture's expected score is 0, (n,), inside (0, 1).

    Between the first image, an equal mixture and the last image it is taken as linear.

    Args:
        first: The expected score of the first image.
        half: Shape (n,), of equal mixtures.
        last: Shape (n,), of the last images.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        early = 0.5 * first / (first - half)
        late = 0.5 + 0.5 * half / (half - last)
    shares = np.where(half <= 0, early, np.where(last < 0, late, 1.0))
    # An origin that is expected to be refused, though it was accepted, says nothing of where to look.
    return np.clip(shares if first > 0 else np.zeros(len(half)), _LEAST_PART, 1 - _LEAST_PART)


def _mixed(first: Tensor, last: Tensor, share: Answers) -> Tensor:
    """Return mixtures of an image and others, (n, 3, h, w); share 0 is the image."""
    weight = torch.from_numpy(share).to(last.dtype)[:, None, None, None]
    return first * (1 - weight) + last * weight
