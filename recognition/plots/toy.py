"""A two-dimensional example of what heads do to embeddings."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor, nn

from recognition.heads import build_head
from recognition.plots.style import COLOURS, label_axes, new_figure

#: Units of the network's hidden layer.
HIDDEN = 64
#: Number of steps, and learning rate of Adam.
STEPS, LEARNING_RATE = 400, 3e-3
#: Scale at which a training in two dimensions still converges.
SCALE = 16.0
#: Additive angular margin of ArcFace, radians.
MARGIN = 0.3
#: One marker per identity.
MARKERS = "os^Dv<>p"


def toy_embeddings(
    features: Tensor, labels: Tensor, spec: str, *, seed: int = 0, steps: int = STEPS
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return embeddings, (images, 2), and class weights, (classes, 2), that were trained under a head.

    A network with one hidden layer is trained on fixed features, so that only the head differs between
    two figures.

    Args:
        features: Shape (images, dim).
        labels: Shape (images,), class indices.
        spec: A name in `recognition.heads.HEADS`, with or without options.
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
        head = build_head(spec, 2, classes, scale=SCALE, margin=MARGIN)
        optimiser = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=LEARNING_RATE)
        for step in range(steps):
            loss = head.loss(network(features), labels, min(1.0, 2 * step / steps))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        with torch.no_grad():
            return network.eval()(features).numpy(), head.weight.detach().numpy()


def draw_toy(
    features: Tensor,
    labels: Tensor,
    names: Sequence[str],
    *,
    heads: Sequence[str] = ("softmax", "norm-softmax", "arcface"),
    learn: Callable[..., tuple[NDArray[np.float32], NDArray[np.float32]]] = toy_embeddings,
) -> Figure:
    """Draw embeddings of up to eight identities in two dimensions, one panel per head.

    Args:
        features: Shape (images, dim).
        labels: Shape (images,), indices into `names`.
        names: Names of the identities.
        heads: The heads to draw.
        learn: Function of features, labels and a head that returns embeddings and class weights.
    """
    figure = new_figure(3.4 * len(heads), 4.1)
    for axes, head in zip(np.atleast_1d(figure.subplots(1, len(heads))), heads, strict=True):
        embeddings, weights = learn(features, labels, head)
        if head != "softmax":
            embeddings = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
            weights = weights / np.linalg.norm(weights, axis=1, keepdims=True)
        else:
            weights = weights * np.abs(embeddings).max() / np.abs(weights).max()
        label_axes(axes, head, "embedding dimension 1", "embedding dimension 2")
        for label, name in enumerate(names):
            own = embeddings[labels.numpy() == label]
            colour = COLOURS[label % len(COLOURS)]
            axes.plot([0, weights[label, 0]], [0, weights[label, 1]], color=colour, linewidth=1)
            marker = MARKERS[label % len(MARKERS)]
            axes.scatter(own[:, 0], own[:, 1], s=14, color=colour, marker=marker, alpha=0.7, label=name)
        axes.set_aspect("equal", adjustable="datalim")
    handles, texts = axes.get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=4, fontsize=8)
    return figure
