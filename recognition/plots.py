"""Pictures of what heads do and what recognisers reach, as PNG and SVG, safe for colour-blind eyes."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray
from torch import Tensor, nn

from recognition.errors import InputError
from recognition.heads import HEADS, CosineHead, Head, build_head
from recognition.images import atomic_path
from recognition.training.cleaning import Cluster

#: Okabe and Ito's palette, told apart by all common kinds of colour blindness.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
#: Each line has a style of its own too, for print in grey.
STYLES = ("-", "--", "-.", ":")
#: Dots per inch of the PNG.
DPI = 110
#: AdaFace and MagFace are drawn at a low and a high norm.
NORMS = {"adaface": (10.0, 40.0), "magface": (10.0, 110.0)}
#: AdaFace's running norm statistics in the curves: as if norms were spread about 25.
_NORM_MEAN, _NORM_STD = 25.0, 5.0


def save_figure(figure: Figure, stem: str | os.PathLike[str]) -> list[Path]:
    """Write STEM.png and STEM.svg, each whole or not at all.

    Raises:
        InputError: the folder cannot be written.
    """
    paths = [Path(f"{stem}.{kind}") for kind in ("png", "svg")]
    # Without a salt and a date the same figure is the same file.
    with matplotlib.rc_context({"svg.hashsalt": "recognition", "svg.fonttype": "none"}):
        for path in paths:
            with atomic_path(path) as temporary:
                metadata = {"Date": None} if path.suffix == ".svg" else None
                figure.savefig(temporary, format=path.suffix[1:], dpi=DPI, metadata=metadata)
    return paths


def _figure(width: float, height: float) -> Figure:
    return Figure(figsize=(width, height), layout="constrained")


def _axes(axes: Axes, title: str, x: str, y: str) -> Axes:
    axes.set_title(title, fontsize=10)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.25)
    return axes


def _line(index: int) -> dict[str, Any]:
    return {"color": COLOURS[index % len(COLOURS)], "linestyle": STYLES[index // len(COLOURS) % len(STYLES)]}


def target_logits(spec: str, angles: NDArray[np.float64], norm: float = 20.0) -> NDArray[np.float64]:
    """The target's unscaled logit at each angle, radians, under a head with its own default margin.

    Args:
        spec: a key of `HEADS` that puts embeddings on the sphere.
        norm: of the embeddings, for margins that depend on it.

    Raises:
        InputError: the head is unknown, or has no sphere.
    """
    head = build_head(spec, 2, 2, scale=1.0, margin=0.5).eval()
    if not isinstance(head, CosineHead):
        raise InputError(f"head: expected one on the sphere, got {spec!r}, whose logits have no angle alone")
    if "norm_mean" in dict(head.named_buffers()):
        head.norm_mean, head.norm_std = torch.tensor(_NORM_MEAN), torch.tensor(_NORM_STD)
    cosines = torch.from_numpy(np.cos(angles))[:, None]
    with torch.no_grad():
        return head.with_margin(cosines, torch.full_like(cosines, norm), 1.0)[:, 0].numpy()


def _curves() -> list[tuple[str, str, float]]:
    """Label, head and norm of each curve; the presets and sub-centers repeat others' curves."""
    curves = []
    for name in HEADS:
        if name in ("softmax", "subcentre", "combined"):
            continue
        for norm in NORMS.get(name, (20.0,)):
            curves.append((f"{name}, norm {norm:g}" if name in NORMS else name, name, norm))
    return curves


def draw_logits() -> Figure:
    """Target-logit curves of every margin: the logit over the angle to the own centre."""
    figure = _figure(6.4, 4.4)
    axes = _axes(figure.subplots(), "Target logit (scale 1)", "angle to own centre, degrees", "target logit")
    angles = np.radians(np.linspace(0, 180, 361))
    for index, (label, name, norm) in enumerate(_curves()):
        axes.plot(np.degrees(angles), target_logits(name, angles, norm), label=label, **_line(index))
    axes.set_xlim(0, 180)
    axes.legend(fontsize=8)
    return figure


