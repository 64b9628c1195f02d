"""The trainer of a decoder: from faces and a frozen network to a map from templates to faces."""

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from arcinvert.inversion.augmentation import Augmentation
from arcinvert.inversion.input_gradients import input_gradients
from arcinvert.knowledge.decoder import CHANNELS, FaceDecoder
from arcinvert.knowledge.regression import FACES_PER_DIMENSION, FaceRegression, RegressionSums
from arcinvert.knowledge.whitening import whitening_of
from arcinvert.learning.faces import TrainingFaces
from arcinvert.learning.losses import FeatureLoss, identity_loss, pixel_loss
from arcinvert.learning.options import LearningOptions
from recognition.errors import InputError
from recognition.images import resized
from recognition.recogniser import EMBEDDING_BATCH, Recogniser
from recognition.seeds import derive_seed

#: Faces that are not trained on, which show what the decoder makes of strangers' templates: at most so many,
#: and at most this fraction of all.
VALIDATION_FACES = 64
_VALIDATION_FRACTION = 0.1
#: The fraction of the steps in which the learning rate rises.
_WARM_UP = 0.02
#: Random moves in front of the network, pixels and relative size: what holds under them holds for other
#: networks too.
_SHIFT, _SCALE = 4, 0.1
#: The largest norm of a gradient.
_LARGEST_GRADIENT = 1.0
#: Faces on which the spread of the network's features is measured.
_FEATURE_FACES = 64


@dataclass(frozen=True)
class StepLosses:
    """The unweighted losses of one step, means over the faces, and the weighted sum."""

    pixel: float
    perceptual: float
    identity: float
    total: float


