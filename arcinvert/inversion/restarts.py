"""Several beginnings of one attack, of which the attacked network itself chooses."""

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from arcinvert.inversion.augmentation import RandomAugmentation
from arcinvert.inversion.result import Inversion, Step
from recognition.recogniser import Recogniser

#: Views that a picture is seen under, and how far they go: pixels, relative change of size.
VIEWS = 8
SHIFT = 3
SCALE = 0.05


@torch.no_grad()
def under_views(recogniser: Recogniser, images: Tensor, templates: Tensor, views: int = VIEWS) -> Tensor:
    """Mean cosine of an image's random views to its template, (batch,); the same views at every call.

    An attack ends with a cosine near 1 whatever its picture looks like; what holds under views that it was
    not made with says a little more.
    """
    view = RandomAugmentation(flip=True, shift=SHIFT, scale=SCALE, generator=torch.Generator().manual_seed(0))
    return torch.stack([(recogniser(view(images)) * templates).sum(1) for _ in range(views)]).mean(0)


def best_of(
    count: int,
    run: Callable[[int, Callable[[Step], None]], Inversion],
    score: Callable[[Tensor], Tensor],
    callback: Callable[[Step], None],
) -> Inversion:
    """Run an inversion so many times, and keep of each image the one of the highest score.

    Its steps are counted through, and its `parts` are those of the last whole run; a stopped run is the last,
    and is left out where another is whole.

    Args:
        run: of a restart's number from 0, heard by a callback.
        score: images, (batch, 3, h, w), to (batch,), higher is better; not called for one run alone.
    """
    inversions: list[Inversion] = []
    for number in range(count):

        def heard(step: Step, before: int = number) -> None:
            callback(replace(step, number=before * step.steps + step.number, steps=count * step.steps))

        inversions.append(run(number, heard))
        if inversions[-1].stopped:
            break
    steps, stopped = sum(inversion.steps for inversion in inversions), inversions[-1].stopped
    whole = [inversion for inversion in inversions if not inversion.stopped] or inversions
    best = whole[0]
    if len(whole) > 1:
        scores = torch.stack([score(inversion.images) for inversion in whole])
        chosen, places = scores.argmax(0), torch.arange(scores.shape[1])
        images, start, similarity = (
            torch.stack([getattr(inversion, name) for inversion in whole])[chosen, places]
            for name in ("images", "start", "similarity")
        )
        best = replace(whole[-1], images=images, start=start, similarity=similarity)
    return replace(best, steps=steps, stopped=stopped)
