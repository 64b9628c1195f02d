"""Figures of margins: target logits and decision regions."""

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from recognition.errors import InputError
from recognition.heads import HEADS, build_head
from recognition.heads.adaptive_margin import AdaFaceHead
from recognition.heads.base import CosineHead
from recognition.plots.style import COLOURS, label_axes, line_style, new_figure

#: Heads whose margin depends on the embedding's norm are drawn at a low and a high norm.
NORMS = {"adaface": (10.0, 40.0), "magface": (10.0, 110.0)}
#: Norm at which all other heads are drawn; their curves do not depend on it.
DEFAULT_NORM = 20.0
#: The ArcFace paper's margin, radians.
ARCFACE_MARGIN = 0.5
#: Running mean and deviation of the norms that AdaFace is drawn with.
ADAFACE_NORM_MEAN, ADAFACE_NORM_STD = 25.0, 5.0
#: Heads without a curve of their own, because they repeat the curve of another head.
WITHOUT_CURVE = ("subcentre", "combined")
#: Heads whose decision regions are drawn.
DECISION_HEADS = ("norm-softmax", "sphereface", "cosface", "arcface", "cm1", "cm2")


def target_logits(spec: str, angles: NDArray[np.float64], norm: float = DEFAULT_NORM) -> NDArray[np.float64]:
    """Return the unscaled logit of the true class at each angle under a head with its paper's margin.

    Args:
        spec: A name in `recognition.heads.HEADS`, of a head on the hypersphere, with or without options.
        angles: Angles to the centre of the true class, radians, shape (angles,).
        norm: Norm of the embeddings, for margins that depend on it.

    Raises:
        InputError: If the head is unknown, or not on the hypersphere.
    """
    head = build_head(spec, 2, 2, scale=1.0, margin=ARCFACE_MARGIN).eval()
    if not isinstance(head, CosineHead):
        raise InputError(f"head: expected one on the hypersphere, got {spec!r}, whose logits are no cosines")
    if isinstance(head, AdaFaceHead):
        head.norm_mean, head.norm_std = torch.tensor(ADAFACE_NORM_MEAN), torch.tensor(ADAFACE_NORM_STD)
    cosines = torch.from_numpy(np.cos(angles))[:, None]
    with torch.no_grad():
        return head.with_margin(cosines, torch.full_like(cosines, norm), 1.0)[:, 0].numpy()


def curves() -> list[tuple[str, str, float]]:
    """Return the label, the head and the norm of each curve of `draw_logits`: of heads on the hypersphere."""
    found = []
    for name in HEADS:
        if name in WITHOUT_CURVE or not issubclass(HEADS[name], CosineHead):
            continue
        for norm in NORMS.get(name, (DEFAULT_NORM,)):
            found.append((f"{name}, norm {norm:g}" if name in NORMS else name, name, norm))
    return found


def draw_logits() -> Figure:
    """Draw the target logit of every head as a function of the angle to the centre of the true class."""
    figure = new_figure(6.4, 4.4)
    axes = label_axes(
        figure.subplots(), "Target logit (scale 1)", "angle to own centre, degrees", "target logit"
    )
    angles = np.radians(np.linspace(0, 180, 361))
    for index, (label, name, norm) in enumerate(curves()):
        axes.plot(np.degrees(angles), target_logits(name, angles, norm), label=label, **line_style(index))
    axes.set_xlim(0, 180)
    axes.legend(fontsize=8)
    return figure


def draw_decisions() -> Figure:
    """Draw the decision regions of two classes under six heads, with the gap that the margin leaves."""
    figure = new_figure(7.2, 5.0)
    grid = np.radians(np.linspace(0, 90, 181))
    for axes, name in zip(figure.subplots(2, 3, sharex=True, sharey=True).flat, DECISION_HEADS, strict=True):
        label_axes(axes, name, "angle to centre 1, degrees", "angle to centre 2, degrees")
        first = target_logits(name, grid)[None, :] >= np.cos(grid)[:, None]
        area = np.where(first, 1.0, np.where(first.T, 2.0, np.nan))
        degrees = np.degrees(grid)
        colours = [COLOURS[5], COLOURS[4]]
        axes.contourf(degrees, degrees, area, levels=[0.5, 1.5, 2.5], colors=colours)
        axes.plot([0, 90], [0, 90], color="black", linewidth=1, linestyle="--")
        axes.text(20, 65, "class 1", ha="center")
        axes.text(65, 20, "class 2", ha="center")
        axes.label_outer()
    figure.suptitle("Decision regions of two classes; white: neither satisfies its margin", fontsize=10)
    return figure
