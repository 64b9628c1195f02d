"""A two-dimensional example of what heads and auxiliary losses do to embeddings."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from recognition.errors import InputError
from recognition.heads import build_head
from recognition.losses import build_auxiliary_loss
from recognition.plots.style import COLOURS, label_axes, new_figure

#: Units of the network's hidden layer.
HIDDEN = 64
#: Number of steps, and learning rate of Adam.
STEPS, LEARNING_RATE = 400, 3e-3
#: Scale at which a training in two dimensions still converges.
SCALE = 16.0
#: Additive angular margin of ArcFace, radians.
MARGIN = 0.3
#: The largest value of a digit's pixel.
DIGIT_LEVELS = 16
#: One marker per identity.
MARKERS = "os^Dv<>pXP"
#: The panels: heads, and auxiliary losses after a plus. The centre loss's weight is within the range that the
#: paper's two-dimensional example draws, 0.001 to 1 (Wen et al., ECCV 2016, figure 3).
PANELS = ("softmax", "softmax + centre:weight=0.1", "norm-softmax", "arcface")


def toy_embeddings(
    features: Tensor, labels: Tensor, spec: str, *, seed: int = 0, steps: int = STEPS
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return embeddings, (images, 2), and class weights, (classes, 2), that were trained under a head.

    A network with one hidden layer is trained on fixed features, so that only the head differs between
    two figures.

    Args:
        features: Shape (images, dim).
        labels: Shape (images,), class indices.
        spec: A name in `recognition.heads.HEADS`, with or without options, and any number of names in
            `recognition.losses.AUXILIARY_LOSSES` after a plus, as in `softmax + centre:weight=0.1`.
        seed: Seed of the initial weights.
        steps: Number of steps; the margin rises during the first half.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classes = int(labels.max()) + 1
        network = nn.Sequential(
            nn.Linear(features.shape[1], HIDDEN),
            nn.BatchNorm1d(HIDDEN),
            nn.PReLU(),
            nn.Linear(HIDDEN, 2),
        )
        name, *others = (part.strip() for part in spec.split("+"))
        head = build_head(name, 2, classes, scale=SCALE, margin=MARGIN)
        aux_losses = nn.ModuleList(build_auxiliary_loss(other, 2, classes) for other in others)
        optimiser = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=LEARNING_RATE)
        for step in range(steps):
            embeddings = network(features)
            loss = head.loss(embeddings, labels, min(1.0, 2 * step / steps))
            for aux_loss in aux_losses:
                loss = loss + aux_loss.weight * aux_loss(embeddings, labels, head.centres)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            return network.eval()(features).numpy(), head.weight.detach().numpy()


def load_digits() -> tuple[Tensor, Tensor, list[str]]:
    """Return scikit-learn's handwritten digits: features, shape (1797, 64), labels, and their names.

    They come with the package, without a download. Each digit has 8x8 pixels, here from 0 to 1.

    Raises:
        InputError: If scikit-learn is not installed.

    Source: Alpaydin and Kaynak, "Optical recognition of handwritten digits", UCI repository, 1998.
    """
    try:
        from sklearn import datasets
    except ImportError:
        raise InputError(
            "digits: expected the package scikit-learn, which has them; install it with "
            "'pip install arcinvert[digits]'"
        ) from None
    digits = datasets.load_digits()
    features = torch.from_numpy(digits.data.astype(np.float32) / DIGIT_LEVELS)
    return features, torch.from_numpy(digits.target.astype(np.int64)), [str(n) for n in range(10)]


def draw_toy(
    features: Tensor,
    labels: Tensor,
    names: Sequence[str],
    *,
    panels: Sequence[str] = PANELS,
    learn: Callable[..., tuple[NDArray[np.float32], NDArray[np.float32]]] = toy_embeddings,
) -> Figure:
    """Draw embeddings of up to ten identities in two dimensions, one panel per loss.

    Embeddings under a softmax are drawn as they are, those of heads on the hypersphere at unit norm.

    Args:
        features: Shape (images, dim).
        labels: Shape (images,), indices into `names`.
        names: Names of the identities.
        panels: The losses to draw, as `toy_embeddings` takes them.
        learn: Function of features, labels and a loss that returns embeddings and class weights.
    """
    figure = new_figure(3.0 * len(panels), 3.7)
    for axes, spec in zip(np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True):
        embeddings, weights = learn(features, labels, spec)
        # The name without options.
        title = " + ".join(part.partition(":")[0].strip() for part in spec.split("+"))
        if title.partition(" ")[0] != "softmax":
            embeddings = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
            weights = weights / np.linalg.norm(weights, axis=1, keepdims=True)
        else:
            weights = weights * np.abs(embeddings).max() / np.abs(weights).max()
        label_axes(axes, title, "embedding dimension 1", "embedding dimension 2")
        for label, name in enumerate(names):
            own = embeddings[labels.numpy() == label]
            colour = COLOURS[label % len(COLOURS)]
            axes.plot([0, weights[label, 0]], [0, weights[label, 1]], color=colour, linewidth=1)
            marker = MARKERS[label % len(MARKERS)]
            axes.scatter(own[:, 0], own[:, 1], s=14, color=colour, marker=marker, alpha=0.7, label=name)
        axes.set_aspect("equal", adjustable="datalim")
    handles, texts = axes.get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=5, fontsize=8)
    return figure
