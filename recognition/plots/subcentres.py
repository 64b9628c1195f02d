"""Figures of the angles of images to the dominant centre of their class, by the centre they are nearest to.

Source: Deng et al., Sub-center ArcFace, ECCV 2020, section 3.2, whose figures show dominant and non-dominant
sub-classes apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from recognition.plots.style import COLOURS, label_axes, new_figure, plain
from recognition.training.cleaning import Cleaning

#: Bins of a histogram, three degrees each, from 0 to 180.
BINS = 60
#: The groups of images in their order, with the colour of each.
_GROUPS = {
    ("dominant", True): COLOURS[0],
    ("other", True): COLOURS[5],
    ("dominant", False): COLOURS[1],
    ("other", False): COLOURS[4],
}


@dataclass(frozen=True)
class SubclassAngles:
    """The angles of the images of a training to the dominant centres of their classes.

    Args:
        title: What was trained.
        angles: Shape (images,), degrees.
        dominant: Shape (images,), whether an image's nearest centre is the dominant one.
        right: Shape (images,), whether its label is right; None where that is not known.
    """

    title: str
    angles: NDArray[np.float64]
    dominant: NDArray[np.bool_]
    right: NDArray[np.bool_] | None = None

    def groups(self) -> dict[str, tuple[NDArray[np.float64], str]]:
        """Return the angles of each group that has images, and its colour, by the group's name."""
        found = {}
        for (kind, right), colour in _GROUPS.items():
            chosen = self.dominant if kind == "dominant" else ~self.dominant
            if self.right is None:
                name = f"nearest to the {kind} centre"
                chosen = chosen if right else np.zeros_like(chosen)
            else:
                name = f"{'right' if right else 'wrong'} label, {kind} centre"
                chosen = chosen & (self.right == right)
            if chosen.any():
                found[name] = (self.angles[chosen], colour)
        return found


def subclass_angles(
    title: str, cleaning: Cleaning, labels: NDArray[np.integer], right: NDArray[np.bool_] | None = None
) -> SubclassAngles:
    """Return the angles that a cleaning has found; the arguments are those of `Cleaning` and its images."""
    return SubclassAngles(title, cleaning.angles, cleaning.nearest == cleaning.dominant[labels], right)


def draw_subclasses(panels: Sequence[SubclassAngles], *, max_angle: float) -> Figure:
    """Draw the histograms of each training in a panel, stacked by group, with the angle of cleaning.

    Args:
        panels: The trainings.
        max_angle: The angle beyond which images are dropped, degrees.
    """
    figure = new_figure(max(6.4, 4.3 * len(panels)), 4.1)
    grid = figure.subplots(1, len(panels), squeeze=False, sharex=True)[0]
    edges = np.linspace(0, 180, BINS + 1)
    for axes, panel in zip(grid, panels, strict=True):
        label_axes(axes, plain(panel.title), "angle to the dominant centre, degrees", "images")
        below = np.zeros(BINS, dtype=np.int64)
        for name, (angles, colour) in panel.groups().items():
            counts = np.histogram(angles, bins=edges)[0]
            label = f"{name}: {len(angles):,}, mean {angles.mean():.0f}°"
            axes.stairs(below + counts, edges, baseline=below, fill=True, color=colour, label=label)
            below = below + counts
        axes.axvline(max_angle, color="black", linestyle="--", linewidth=1, label=f"{max_angle:g}°")
        axes.set_xlim(0, 130)
        axes.legend(fontsize=7)
    return figure