def draw_decisions() -> Figure:
    """Decision margins of two classes: where each class is right by its margin, and the gap between."""
    names = ["norm-softmax", "sphereface", "cosface", "arcface", "cm1", "cm2"]
    figure = _figure(7.2, 5.0)
    grid = np.radians(np.linspace(0, 90, 181))
    for axes, name in zip(figure.subplots(2, 3, sharex=True, sharey=True).flat, names, strict=True):
        _axes(axes, name, "angle to centre 1, degrees", "angle to centre 2, degrees")
        first = target_logits(name, grid)[None, :] >= np.cos(grid)[:, None]
        area = np.where(first, 1.0, np.where(first.T, 2.0, np.nan))
        degrees = np.degrees(grid)
        colours = [COLOURS[5], COLOURS[4]]
        axes.contourf(degrees, degrees, area, levels=[0.5, 1.5, 2.5], colors=colours)
        axes.plot([0, 90], [0, 90], color="black", linewidth=1, linestyle="--")
        axes.text(20, 65, "class 1", ha="center")
        axes.text(65, 20, "class 2", ha="center")
        axes.label_outer()
    figure.suptitle("Decision margins of two classes; white: neither is right by its margin", fontsize=10)
    return figure


def read_thetas(run: str | os.PathLike[str]) -> NDArray[np.int64]:
    """How many training images had which angle, (epochs, bins over 0 to 180 degrees), of a training.

    Raises:
        InputError: the folder has no angles.json of a training.
    """
    path = Path(run) / "angles.json"
    try:
        counts = np.array(json.loads(path.read_text())["epochs"], dtype=np.int64)
        if counts.ndim != 2 or not len(counts):
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{path}: expected the angles of a training, found none; name a folder that train wrote"
        ) from None
    return counts


