"""A recogniser as a black box: images go in, answers come out, and every image is counted.

A `BlackBox` has no network: it is no module, has none, and gives no gradient. What answers is a function; the
network of a local one is a variable of that function, which no attribute leads to. An attack that takes a
`BlackBox` can therefore not use the weights by mistake.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from arcinvert.access.meter import BudgetSpentError, QueryMeter
from recognition.errors import InputError
from recognition.images import to_tensor, to_uint8
from recognition.recogniser import EMBEDDING_BATCH, Recogniser

#: What a black box answers: an embedding, a similarity to one enrolled person, or whether it accepts.
Answer = Literal["embeddings", "scores", "decisions"]
Images = NDArray[np.uint8]
Answers = NDArray[np.float64]
#: Counts images before they are sent; `again` for those that were sent before.
Charge = Callable[..., None]
#: Takes images, (n, size, size, 3) RGB, the person's name, and what counts them. It returns embeddings,
#: (n, dim), scores, (n,), or decisions, (n,), 1 for yes and 0 for no.
Ask = Callable[[Images, str, Charge], Any]


@final
class BlackBox:
    """Answers queries about images, and counts them.

    Args:
        ask: What answers; it counts every image before it sends it.
        answer: What the answers are.
        meter: Counts the images.
        name: The recogniser's name in reports.
        size: The side of its images in pixels.
    """

    __slots__ = ("_ask", "answer", "meter", "name", "size")

    def __init__(self, ask: Ask, answer: Answer, meter: QueryMeter, *, name: str, size: int = 112) -> None:
        self._ask = ask
        self.answer: Answer = answer
        self.meter = meter
        self.name = name
        self.size = size

    def query(self, images: Tensor | Images, purpose: str, *, person: str = "") -> Answers:
        """Return the answers on images: embeddings, (n, dim), unit norm; scores, (n,); decisions, (n,).

        Args:
            images: Shape (n, 3, size, size) in [0, 1], or uint8 (n, size, size, 3) RGB. What is shown has
                eight bits, as a file of an image has.
            purpose: What they are shown for, for the report.
            person: Whose attack the images serve, and whom scores and decisions are about; empty for images
                that serve the attacks on all people.

        Raises:
            BudgetSpentError: If the budget has no room for the images; it has the answers about those that
                were sent before.
            InputError: If an answer is not of the expected kind and shape.
        """
        shown = to_uint8(images) if isinstance(images, Tensor) else images

        def charge(count: int, *, again: bool = False) -> None:
            self.meter.charge(count, purpose, person=person, again=again)

        try:
            return _checked(self._ask(shown, person, charge), len(shown), self.answer, self.name)
        except BudgetSpentError as error:
            if len(error.answers):
                error.answers = _checked(error.answers, len(error.answers), self.answer, self.name)
            raise


def _checked(answers: Any, count: int, answer: Answer, name: str) -> Answers:
    try:
        found = np.asarray(answers, dtype=np.float64)
    except (TypeError, ValueError):
        found = np.full(0, np.nan)
    dimensions = 2 if answer == "embeddings" else 1
    if found.ndim != dimensions or len(found) != count or not np.isfinite(found).all():
        wanted = f"({count}, dim)" if dimensions == 2 else f"({count},)"
        raise InputError(
            f"{name}: expected {answer} as finite numbers, {wanted}, got {type(answers).__name__} of shape "
            f"{found.shape}; check what it answers"
        )
    if answer == "decisions" and not np.isin(found, (0, 1)).all():
        raise InputError(f"{name}: expected decisions of yes or no, got other numbers; use --access scores")
    if dimensions == 1:
        return found
    norms = np.linalg.norm(found, axis=1, keepdims=True)
    if not norms.all():
        raise InputError(f"{name}: expected non-zero embeddings, got zeros; check what it answers")
    return np.asarray(found / norms)


def embedding_function(recogniser: Recogniser) -> Callable[[Images], Answers]:
    """Return a function from uint8 images, (n, size, size, 3), to a local network's embeddings, (n, dim).

    Args:
        recogniser: The network, which stays inside the function.
    """

    @torch.no_grad()
    def embeddings(images: Images) -> Answers:
        device = recogniser.device
        parts = []
        for begin in range(0, len(images), EMBEDDING_BATCH):
            part = to_tensor(images[begin : begin + EMBEDDING_BATCH]).to(device)
            parts.append(recogniser(part).cpu().numpy().astype(np.float64))
        return np.concatenate(parts)

    return embeddings


def comparing_ask(
    embeddings: Callable[[Images], Answers],
    templates: Mapping[str, Answers],
    *,
    threshold: float | None = None,
    decimals: int | None = None,
) -> Ask:
    """Return what compares images with enrolled templates, as a verification system does.

    Args:
        embeddings: Embeds images, as `embedding_function`'s does.
        templates: The unit-norm template, (dim,), of each person.
        threshold: The least similarity that is accepted; None answers scores in place of decisions.
        decimals: The decimals that scores are rounded to; None rounds nothing.
    """

    def ask(images: Images, person: str, charge: Charge) -> Answers:
        if person not in templates:
            raise InputError(f"person: expected an enrolled person, got {person!r}")
        charge(len(images))
        scores = embeddings(images) @ templates[person]
        if threshold is not None:
            return np.asarray((scores >= threshold).astype(np.float64))
        return scores if decimals is None else np.asarray(np.round(scores, decimals))

    return ask


def function_ask(function: Callable[..., Any], answer: Answer) -> Ask:
    """Return what asks a function of this process: images for embeddings, images and person for all else."""

    def ask(images: Images, person: str, charge: Charge) -> Any:
        charge(len(images))
        return function(images) if answer == "embeddings" else function(images, person)

    return ask
