"""A small network with embeddings in two dimensions, trained with the losses that the Learn tab compares."""

import json
import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from recognition.errors import InputError

from . import resources
from .learn import Margin

#: Sizes: identities, photographs of each, numbers of a photograph, hidden units.
IDENTITIES = 8
PHOTOGRAPHS = 24
PIXELS = 16
HIDDEN = 64
#: Standard deviation of a photograph around its identity's mean; the mean has length 1.
SPREAD = 0.3
#: The training: steps, the learning rate of Adam, and the fraction of steps in which the margin grows.
STEPS = 200
LEARNING_RATE = 5e-3
WARM_UP = 0.5
#: The scale of the logits, and the steps between two frames, of the trainings that come with the page.
SCALE, FRAME_STEPS = 16, 8
#: The file with these trainings, and the photographs of each identity that are drawn.
FILE = "toys.json"
DRAWN = 12


@dataclass(frozen=True)
class Loss:
    """A loss of the comparison.

    Args:
        title: Its name on the page.
        words: What it adds to the softmax loss, in one sentence.
        margin: The margin of the target's logit.
        centre_weight: The weight of the centre loss.
    """

    title: str
    words: str
    margin: Margin = field(default_factory=Margin)
    centre_weight: float = 0.0


#: All have the same network, the same photographs and the same initial weights. With twice this weight of the
#: centre loss, identities collapse into one another: 88 % of the faces are then nearest to their own centre.
LOSSES = (
    Loss("Softmax", "It only has to tell the identities apart."),
    Loss("Centre loss", "It also pulls each face to the mean of its identity.", centre_weight=8.0),
    Loss("SphereFace", "It multiplies the angle \N{GREEK SMALL LETTER THETA}: m₁ = 1.35.", Margin(m1=1.35)),
    Loss("CosFace", "It subtracts from the cosine: m₃ = 0.35.", Margin(m3=0.35)),
    Loss("ArcFace", "It adds to the angle \N{GREEK SMALL LETTER THETA}: m₂ = 0.5.", Margin(m2=0.5)),
)


@dataclass(frozen=True)
class Toy:
    """A training.

    Args:
        steps: The steps after which there is a frame, shape (frames,); the last one is the end.
        embeddings: Shape (frames, identities * photographs, 2), unit norm.
        labels: Shape (identities * photographs,).
        centres: Shape (frames, identities, 2), unit norm.
        within: At the end: the mean angle of an embedding to its identity's centre, degrees.
        between: At the end: the mean over identities of the smallest angle to another centre, degrees.
        correct: At the end: the fraction of the embeddings that are nearest to their own centre.
    """

    steps: tuple[int, ...]
    embeddings: NDArray[np.float64]
    labels: NDArray[np.int64]
    centres: NDArray[np.float64]
    within: float
    between: float
    correct: float


