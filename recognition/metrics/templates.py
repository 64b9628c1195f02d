"""Templates of sets of images: the mean of their embeddings, media first.

The images of one medium, such as the frames of a film, are averaged; the media of a template are added, and
the sum has unit norm. So a film of a thousand frames counts as one photograph does.

Source: Crosswhite et al., Template adaptation for face verification and identification, FG 2017; InsightFace,
recognition/arcface_torch/eval_ijbc.py, image2template_feature.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]


def by_medium(templates: NDArray[np.integer], media: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return an order of images in which those of one medium of one template follow each other."""
    return np.lexsort((media, templates))


class TemplateSums:
    """Adds embeddings to templates as they come; in memory are the templates and one medium.

    Args:
        templates: Shape (images,), the template of each image, in the order of `by_medium`.
        media: Shape (images,), the medium of each, in the same order.
    """

    def __init__(self, templates: NDArray[np.integer], media: NDArray[np.integer]) -> None:
        #: Shape (templates,), the templates' numbers, rising.
        self.names, self._place = np.unique(templates, return_inverse=True)
        changes = (np.diff(templates) != 0) | (np.diff(media) != 0)
        self._group = np.concatenate([[0], np.cumsum(changes)]).astype(np.int64)
        self._sums: NDArray[np.float64] | None = None
        self._open: NDArray[np.float64] | None = None
        self._count = 0
        self._last = 0

    def add(self, numbers: NDArray[np.integer], embeddings: Array, weights: Array | None = None) -> None:
        """Add the embeddings of some images.

        Args:
            numbers: Shape (n,), which images they are, rising, and after those of earlier calls.
            embeddings: Shape (n, dim).
            weights: Shape (n,), factors of the embeddings; None is 1.
        """
        if not len(numbers):
            return
        rows = embeddings.astype(np.float64)
        if weights is not None:
            rows *= weights[:, None]
        if self._sums is None or self._open is None:
            self._sums = np.zeros((len(self.names), rows.shape[1]))
            self._open = np.zeros(rows.shape[1])
            self._last = int(numbers[0])
        groups = self._group[numbers]
        begins = np.flatnonzero(np.diff(groups, prepend=-1))
        for begin, end in zip(begins, np.append(begins[1:], len(numbers)), strict=True):
            if groups[begin] != self._group[self._last]:
                self._close()
            self._open += rows[begin:end].sum(0)
            self._count += int(end - begin)
            self._last = int(numbers[begin])

    def _close(self) -> None:
        """Add the mean of the medium that has ended to its template."""
        if self._count and self._sums is not None and self._open is not None:
            self._sums[self._place[self._last]] += self._open / self._count
            self._open[:] = 0
        self._count = 0

    def finish(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the templates, unit norm, shape (templates, dim), and which have an image, shape
        (templates,).

        Templates without an image are zero.
        """
        self._close()
        if self._sums is None:
            return np.zeros((len(self.names), 0), np.float32), np.zeros(len(self.names), np.bool_)
        lengths = np.linalg.norm(self._sums, axis=1, keepdims=True)
        unit = np.divide(self._sums, lengths, out=np.zeros_like(self._sums), where=lengths > 0)
        return unit.astype(np.float32), lengths[:, 0] > 0
