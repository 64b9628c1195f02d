"""Further attempts at images that a first one left unlike their targets.

Where no face that an attack starts from resembles the person, all restarts may end at somebody else's face.
The attacked network shows it: successful attacks along the face PCA end at a similarity of 0.95 or more, the
others lower; docs/results.md has what is gained. Restarts in larger steps and under wider augmentation leave
such an optimum more often. Images that have found the person lose detail by both, so that only the others are
attacked again.
"""

from dataclasses import replace

import torch
from torch import Tensor

from arcinvert.inversion.result import Inversion

#: The cosine similarity below which an image is attacked again.
UNLIKE = 0.94
#: Factors of the learning rate and of the augmentation in the restarts of further attempts, tuned on people
#: that the bundled network was trained on.
LEARNING_RATE, SHIFT, SCALE = 6.0, 2.5, 2.0
#: The widest augmentation that the factors lead to: pixels, and relative size.
WIDEST_SHIFT, WIDEST_SCALE = 28, 0.5


def unlike(inversion: Inversion) -> Tensor:
    """Return which images are to be attacked again, boolean, shape (batch,)."""
    return inversion.similarity < UNLIKE


def with_retry(first: Inversion, again: Inversion, retried: Tensor) -> Inversion:
    """Return the more similar one of both attempts for each image that was attacked again.

    Args:
        first: The attempts so far.
        again: The further attempt at some of the images.
        retried: Which images these are, boolean, shape (batch,).
    """
    rows = torch.nonzero(retried).squeeze(1)
    better = again.similarity > first.similarity[rows]
    chosen = rows[better]
    parts = {}
    for name in ("images", "start", "similarity"):
        parts[name] = getattr(first, name).clone()
        parts[name][chosen] = getattr(again, name)[better]
    further = (
        first.further_steps.clone()
        if first.further_steps is not None
        else torch.zeros(len(retried), dtype=torch.long)
    )
    further[rows] += again.steps
    return replace(first, **parts, further_steps=further, stopped=again.stopped)