def train_toy(
    margin: Margin, scale: float, *, centre_weight: float = 0.0, every: int = STEPS, seed: int = 0
) -> Toy:
    """Train the network on eight synthetic identities, in about a second.

    The same arguments give the same result.

    Args:
        margin: The margin of the loss.
        scale: The scale s of the logits, positive.
        centre_weight: The weight of half the mean squared distance of embeddings to the mean of their
            identity, 0 or more.
        every: The steps between two frames.
        seed: The seed of all random numbers.

    Raises:
        InputError: If the scale is out of its range.

    Source: the toy of Deng et al., arXiv:1801.07698, figure 3, with points around eight means in place of
    photographs; the centre loss of Wen et al., ECCV 2016, eq. 5, with the means of the whole set.
    """
    if not 0 < scale < math.inf:
        raise InputError(f"Scale: expected a positive number, got {scale}")
    generator = torch.Generator().manual_seed(seed)
    means = F.normalize(torch.randn(IDENTITIES, PIXELS, generator=generator))
    labels = torch.arange(IDENTITIES).repeat_interleave(PHOTOGRAPHS)
    photographs = means[labels] + SPREAD * torch.randn(len(labels), PIXELS, generator=generator)
    sizes = ((PIXELS, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 2))
    # The generator is local, since several toys may be trained at once.
    weights = [
        (torch.randn(size, generator=generator) * math.sqrt(2 / size[0])).requires_grad_() for size in sizes
    ]
    head = torch.randn(IDENTITIES, 2, generator=generator, requires_grad=True)
    optimiser = torch.optim.Adam([*weights, head], lr=LEARNING_RATE)

    def embed() -> Tensor:
        hidden = F.silu(F.silu(photographs @ weights[0]) @ weights[1])
        return F.normalize(hidden @ weights[2])

    frames: list[tuple[int, Tensor, Tensor]] = []
    for step in range(STEPS):
        if step % every == 0:
            frames.append((step, embed().detach().double(), F.normalize(head).detach().double()))
        grown = min(1.0, step / (WARM_UP * STEPS))
        # With the full margin from the first step, most points would stay on the wrong side.
        now = Margin(1 + grown * (margin.m1 - 1), grown * margin.m2, grown * margin.m3)
        embeddings = embed()
        cosines = F.linear(embeddings, F.normalize(head))
        targets = now(cosines.gather(1, labels[:, None]))
        loss = F.cross_entropy(scale * cosines.scatter(1, labels[:, None], targets), labels)
        if centre_weight:
            loss = loss + grown * centre_weight / 2 * _spread(embeddings, labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    frames.append((STEPS, embed().detach().double(), F.normalize(head).detach().double()))
    return _toy(frames, labels)


def _spread(embeddings: Tensor, labels: Tensor) -> Tensor:
    """Return the mean squared distance of embeddings to the mean of their identity."""
    means = torch.stack([embeddings[labels == label].mean(0) for label in range(IDENTITIES)]).detach()
    return (embeddings - means[labels]).square().sum(1).mean()


def _toy(frames: list[tuple[int, Tensor, Tensor]], labels: Tensor) -> Toy:
    _, embeddings, centres = frames[-1]
    cosines = (embeddings @ centres.T).clamp(-1, 1)
    own = cosines.gather(1, labels[:, None])[:, 0]
    others = (centres @ centres.T).clamp(-1, 1) - 2 * torch.eye(IDENTITIES)
    return Toy(
        tuple(step for step, _, _ in frames),
        torch.stack([one for _, one, _ in frames]).numpy(),
        labels.numpy(),
        torch.stack([one for _, _, one in frames]).numpy(),
        within=float(torch.rad2deg(torch.acos(own)).mean()),
        between=float(torch.rad2deg(torch.acos(others.max(1).values)).mean()),
        correct=float((cosines.argmax(1) == labels).double().mean()),
    )


def degrees(directions: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the angles of directions, shape (..., 2), in whole degrees from 0 to 359, shape (...)."""
    angles = np.degrees(np.arctan2(directions[..., 1], directions[..., 0]))
    return np.asarray(np.round(angles) % 360, np.int64)


def drawn(toy: Toy) -> dict[str, Any]:
    """Return what is drawn of a training: angles in whole degrees by frame, and the measures at its end."""
    shown = np.arange(len(toy.labels)) % PHOTOGRAPHS < DRAWN
    return {
        "steps": list(toy.steps),
        "faces": degrees(toy.embeddings[:, shown]).tolist(),
        "centres": degrees(toy.centres).tolist(),
        "within": round(toy.within, 1),
        "between": round(toy.between, 1),
        "correct": round(toy.correct, 3),
    }


def make_toys() -> str:
    """Train the network with each of `LOSSES`, and return the content of `FILE`."""
    made = {
        loss.title: drawn(train_toy(loss.margin, SCALE, centre_weight=loss.centre_weight, every=FRAME_STEPS))
        for loss in LOSSES
    }
    return json.dumps(made, separators=(",", ":")) + "\n"


def shipped_toys() -> dict[str, dict[str, Any]]:
    """Return what is drawn of the trainings that come with the page, by the titles of their losses."""
    return dict(json.loads(resources.data(FILE)))