def draw_thetas(counts: NDArray[np.int64]) -> Figure:
    """Angles of training images to their centres in the first, the middle and the last epoch."""
    figure = _figure(6.4, 3.8)
    axes = _axes(
        figure.subplots(), "Angle of training images to their centre", "angle, degrees", "share of images, %"
    )
    edges = np.linspace(0, 180, counts.shape[1] + 1)
    epochs = sorted({0, (len(counts) - 1) // 2, len(counts) - 1})
    for index, epoch in enumerate(epochs):
        share = 100 * counts[epoch] / max(1, counts[epoch].sum())
        axes.stairs(share, edges, label=f"epoch {epoch + 1}", linewidth=1.6, **_line(index))
    axes.set_xlim(0, 140)
    axes.legend()
    return figure


def read_curve(path: str | os.PathLike[str], key: str) -> dict[str, Any]:
    """A curve that `evaluate --curve` wrote.

    Raises:
        InputError: the file is something else.
    """
    try:
        curve = json.loads(Path(path).read_text())
        if not isinstance(curve, dict) or not curve[key]:
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{path}: expected a curve of 'evaluate --curve' with {key!r}, got something else"
        ) from None
    return curve


def draw_rocs(curves: Sequence[dict[str, Any]]) -> Figure:
    """TAR over the logarithm of FAR, with the counts each curve rests on."""
    figure = _figure(6.4, 4.4)
    axes = _axes(figure.subplots(), "ROC", "false accept rate (log)", "true accept rate")
    for index, curve in enumerate(curves):
        label = f"{curve['name']}: EER {curve['eer']:.3f} ({curve['mated']:,} / {curve['nonmated']:,} pairs)"
        axes.plot(curve["far"], 1 - np.array(curve["frr"]), label=label, **_line(index))
    chance = np.geomspace(1e-6, 1, 50)
    axes.plot(chance, chance, color="grey", linewidth=1, linestyle=":", label="chance")
    axes.set_xscale("log")
    axes.set_xlim(max(1e-6, min(curve["far"][0] for curve in curves)), 1)
    axes.set_ylim(0, 1.02)
    axes.legend(fontsize=8)
    return figure


def draw_cmcs(curves: Sequence[dict[str, Any]]) -> Figure:
    """Top-N over N, with chance."""
    figure = _figure(6.4, 4.4)
    axes = _axes(figure.subplots(), "Cumulative match characteristic", "N", "share of probes in the top N")
    longest = max(len(curve["cmc"]) for curve in curves)
    for index, curve in enumerate(curves):
        shares = curve["cmc"]
        label = f"{curve['name']} (gallery of {curve['gallery']:,})"
        axes.plot(range(1, len(shares) + 1), shares, marker="o", markersize=3, label=label, **_line(index))
    gallery = min(curve["gallery"] for curve in curves)
    places = np.arange(1, longest + 1)
    axes.plot(places, places / gallery, color="grey", linestyle=":", label=f"chance of {gallery:,}")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_ylim(0, 1.02)
    axes.legend(fontsize=8)
    return figure


def draw_cluster(cluster: Cluster, *, columns: int = 8, longest: int = 2) -> Figure:
    """A sheet of one identity: a block of rows for each sub-centre, the dominant first, angles below.

    Args:
        columns: images a row; longest: rows of one sub-centre at most, the nearest images first.
    """
    centres = sorted(set(cluster.centres), key=lambda centre: (centre != cluster.dominant, centre))
    rows: list[tuple[int, list[int]]] = []
    for centre in centres:
        members = sorted(
            (index for index, own in enumerate(cluster.centres) if own == centre),
            key=lambda index: cluster.angles[index],
        )[: columns * longest]
        rows += [(centre, members[begin : begin + columns]) for begin in range(0, len(members), columns)]
    figure = _figure(0.95 * columns + 0.9, 1.2 * len(rows) + 0.4)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for (centre, members), line in zip(rows, grid, strict=True):
        for axes in line:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_frame_on(False)
        kind = "dominant" if centre == cluster.dominant else "other"
        line[0].set_ylabel(f"centre {centre}\n({kind})", fontsize=8)
        for axes, index in zip(line, members, strict=False):
            axes.imshow(cluster.crops[index])
            text = f"{cluster.angles[index]:.0f}°" + ("" if cluster.kept[index] else ", dropped")
            axes.set_xlabel(text, fontsize=8, color="black" if cluster.kept[index] else COLOURS[1])
    figure.suptitle(f"{cluster.name}: angle to the dominant centre", fontsize=9)
    return figure


#: Of the toy: hidden units, steps, and the scale at which two dimensions still converge.
TOY_HIDDEN, TOY_STEPS, TOY_SCALE, TOY_RATE = 64, 400, 16.0, 3e-3


def toy_embeddings(
    features: Tensor, labels: Tensor, spec: str, *, seed: int = 0, steps: int = TOY_STEPS
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Two-dimensional embeddings, (images, 2), and class weights, (classes, 2), learnt under a head.

    A network with one hidden layer on fixed features: what is seen is the head's doing alone.

    Args:
        features: (images, dim).
        labels: (images,), class indices.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        classes = int(labels.max()) + 1
        network = nn.Sequential(
            nn.Linear(features.shape[1], TOY_HIDDEN),
            nn.BatchNorm1d(TOY_HIDDEN),
            nn.PReLU(),
            nn.Linear(TOY_HIDDEN, 2),
        )
        head: Head = build_head(spec, 2, classes, scale=TOY_SCALE, margin=0.3)
        optimiser = torch.optim.Adam([*network.parameters(), *head.parameters()], lr=TOY_RATE)
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
    """Eight identities in two dimensions under softmax, norm-softmax and ArcFace."""
    figure = _figure(3.4 * len(heads), 4.1)
    for axes, head in zip(np.atleast_1d(figure.subplots(1, len(heads))), heads, strict=True):
        embeddings, weights = learn(features, labels, head)
        if head != "softmax":
            embeddings = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
            weights = weights / np.linalg.norm(weights, axis=1, keepdims=True)
        else:
            weights = weights * np.abs(embeddings).max() / np.abs(weights).max()
        _axes(axes, head, "embedding dimension 1", "embedding dimension 2")
        for label, name in enumerate(names):
            own = embeddings[labels.numpy() == label]
            colour = COLOURS[label % len(COLOURS)]
            axes.plot([0, weights[label, 0]], [0, weights[label, 1]], color=colour, linewidth=1)
            marker = "os^Dv<>p"[label % 8]
            axes.scatter(own[:, 0], own[:, 1], s=14, color=colour, marker=marker, alpha=0.7, label=name)
        axes.set_aspect("equal", adjustable="datalim")
    handles, texts = axes.get_legend_handles_labels()
    figure.legend(handles, texts, loc="outside lower center", ncols=4, fontsize=8)
    return figure
