"""The optimisation loop."""

import contextlib
from collections.abc import Sequence

import torch
from torch import Tensor

from arcinvert.inversion.adam import Adam
from arcinvert.inversion.augmentation import Augmentation
from arcinvert.inversion.early_stopping import LAST_PART, EarlyStopping
from arcinvert.inversion.graphs import GraphedStep
from arcinvert.inversion.input_gradients import input_gradients
from arcinvert.inversion.parametrisations.base import Parametrisation
from arcinvert.inversion.penalties import WeightedPenalty
from arcinvert.inversion.progress import StepCounter
from arcinvert.inversion.result import Inversion, Losses, StopInversion
from arcinvert.inversion.schedule import Schedule
from arcinvert.inversion.targets.base import Target
from recognition.recogniser import Recogniser


def invert(
    recogniser: Recogniser,
    target: Target,
    parametrisation: Parametrisation,
    schedule: Schedule,
    *,
    penalties: Sequence[WeightedPenalty] = (),
    augmentation: Augmentation | None = None,
    dtype: torch.dtype = torch.float32,
    counter: StepCounter | None = None,
    graphs: bool = False,
) -> Inversion:
    """Optimise a batch of images until the recogniser sees their targets in them.

    Args:
        recogniser: The attacked network, frozen, in evaluation mode, on the device of the images.
        target: Embeddings to a loss for each image.
        parametrisation: What is optimised, already at its initial images.
        schedule: Steps, learning rates, averaging and early stopping.
        penalties: Penalties with names and weights; their weighted means are added to the loss.
        augmentation: Random changes of images and features in front of the loss; None makes none.
        dtype: The floating-point type of the network's inner computation.
        counter: Counts and reports the steps. A callback may raise `StopInversion` to stop early and keep
            what there is; any other exception ends the inversion.
        graphs: Whether a step is captured as a CUDA graph and replayed, which takes a CUDA device.

    Returns:
        The images, and how similar the attacked network finds them to their targets.
    """

    @torch.no_grad()
    def current_images() -> Tensor:
        return parametrisation.images().detach().clamp(0, 1)

    def step_once() -> tuple[Tensor, Tensor]:
        """Take a step; return the weighted losses and the embeddings, both without gradients."""
        images = parametrisation.images()
        with _autocast(images, dtype):
            embeddings = recogniser(images if augmentation is None else augmentation.apply(images))
        parts = [
            target(embeddings).mean(),
            *(weight * penalty(images).mean() for _, weight, penalty in penalties),
        ]
        values = torch.stack(parts)
        optimiser.clear_gradients()
        values.sum().backward()
        optimiser.step()
        parametrisation.project()
        return values.detach(), embeddings.detach()

    # Nothing in the loop reads a tensor of the device: each read would make the host wait for it.
    counter = counter or StepCounter(schedule.steps)
    start, templates = current_images(), target.templates
    names = ("identity", *(name for name, *_ in penalties))
    optimiser = Adam(parametrisation.parameters, schedule.betas)
    take = GraphedStep(step_once, optimiser.clear_gradients, start.device) if graphs else step_once
    stopping = None if schedule.early_stopping is None else EarlyStopping(schedule.early_stopping)
    losses, step, taken, stopped = Losses((), start.new_zeros(0)), 0, 0, False
    total, averaged = torch.zeros_like(start), 0
    with contextlib.ExitStack() as stack:
        stack.enter_context(input_gradients(recogniser))
        for weighted in penalties:
            stack.enter_context(weighted.penalty.attached(recogniser, parametrisation))
        if augmentation is not None:
            stack.enter_context(augmentation.attached(recogniser))
        while step < schedule.steps and not stopped:
            optimiser.set_rate(schedule.rate(step))
            if augmentation is not None:
                augmentation.draw(start)
            values, embeddings = take()
            losses, step, taken = Losses(names, values), step + 1, taken + 1
            if schedule.averages(step):
                total, averaged = total + current_images(), averaged + 1
            try:
                counter.advance(losses, lambda: current_images().cpu())
            except StopInversion:
                stopped = True
            if stopping and stopping.converged((embeddings * templates).sum(1)):
                last, stopping = max(step, round(schedule.steps * (1 - LAST_PART))), None
                counter.skip(last - step)
                step = last
    with torch.no_grad():
        images = total / averaged if averaged else current_images()
        similarity = (recogniser(images) * templates).sum(1)
    return Inversion(images.cpu(), start.cpu().clone(), similarity.cpu(), dict(losses), taken, stopped)


def _autocast(images: Tensor, dtype: torch.dtype) -> contextlib.AbstractContextManager[None]:
    if dtype == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(images.device.type, dtype)
