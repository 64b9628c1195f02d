"""The one optimisation loop."""

import contextlib
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from arcinvert.parametrisations import Parametrisation
from arcinvert.priors.batchnorm import BatchNormPrior
from arcinvert.result import Inversion, Step, StopInversion
from arcinvert.schedule import Schedule
from arcinvert.targets import Target
from arcinvert.transforms import FeatureDropout
from recognition.recogniser import Recogniser

#: An image prior with its name and weight.
WeightedPrior = tuple[str, float, Callable[[Tensor], Tensor]]


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
        callback: hears of every step; `StopInversion` raised in it keeps what there is, any other
            exception ends all.
    """

    @torch.no_grad()
    def plain() -> Tensor:
        return parametrisation.images().detach().clamp(0, 1)

    start, stopped = plain().cpu().clone(), False
    optimiser = torch.optim.Adam(parametrisation.parameters, lr=1.0, betas=schedule.betas)
    weight, prior = statistics_prior or (0.0, None)
    parts: dict[str, Tensor] = {}
    with (
        prior.listening(recogniser) if prior else contextlib.nullcontext(),
        dropout.hiding(recogniser) if dropout else contextlib.nullcontext(),
    ):
        for step in range(schedule.steps):
            optimiser.param_groups[0]["lr"] = schedule.rate(step)
            images = parametrisation.images()
            with torch.autocast(start_device(images), dtype, enabled=dtype != torch.float32):
                embeddings = recogniser(view(images))
            parts = {"identity": target(embeddings).mean()}
            parts |= {name: factor * penalty(images).mean() for name, factor, penalty in image_priors}
            if coordinate_weight and (coordinates := parametrisation.penalty()) is not None:
                parts["coordinates"] = coordinate_weight * coordinates.mean()
            if prior:
                parts["statistics"] = weight * prior()
            loss = torch.stack(list(parts.values())).sum()
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            parametrisation.project()
            try:
                callback(Step(step + 1, schedule.steps, _values(parts), lambda: plain().cpu()))
            except StopInversion:
                stopped = True
                break
    with torch.no_grad():
        images = plain()
        similarity = (recogniser(images) * target.templates).sum(1)
    return Inversion(images.cpu(), start, similarity.cpu(), _values(parts), stopped)


def start_device(images: Tensor) -> str:
    """The name that autocast knows the images' device by."""
    return images.device.type


def _values(parts: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(part.detach()) for name, part in parts.items()}
