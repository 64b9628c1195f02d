"""Contact sheets of label noise: one identity's images by their nearest centre."""

from matplotlib.figure import Figure

from recognition.plots.style import COLOURS, new_figure, plain
from recognition.training.cleaning import Cluster


def draw_cluster(cluster: Cluster, *, columns: int = 8, max_rows: int = 2) -> Figure:
    """Draw the contact sheet of one identity: rows of images for each centre, the dominant one first.

    Each image has its angle to the dominant centre below it.

    Args:
        cluster: The identity's images.
        columns: Number of images per row.
        max_rows: Largest number of rows per centre; the images nearest to the dominant centre come first.
    """
    centres = sorted(set(cluster.centres), key=lambda centre: (centre != cluster.dominant, centre))
    rows: list[tuple[int, list[int]]] = []
    for centre in centres:
        members = sorted(
            (index for index, own in enumerate(cluster.centres) if own == centre),
            key=lambda index: cluster.angles[index],
        )[: columns * max_rows]
        rows += [(centre, members[start : start + columns]) for start in range(0, len(members), columns)]
    figure = new_figure(0.95 * columns + 0.9, 1.2 * len(rows) + 0.4)
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for (centre, members), row in zip(rows, grid, strict=True):
        for axes in row:
            axes.set_xticks([])
            axes.set_yticks([])
            axes.set_frame_on(False)
        kind = "dominant" if centre == cluster.dominant else "other"
        row[0].set_ylabel(f"centre {centre}\n({kind})", fontsize=8)
        for axes, index in zip(row, members, strict=False):
            axes.imshow(cluster.crops[index])
            text = f"{cluster.angles[index]:.0f}°" + ("" if cluster.kept[index] else ", dropped")
            axes.set_xlabel(text, fontsize=8, color="black" if cluster.kept[index] else COLOURS[1])
    figure.suptitle(f"{plain(cluster.name)}: angle to the dominant centre", fontsize=9)
    return figure