class DecoderTrainer:
    """One training of a decoder; `step` and `validate` need no files.

    Args:
        recogniser: The attacked network, frozen.
        faces: The faces.
        templates: Shape (faces, 2, dim), their templates and those of their mirror images, unit norm.
        options: Everything that decides the result, with a number of epochs.
        dtype: The floating-point type of the inner computation.
        channels: The channels of the decoder's levels.

    Raises:
        InputError: If there are too few faces.
    """

    def __init__(
        self,
        recogniser: Recogniser,
        faces: TrainingFaces,
        templates: Tensor,
        options: LearningOptions,
        *,
        dtype: torch.dtype = torch.float32,
        channels: tuple[int, ...] = CHANNELS,
    ) -> None:
        self.recogniser, self.faces, self.templates = recogniser, faces, templates
        self.options, self.dtype, self.device = options, dtype, recogniser.device
        order = self._permutation("validation")
        held_out = min(VALIDATION_FACES, round(len(faces) * _VALIDATION_FRACTION))
        #: The numbers of the faces that are trained on, and of those that are not.
        self.training, self.validation = order[held_out:], order[:held_out]
        self.batch_size = min(options.batch_size, len(self.training))
        self.steps_per_epoch = len(self.training) // self.batch_size
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(options.seed, "decoder"))
            self.decoder = FaceDecoder(
                self._regression(),
                whitening_of(templates[self.training].flatten(0, 1)),
                channels=channels,
                faces=faces.describe(self.training),
                photographs=faces.photographs,
            ).to(self.device)
        self.decoder.to(memory_format=torch.channels_last)
        self.averaged = AveragedModel(self.decoder, multi_avg_fn=running_mean(options.average))
        self.optimiser = torch.optim.Adam(
            self.decoder.parameters(),
            lr=options.learning_rate,
            betas=(0.9, 0.99),
            fused=self.device.type in ("cpu", "cuda"),
        )
        measured = self.training[:_FEATURE_FACES]
        self._features = FeatureLoss(
            recogniser, faces.images(measured, recogniser.input_size).to(self.device)
        )
        self.epochs = options.epochs or 1

    def _permutation(self, *what: str | int) -> Tensor:
        generator = torch.Generator().manual_seed(derive_seed(self.options.seed, "decoder", *what))
        return torch.randperm(len(self.faces), generator=generator)

    def _regression(self) -> FaceRegression:
        """Return the regression of the training faces, whose templates are averaged with their mirrors'."""
        sums = RegressionSums()
        for indices in self.training.split(EMBEDDING_BATCH):
            pairs = self.templates[indices]
            sums.add(F.normalize(pairs.sum(1)), self.faces.images(indices, self.faces.crops.shape[-1]))
        regression = sums.fit()
        if regression is None:
            least = FACES_PER_DIMENSION * self.templates.shape[-1] / (1 - _VALIDATION_FRACTION)
            raise InputError(
                f"images: expected at least {math.ceil(least)} faces for templates of "
                f"{self.templates.shape[-1]} dimensions, got {len(self.faces)}; add others"
            )
        return regression

    @property
    def steps(self) -> int:
        """The number of steps of the whole training."""
        return self.epochs * self.steps_per_epoch

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of a step of the whole training, from 0: a warm-up, then a cosine."""
        rising = max(1, round(self.steps * _WARM_UP))
        if step < rising:
            return self.options.learning_rate * (step + 1) / rising
        done = (step - rising) / max(1, self.steps - rising)
        return self.options.learning_rate * (1 + math.cos(math.pi * done)) / 2

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the batches of an epoch: numbers of faces, and whether each is mirrored, both (batch,).

        They follow from the seed and the epoch, so that a resumed training goes on as if it had not stopped.
        """
        order = self._permutation("order", epoch)
        order = order[torch.isin(order, self.training)]
        generator = torch.Generator().manual_seed(derive_seed(self.options.seed, "decoder", "mirror", epoch))
        for indices in order.split(self.batch_size)[: self.steps_per_epoch]:
            yield indices, torch.rand(len(indices), generator=generator) < 0.5

    def train_epoch(self, epoch: int) -> Iterator[StepLosses]:
        """Train one epoch, from 0, and yield the losses of each step."""
        generator = torch.Generator().manual_seed(derive_seed(self.options.seed, "decoder", "moves", epoch))
        augmentation = Augmentation(shift=_SHIFT, scale=_SCALE, generator=generator)
        for number, (indices, mirrored) in enumerate(self.batches(epoch)):
            rate = self.learning_rate(epoch * self.steps_per_epoch + number)
            yield self.step(indices, mirrored, rate, augmentation)

    def step(
        self, indices: Tensor, mirrored: Tensor, learning_rate: float, augmentation: Augmentation
    ) -> StepLosses:
        """Update all weights once.

        Args:
            indices: The numbers of the faces, (batch,).
            mirrored: Whether each is mirrored, (batch,).
            learning_rate: The learning rate.
            augmentation: Moves faces in front of the network.

        Raises:
            InputError: If the loss is not finite.
        """
        wanted = self.faces.images(indices, self.decoder.side)
        wanted = torch.where(mirrored[:, None, None, None], wanted.flip(-1), wanted).to(self.device)
        templates = self.templates[indices, mirrored.long()].to(self.device)
        with self._autocast():
            faces = self.decoder(templates)
        faces = faces.float()
        pixel = pixel_loss(faces, wanted).mean()
        shown = round(self.options.network_fraction * len(indices))
        perceptual, identity = self._network_losses(
            faces[:shown], wanted[:shown], templates[:shown], augmentation
        )
        options = self.options
        total = (
            options.pixel_weight * pixel
            + options.perceptual_weight * perceptual
            + options.identity_weight * identity
        )
        losses = StepLosses(*torch.stack([pixel, perceptual, identity, total]).detach().tolist())
        if not math.isfinite(losses.total):
            raise InputError(
                f"loss: expected a finite number, got {losses.total}; lower --learning-rate (the last "
                "finished epoch is kept)"
            )
        self.optimiser.param_groups[0]["lr"] = learning_rate
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(self.decoder.parameters(), _LARGEST_GRADIENT)
        self.optimiser.step()
        self.averaged.update_parameters(self.decoder)
        return losses

    def _network_losses(
        self, faces: Tensor, wanted: Tensor, templates: Tensor, augmentation: Augmentation
    ) -> tuple[Tensor, Tensor]:
        """Return the mean losses of features and of identity, of faces that the network is shown."""
        options = self.options
        if not len(faces) or not (options.perceptual_weight or options.identity_weight):
            return faces.new_zeros(()), faces.new_zeros(())
        # The same moves for both.
        moved = resized(augmentation(torch.cat([faces, wanted], 1)), self.recogniser.input_size)
        faces, wanted = moved[:, :3], moved[:, 3:]
        with self._autocast(), input_gradients(self.recogniser):
            with self._features.collected() as found:
                embeddings = self.recogniser(faces)
            perceptual = faces.new_zeros(())
            if options.perceptual_weight:
                with torch.no_grad(), self._features.collected() as of_photographs:
                    self.recogniser(wanted)
                perceptual = self._features(found, of_photographs).mean()
        return perceptual, identity_loss(embeddings.float(), templates).mean()

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    @property
    def result(self) -> FaceDecoder:
        """The decoder with the running mean of the weights."""
        decoder = self.averaged.module
        if not isinstance(decoder, FaceDecoder):
            raise TypeError(type(decoder).__name__)
        return decoder

    @torch.no_grad()
    def validate(self) -> dict[str, float]:
        """Return mean cosine similarity and pixel difference, of the decoder and of the regression alone.

        They are of the faces that are not trained on; empty where there are none.
        """
        if not len(self.validation):
            return {}
        size, templates = self.recogniser.input_size, self.templates[self.validation, 0].to(self.device)
        wanted = self.faces.images(self.validation, size).to(self.device)
        figures = {}
        for name, faces in (
            ("decoder", self.result.decoded(templates, size)),
            ("regression", resized(self._of_regression(templates), size)),
        ):
            similarity = (self.recogniser(faces) * templates).sum(1).mean()
            figures[f"{name}_similarity"] = round(float(similarity), 5)
            figures[f"{name}_pixel_difference"] = round(float((faces - wanted).abs().mean()), 5)
        return figures

    @torch.no_grad()
    def pictures(self, count: int = 8) -> Tensor:
        """Return a grid, (3, h, w) in [0, 1]: photographs, faces of the regression, faces of the decoder.

        They are of faces that are not trained on, where there are some.
        """
        chosen = (self.validation if len(self.validation) else self.training)[:count]
        templates = self.templates[chosen, 0].to(self.device)
        side = self.decoder.side
        rows = [
            self.faces.images(chosen, side),
            self._of_regression(templates),
            self.result.decoded(templates, side),
        ]
        return torch.cat([torch.cat(list(row.cpu()), 2) for row in rows], 1)

    def _of_regression(self, templates: Tensor) -> Tensor:
        decoder = self.decoder
        return decoder.base(decoder.base_coefficients(templates), decoder.side).clamp(0, 1)

    def identity(self) -> dict[str, Any]:
        """Return what must be equal to resume; the number of epochs may change."""
        options = {
            name: value for name, value in vars(self.options).items() if name not in ("epochs", "minutes")
        }
        return {
            "options": options,
            "channels": list(self.decoder.channels),
            "model": self.recogniser.source.fingerprint,
            "faces": hashlib.sha256(self.templates.numpy().tobytes()).hexdigest(),
        }


def running_mean(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """Return what moves averaged weights towards the current ones, in place, by 1 - decay at each step.

    In the first steps the decay is lower, (1 + n) / (10 + n) after n of them, so that the first weights do
    not linger. Source: tf.train.ExponentialMovingAverage of TensorFlow, `num_updates`.
    """

    @torch.no_grad()
    def move(averaged: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
        steps = int(count)
        share = 1 - min(decay, (1 + steps) / (10 + steps))
        for mean, weights in zip(averaged, current, strict=True):
            mean.lerp_(weights, share)

    return move
