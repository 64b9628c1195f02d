"""The one optimisation loop."""

import contextlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from arcinvert.inversion.augmentation import FeatureDropout
from arcinvert.inversion.early_stopping import LAST_PART, EarlyStopping
from arcinvert.inversion.input_gradients import input_gradients
from arcinvert.inversion.parametrisations import Parametrisation
from arcinvert.inversion.penalties.batchnorm import BatchNormPrior
from arcinvert.inversion.result import Inversion, LossParts, Step, StopInversion
from arcinvert.inversion.schedule import Schedule
from arcinvert.inversion.targets import Target
from recognition.recogniser import Recogniser

#: An image prior with its name and weight.
WeightedPrior = tuple[str, float, Callable[[Tensor], Tensor]]
#: Devices on which Adam is one kernel.
_FUSED = frozenset({"cpu", "cuda"})


def invert(
    recogniser: Recogniser,
    target: Target,
    parametrisation: Parametrisation,
    schedule: Schedule,
    *,
    view: Callable[[Tensor], Tensor] = lambda images: images,
    image_priors: Sequence[WeightedPrior] = (),
    dropout: FeatureDropout | None = None,
    statistics_prior: tuple[float, BatchNormPrior] | None = None,
    coordinate_weight: float = 0.0,
    dtype: torch.dtype = torch.float32,
    settle: float = 0.0,
    callback: Callable[[Step], None] = lambda step: None,
) -> Inversion:
    """Optimise a batch of images until the recogniser sees their targets in them.

    Args:
        recogniser: attacked; frozen, in evaluation mode, on the device of the images.
        target: what its embeddings shall be.
        parametrisation: what is optimised, already at its start.
        view: a random view of the images, which the network sees in their place.
        dropout: of the features that the network's last weights read.
        image_priors: of the images, each with a name and a weight.
        statistics_prior: of the network's activations, with its weight.
        coordinate_weight: of the parametrisation's own prior, where it has one.
        dtype: of the network's inner computation.
        settle: the largest gain in similarity to its template, under the views of `WINDOW` steps, at
            which an image has settled; when the whole batch has, the last part of the schedule follows at
            once. 0 takes every step.
        callback: hears of every step; `StopInversion` raised in it keeps what there is, any other
            exception ends all.
    """

    @torch.no_grad()
    def plain() -> Tensor:
        return parametrisation.images().detach().clamp(0, 1)

    # Nothing in the loop reads a tensor of the device: the host would wait for it at each step.
    start, templates = plain(), target.templates
    optimiser = make_optimiser(parametrisation.parameters, schedule.betas)
    settling = EarlyStopping(settle) if settle else None
    weight, prior = statistics_prior or (0.0, None)
    parts, step, steps, stopped = LossParts((), start.new_zeros(0)), 0, 0, False
    total, averaged = torch.zeros_like(start), 0
    with (
        input_gradients(recogniser),
        prior.listening(recogniser) if prior else contextlib.nullcontext(),
        dropout.hiding(recogniser) if dropout else contextlib.nullcontext(),
    ):
        while step < schedule.steps and not stopped:
            optimiser.param_groups[0]["lr"] = schedule.rate(step)
            images = parametrisation.images()
            with _autocast(images, dtype):
                embeddings = recogniser(view(images))
            losses = {"identity": target(embeddings).mean()}
            losses |= {name: factor * penalty(images).mean() for name, factor, penalty in image_priors}
            if coordinate_weight and (coordinates := parametrisation.penalty()) is not None:
                losses["coordinates"] = coordinate_weight * coordinates.mean()
            if prior:
                losses["statistics"] = weight * prior()
            values = torch.stack(list(losses.values()))
            optimiser.zero_grad(set_to_none=True)
            values.sum().backward()
            optimiser.step()
            parametrisation.project()
            parts, step, steps = LossParts(tuple(losses), values.detach()), step + 1, steps + 1
            if schedule.averages(step):
                total, averaged = total + plain(), averaged + 1
            try:
                callback(Step(step, schedule.steps, parts, lambda: plain().cpu()))
            except StopInversion:
                stopped = True
            if settling and settling.hear((embeddings.detach() * templates).sum(1)):
                step, settling = max(step, round(schedule.steps * (1 - LAST_PART))), None
    with torch.no_grad():
        images = total / averaged if averaged else plain()
        similarity = (recogniser(images) * templates).sum(1)
    return Inversion(images.cpu(), start.cpu().clone(), similarity.cpu(), dict(parts), steps, stopped)


def make_optimiser(parameters: list[Tensor], betas: tuple[float, float]) -> torch.optim.Adam:
    """Adam in one kernel where the device has one."""
    fused = all(parameter.device.type in _FUSED for parameter in parameters)
    return torch.optim.Adam(parameters, lr=1.0, betas=betas, fused=fused)


def _autocast(images: Tensor, dtype: torch.dtype) -> contextlib.AbstractContextManager[None]:
    if dtype == torch.float32:
        return contextlib.nullcontext()
    return torch.autocast(images.device.type, dtype)
