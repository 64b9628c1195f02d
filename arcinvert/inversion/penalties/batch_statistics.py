"""Penalties on activations: their statistics should be those of faces.

The statistics of faces are the running statistics of BatchNorm layers, left there by the training faces, or
statistics measured on public faces (arcinvert/knowledge/activation_statistics.py) where a network has none.
The running ones span a batch, images and positions alike, and so do those of the images here: each image's
penalty is that of its batch, unless a penalty says otherwise.
"""

import contextlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from arcinvert.inversion.input_gradients import is_frozen, replaced_forward, replacement_of, slopes
from arcinvert.inversion.parametrisations.base import Parametrisation
from arcinvert.inversion.penalties.base import Penalty, Setting
from arcinvert.inversion.penalties.moments import Axes, Moments, NormalisedMoments, widened
from arcinvert.knowledge.activation_statistics import (
    CALIBRATE,
    LayerMoments,
    MeasuredStatistics,
    observe,
    statistics_layers,
)
from recognition.recogniser import Recogniser


@dataclass(frozen=True)
class LayerStatistics:
    """Statistics of one activation in this batch and on faces, each of shape (channels,).

    Those of the batch have shape (batch, channels) where each image has its own.
    """

    mean: Tensor
    variance: Tensor
    face_mean: Tensor
    face_variance: Tensor


class BatchStatistics(Penalty):
    """Compares statistics of a network's activations with those of faces.

    Args:
        statistics: Statistics measured on public faces, for a network without statistics of its own. A
            network that has BatchNorm2d layers is observed at their inputs, and their running statistics are
            used.
    """

    of_activations = True
    #: What a channel's statistics in the batch are taken over: images and positions.
    axes: Axes = (0, 2, 3)

    def __init__(self, statistics: MeasuredStatistics | None = None) -> None:
        self._layers: list[LayerStatistics] = []
        self._statistics = statistics

    @classmethod
    def missing(cls, setting: Setting) -> str | None:
        if statistics_layers(setting.recogniser) or setting.statistics is not None:
            return None
        return f"expected BatchNorm layers with statistics, found none; {CALIBRATE}"

    @classmethod
    def build(cls, setting: Setting) -> "BatchStatistics":
        return cls(setting.statistics)

    @abstractmethod
    def compare(self, layers: Sequence[LayerStatistics]) -> Tensor:
        """Return the penalty of all layers, in the network's order: a scalar for the whole batch."""

    @contextlib.contextmanager
    def attached(self, recogniser: Recogniser, parametrisation: Parametrisation) -> Iterator[None]:
        """Observe every BatchNorm2d with running statistics, or else the sites of the measured statistics."""
        with self.observing(recogniser):
            yield

    @contextlib.contextmanager
    def observing(self, network: nn.Module) -> Iterator[None]:
        """Collect the statistics of every pass with gradients."""
        with contextlib.ExitStack() as stack:
            own = statistics_layers(network)
            for module in own:
                stack.enter_context(self._observe_normalisation(module))
            if self._statistics is not None and not own:
                for handle in observe(network, self._statistics.layers, self._add_layer):
                    stack.callback(handle.remove)
            stack.callback(self._layers.clear)
            yield

    def _observe_normalisation(self, module: nn.BatchNorm2d) -> contextlib.AbstractContextManager[None]:
        return replaced_forward(module, _Observed(module, self))

    def collect(self, layer: LayerStatistics) -> None:
        """Add the statistics of one activation in a pass."""
        self._layers.append(layer)

    def observe(self, activations: Tensor, module: nn.BatchNorm2d) -> None:
        """Collect the statistics of a normalisation's input."""
        self._add(activations, 1, module.get_buffer("running_mean"), module.get_buffer("running_var"))

    def _add_layer(self, activations: Tensor, layer: LayerMoments) -> None:
        self._add(activations, layer.site.axis, layer.mean, layer.variance)

    def _add(self, activations: Tensor, axis: int, face_mean: Tensor, face_variance: Tensor) -> None:
        if not torch.is_grad_enabled():
            return
        if activations.ndim != 4 or axis != 1:
            # Tokens and the like: (batch, ..., channels) as one column of positions.
            activations = activations.movedim(axis, 1).flatten(2 if activations.ndim > 2 else 1)
            activations = activations.reshape(*activations.shape[:2], -1, 1)
        mean, variance = Moments.apply(widened(activations), self.axes)
        self._layers.append(LayerStatistics(mean, variance, face_mean, face_variance))

    def __call__(self, images: Tensor) -> Tensor:
        """Return the penalty of the last pass, shape (): it spans the batch. The pass is then forgotten."""
        layers = self._layers.copy()
        self._layers.clear()
        return self.compare(layers)


class _Observed:
    """The forward pass of a normalisation that a penalty observes."""

    def __init__(self, module: nn.BatchNorm2d, penalty: BatchStatistics) -> None:
        self._module, self._penalty = module, penalty
        self._of_faces = module.get_buffer("running_mean"), module.get_buffer("running_var")
        self._factors = slopes(module) if is_frozen(module) else None
        # Of several penalties on one layer the first one's pass is as usual, and the others look on.
        self._inner = module.forward if isinstance(replacement_of(module), _Observed) else None

    def __call__(self, activations: Tensor) -> Tensor:
        module, penalty = self._module, self._penalty
        if self._inner is not None or self._factors is None:
            penalty.observe(activations, module)
            return self._inner(activations) if self._inner else type(module).forward(module, activations)
        normalised, mean, variance = NormalisedMoments.apply(activations, module, self._factors, penalty.axes)
        penalty.collect(LayerStatistics(mean, variance, *self._of_faces))
        return normalised


def joined(layers: Sequence[LayerStatistics]) -> LayerStatistics:
    """Concatenate the channels of all layers: a few operations on all cost less than a few on each."""
    return LayerStatistics(
        *(torch.cat([getattr(layer, entry.name) for layer in layers], -1) for entry in _FIELDS)
    )


_FIELDS = fields(LayerStatistics)
