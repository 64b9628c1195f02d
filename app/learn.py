"""What the page's Learn tab computes: margins' curves, decision boundaries, the 2-D toy."""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from recognition.errors import InputError
from recognition.heads.margins import additive_angular_margin

#: Of the toy: identities, photographs of each, numbers in a photograph, hidden units.
IDENTITIES = 8
PHOTOGRAPHS = 24
PIXELS = 16
HIDDEN = 64
#: Standard deviation of a photograph around its identity's mean, in units of the mean's length.
SPREAD = 0.3
#: Of the toy's training: steps, Adam's learning rate, and the share of steps in which the margin grows.
STEPS = 200
LEARNING_RATE = 5e-3
WARM_UP = 0.5


@dataclass(frozen=True)
class Margin:
    """The combined margin: the target's cosine becomes cos(m1 theta + m2) - m3.

    Args:
        m1: multiplies the angle, 0.5 to 4 (SphereFace).
        m2: radians, added to the angle, 0 to pi/2 (ArcFace).
        m3: taken from the cosine, 0 to 1 (CosFace).

    Raises:
        InputError: one is out of its range.

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
        """What stands in the place of cosines of targets, any shape; falls as the angle grows.

        With m1 = 1 it is our ArcFace head's, straight line beyond pi included; else the angle goes
        on as SphereFace's does: (-1)^k cos(angle) - 2k in the k-th half turn.
        """
        if self.m1 == 1:
            return additive_angular_margin(cosines, self.m2) - self.m3
        # The angle's gradient is infinite at 0: nobody is nearer to a centre than float32 can tell.
        angles = self.m1 * torch.acos(cosines.clamp(-1 + 1e-6, 1 - 1e-6)) + self.m2
        turns = torch.floor(angles.detach() / math.pi)
        sign = 1 - 2 * (turns % 2)
        return sign * torch.cos(angles) - 2 * turns - self.m3


#: The papers' own margins, by name.
MARGINS: dict[str, Margin] = {
    "softmax, no margin": Margin(),
    "SphereFace, m1 = 1.35": Margin(m1=1.35),
    "CosFace, m3 = 0.35": Margin(m3=0.35),
    "ArcFace, m2 = 0.5": Margin(m2=0.5),
    "CM1, combined 1, 0.3, 0.2": Margin(1.0, 0.3, 0.2),
    "CM2, combined 0.9, 0.4, 0.15": Margin(0.9, 0.4, 0.15),
}


def target_logits(margin: Margin, degrees: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    """The target's logit at angles to its centre, (n,), degrees in [0, 180]."""
    cosines = torch.from_numpy(np.cos(np.radians(degrees)))
    return scale * margin(cosines).numpy()


def boundary(margin: Margin, between: float) -> float:
    """Where training draws the line for a class, when another centre is `between` degrees away.

    The largest angle to the own centre, degrees, towards the other centre, at which the margin's
    logit still reaches the other's; without a margin it is half of `between`.
    """
    angles = np.linspace(0, between, 10_001)
    own = target_logits(margin, angles, 1.0)
    other = np.cos(np.radians(between - angles))
    # The own logit falls and the other's rises: the first place where it is lower is the only one.
    lower = np.flatnonzero(own < other)
    return float(angles[lower[0]]) if len(lower) else float(between)


def probabilities(
    margin: Margin, degrees: NDArray[np.float64], between: float, scale: float
) -> NDArray[np.float64]:
    """Probability of the own class in training, (n,), on the way from its centre to the other's."""
    own = target_logits(margin, degrees, scale)
    other = scale * np.cos(np.radians(between - degrees))
    # The logistic function by tanh, which does not overflow.
    return 0.5 * (1 + np.tanh((own - other) / 2))


@dataclass(frozen=True)
class Toy:
    """A trained toy.

    Args:
        embeddings: (identities * photographs, 2), unit norm.
        labels: (identities * photographs,).
        centres: (identities, 2), unit norm.
        within: mean angle of an embedding to its identity's centre, degrees.
        between: mean, over identities, of the smallest angle to another centre, degrees.
        correct: share of the embeddings that are nearest to their own centre.
    """

    embeddings: NDArray[np.float64]
    labels: NDArray[np.int64]
    centres: NDArray[np.float64]
    within: float
    between: float
    correct: float


def train_toy(margin: Margin, scale: float, *, seed: int = 0) -> Toy:
    """Train a small network with two-dimensional embeddings on eight synthetic identities.

    The paper's toy (its figure 3), with points around eight means in place of photographs, so that
    it takes a second. The same arguments give the same picture.

    Args:
        scale: the paper's s, positive.

    Raises:
        InputError: the scale is out of its range.
    """
    if not 0 < scale < math.inf:
        raise InputError(f"scale: expected a positive number, got {scale}")
    generator = torch.Generator().manual_seed(seed)
    means = F.normalize(torch.randn(IDENTITIES, PIXELS, generator=generator))
    labels = torch.arange(IDENTITIES).repeat_interleave(PHOTOGRAPHS)
    photographs = means[labels] + SPREAD * torch.randn(len(labels), PIXELS, generator=generator)
    sizes = ((PIXELS, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, 2))
    # Drawn by a generator of its own: a page may train several at once.
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
        # From the start a full margin would leave most points on the wrong side for good.
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
