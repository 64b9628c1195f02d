"""What the Learn tab computes: curves of margins, decision boundaries, and a toy in two dimensions."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from recognition.errors import InputError
from recognition.heads.margins import additive_angular_margin

#: Sizes of the toy: identities, photographs of each, numbers of a photograph, hidden units.
IDENTITIES = 8
PHOTOGRAPHS = 24
PIXELS = 16
HIDDEN = 64
#: Standard deviation of a photograph around its identity's mean; the mean has length 1.
SPREAD = 0.3
#: The toy's training: steps, the learning rate of Adam, and the fraction of steps in which the margin grows.
STEPS = 200
LEARNING_RATE = 5e-3
WARM_UP = 0.5


@dataclass(frozen=True)
class Margin:
    """The combined margin: the target's cosine becomes cos(m1 theta + m2) - m3.

    Args:
        m1: Multiplies the angle, 0.5 to 4 (SphereFace).
        m2: Added to the angle, radians, 0 to pi/2 (ArcFace).
        m3: Subtracted from the cosine, 0 to 1 (CosFace).

    Raises:
        InputError: If a value is out of its range.

    Source: Deng et al., arXiv:1801.07698, eq. 4.
    """

    m1: float = 1.0
    m2: float = 0.0
    m3: float = 0.0

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("m1", self.m1, 0.5, 4.0),
            ("m2", self.m2, 0.0, math.pi / 2),
            ("m3", self.m3, 0.0, 1.0),
        ):
            if not least <= value <= most:
                raise InputError(f"{name}: expected {least:g} to {most:.4g}, got {value}")

    def __call__(self, cosines: Tensor) -> Tensor:
        """Return what replaces the cosines of targets, of the same shape; it falls as the angle grows.

        With m1 = 1 it is the margin of the ArcFace head, with its straight line beyond pi. Otherwise the
        angle continues as in SphereFace: (-1)^k cos(angle) - 2k in the k-th half turn.
        """
        if self.m1 == 1:
            return additive_angular_margin(cosines, self.m2) - self.m3
        # The gradient of the angle is infinite at 0, so the cosine stays below 1 by what float32 resolves.
        angles = self.m1 * torch.acos(cosines.clamp(-1 + 1e-6, 1 - 1e-6)) + self.m2
        turns = torch.floor(angles.detach() / math.pi)
        sign = 1 - 2 * (turns % 2)
        return sign * torch.cos(angles) - 2 * turns - self.m3


#: The margins of the papers, by name.
MARGINS: dict[str, Margin] = {
    "softmax, no margin": Margin(),
    "SphereFace, m1 = 1.35": Margin(m1=1.35),
    "CosFace, m3 = 0.35": Margin(m3=0.35),
    "ArcFace, m2 = 0.5": Margin(m2=0.5),
    "CM1, combined 1, 0.3, 0.2": Margin(1.0, 0.3, 0.2),
    "CM2, combined 0.9, 0.4, 0.15": Margin(0.9, 0.4, 0.15),
}


def target_logits(margin: Margin, degrees: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """Return the target's logits, shape (n,), at angles to its centre, degrees in [0, 180]."""
    cosines = torch.from_numpy(np.cos(np.radians(degrees)))
    return scale * margin(cosines).numpy()


def boundary(margin: Margin, between: float) -> float:
    """Return the decision boundary of a class in training, degrees from its centre towards another centre.

    It is the largest angle at which the logit with the margin still reaches the other class's logit. Without
    a margin it is half of `between`.

    Args:
        margin: The margin of the class.
        between: The angle between the two centres, degrees.
    """
    angles = np.linspace(0, between, 10_001)
    own = target_logits(margin, angles, 1.0)
    other = np.cos(np.radians(between - angles))
    # The own logit falls and the other's rises, so they cross once.
    lower = np.flatnonzero(own < other)
    return float(angles[lower[0]]) if len(lower) else float(between)


def probabilities(
    margin: Margin, degrees: NDArray[np.float64], between: float, scale: float
) -> NDArray[np.float64]:
    """Return probabilities of the own class in training, shape (n,), between its centre and another."""
    own = target_logits(margin, degrees, scale)
    other = scale * np.cos(np.radians(between - degrees))
    # The logistic function by tanh, which does not overflow.
    return 0.5 * (1 + np.tanh((own - other) / 2))


@dataclass(frozen=True)
class Toy:
    """A trained toy.

    Args:
        embeddings: Shape (identities * photographs, 2), unit norm.
        labels: Shape (identities * photographs,).
        centres: Shape (identities, 2), unit norm.
        within: The mean angle of an embedding to its identity's centre, degrees.
        between: The mean over identities of the smallest angle to another centre, degrees.
        correct: The fraction of the embeddings that are nearest to their own centre.
    """

    embeddings: NDArray[np.float64]
    labels: NDArray[np.int64]
    centres: NDArray[np.float64]
    within: float
    between: float
    correct: float


def train_toy(margin: Margin, scale: float, *, seed: int = 0) -> Toy:
    """Train a small network with two-dimensional embeddings on eight synthetic identities, in about a second.

    The same arguments give the same result.

    Args:
        margin: The margin of the loss.
        scale: The scale s of the logits, positive.
        seed: The seed of all random numbers.

    Raises:
        InputError: If the scale is out of its range.

    Source: the toy of Deng et al., arXiv:1801.07698, figure 3, with points around eight means in place of
    photographs.
    """
    if not 0 < scale < math.inf:
        raise InputError(f"scale: expected a positive number, got {scale}")
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

    for step in range(STEPS):
        grown = min(1.0, step / (WARM_UP * STEPS))
        # With the full margin from the first step, most points would stay on the wrong side.
        now = Margin(1 + grown * (margin.m1 - 1), grown * margin.m2, grown * margin.m3)
        cosines = F.linear(embed(), F.normalize(head))
        targets = now(cosines.gather(1, labels[:, None]))
        loss = F.cross_entropy(scale * cosines.scatter(1, labels[:, None], targets), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    with torch.no_grad():
        embeddings, centres = embed().double(), F.normalize(head).double()
    cosines = (embeddings @ centres.T).clamp(-1, 1)
    own = cosines.gather(1, labels[:, None])[:, 0]
    others = (centres @ centres.T).clamp(-1, 1) - 2 * torch.eye(IDENTITIES)
    return Toy(
        embeddings.numpy(),
        labels.numpy(),
        centres.numpy(),
        within=float(torch.rad2deg(torch.acos(own)).mean()),
        between=float(torch.rad2deg(torch.acos(others.max(1).values)).mean()),
        correct=float((cosines.argmax(1) == labels).double().mean()),
    )
