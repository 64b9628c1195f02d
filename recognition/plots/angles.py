"""Figures of the angles between training images and the centres of their classes."""

import os
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from recognition.errors import InputError
from recognition.files import read_json
from recognition.plots.style import label_axes, line_style, new_figure


def read_angles(run: str | os.PathLike[str]) -> NDArray[np.int64]:
    """Return the histograms of a training: images per angle, shape (epochs, bins), over 0 to 180 degrees.

    Args:
        run: Folder that the train command wrote.

    Raises:
        InputError: If the folder has no angles.json of a training.
    """
    path = Path(run) / "angles.json"
    content = read_json(path, "the angles of a training")
    try:
        counts = np.array(content["epochs"], dtype=np.int64)
        if counts.ndim != 2 or not counts.size:
            raise ValueError
    except (ArithmeticError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{path}: expected the angles of a training, found none; give a folder that train wrote"
        ) from None
    return counts


def draw_angles(counts: NDArray[np.int64]) -> Figure:
    """Draw the histograms of the first, the middle and the last epoch.

    Args:
        counts: As `read_angles` returns them.
    """
    figure = new_figure(6.4, 3.8)
    axes = label_axes(
        figure.subplots(), "Angle of training images to their centre", "angle, degrees", "share of images, %"
    )
    edges = np.linspace(0, 180, counts.shape[1] + 1)
    epochs = sorted({0, (len(counts) - 1) // 2, len(counts) - 1})
    for index, epoch in enumerate(epochs):
        percent = 100 * counts[epoch] / max(1, counts[epoch].sum())
        axes.stairs(percent, edges, label=f"epoch {epoch + 1}", linewidth=1.6, **line_style(index))
    axes.set_xlim(0, 140)
    axes.legend()
    return figure
