"""Restarts of an inversion, among which the attacked network itself chooses."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from arcinvert.inversion.augmentation import Augmentation
from arcinvert.inversion.result import Inversion
from recognition.recogniser import Recogniser

#: The number of augmented copies that an image is scored by, and how far they go: pixels, relative size.
COPIES = 8
SHIFT = 3
SCALE = 0.05


@torch.no_grad()
def augmented_similarity(
    recogniser: Recogniser, images: Tensor, templates: Tensor, copies: int = COPIES
) -> Tensor:
    """Return the mean cosine similarity of augmented copies of images to their templates, shape (batch,).

    Every attack ends at a similarity near 1, whatever its image looks like. A similarity under augmentations
    that the image was not optimised with says a little more. The augmentations are the same in every call.

    Args:
        recogniser: The attacked network.
        images: Shape (batch, 3, h, w) in [0, 1].
        templates: Shape (batch, dim), unit norm.
        copies: The number of augmented copies of each image.
    """
    augmentation = Augmentation(
        flip=True, shift=SHIFT, scale=SCALE, generator=torch.Generator().manual_seed(0)
    )
    return torch.stack([(recogniser(augmentation(images)) * templates).sum(1) for _ in range(copies)]).mean(0)


def best_of(restarts: int, run: Callable[[int], Inversion], score: Callable[[Tensor], Tensor]) -> Inversion:
    """Run an inversion several times and keep for each image the one with the highest score.

    The losses are those of the last complete run. A run that was stopped is the last, and counts only if
    there is no complete one.

    Args:
        restarts: The number of runs, at least 1.
        run: Runs one restart, numbered from 0.
        score: Images, shape (batch, 3, h, w), to scores, shape (batch,), higher is better; not called where
            there is one complete run only.
    """
    inversions: list[Inversion] = []
    for number in range(restarts):
        inversions.append(run(number))
        if inversions[-1].stopped:
            break
    steps, stopped = sum(inversion.steps for inversion in inversions), inversions[-1].stopped
    complete = [inversion for inversion in inversions if not inversion.stopped] or inversions
    best = complete[0]
    if len(complete) > 1:
        scores = torch.stack([score(inversion.images) for inversion in complete])
        chosen, rows = scores.argmax(0), torch.arange(scores.shape[1])
        images, start, similarity = (
            torch.stack([getattr(inversion, name) for inversion in complete])[chosen, rows]
            for name in ("images", "start", "similarity")
        )
        best = replace(complete[-1], images=images, start=start, similarity=similarity)
    return replace(best, steps=steps, stopped=stopped)
