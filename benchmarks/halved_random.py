"""How a student with random weights learns a deep teacher's layers: part by part, then as a whole.

A part of the network is what lies between two values that student and teacher both have, such as the inputs
of two residual units. While each part sees the teacher's own values, its error does not depend on the parts
before it, and all of them learn in one pass. Then the student sees its own values.

Source: a teacher's inner maps as a student's aim, Romero et al., FitNets, arXiv:1412.6550.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from recognition.errors import InputError
from recognition.loading.onnx_network import OnnxNetwork
from recognition.recogniser import Recogniser
from recognition.training.teacher import distillation_loss

#: The share of the steps in which parts learn alone, and the largest learning rate of these steps.
ALONE, ALONE_RATE = 0.25, 3e-3
#: The weight of each inner value's error beside the embedding's, when all parts learn together.
INNER_WEIGHT = 0.3
#: How fast BatchNorm statistics follow the batches while parts learn alone; then they are fixed.
MOMENTUM = 0.02
#: The slope of a PReLU where nothing is learned yet, that of He et al., arXiv:1502.01852.
SLOPE = 0.25


def redraw(student: Recogniser, seed: int) -> None:
    """Give a network random weights, and BatchNorm layers no statistics.

    Args:
        student: A network of an ONNX file, which is changed.
        seed: The seed of the weights.

    Raises:
        InputError: If it has weights that cannot be drawn, as a layer without a known initialisation has.
    """
    generator = torch.Generator().manual_seed(seed)
    for name, layer in _backbone(student).layers.items():
        if isinstance(layer, nn.Conv2d):
            nn.init.normal_(layer.weight, std=(2 / layer.weight[0].numel()) ** 0.5, generator=generator)
        elif isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5, generator=generator)
        elif isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.reset_parameters()
            layer.momentum = MOMENTUM
        elif isinstance(layer, nn.PReLU):
            nn.init.constant_(layer.weight, SLOPE)
        elif any(True for _ in layer.parameters()):
            raise InputError(
                f"{name}: expected a layer whose weights can be drawn, got {type(layer).__name__}"
            )
        if isinstance(layer, nn.Conv2d | nn.Linear) and layer.bias is not None:
            nn.init.zeros_(layer.bias)


class Parts:
    """What a student with random weights learns of its teacher, in the two phases.

    Args:
        student: The student, of an ONNX file.
        teacher: The teacher, of an ONNX file, with the same preprocessing.
        same: Which value of the teacher each of the student's values stands for; see `halved`.
    """

    def __init__(self, student: Recogniser, teacher: Recogniser, same: Mapping[str, str]) -> None:
        self._student, self._teacher = student, teacher
        self._output = (_backbone(student).output_name, _backbone(teacher).output_name)
        self._same = dict(same)

    def alone(self, images: Tensor) -> Tensor:
        """Return the error of all parts on the teacher's own values, for images in [0, 1]."""
        self._student.backbone.train()
        wanted = self._wanted(images)
        given = {own: wanted[its] for own, its in self._same.items()}
        own_output, its_output = self._output
        found = self._found(images, given)
        return self._errors(found, wanted) + _error(found[own_output], wanted[its_output])

    def together(self, images: Tensor) -> Tensor:
        """Return the error of the embeddings and of the inner values, for images in [0, 1]."""
        self._student.backbone.eval()
        wanted = self._wanted(images)
        found = self._found(images)
        own_output, its_output = self._output
        loss = distillation_loss(found[own_output], F.normalize(wanted[its_output]))
        return loss + INNER_WEIGHT * self._errors(found, wanted)

    def _wanted(self, images: Tensor) -> dict[str, Tensor]:
        names = {*self._same.values(), self._output[1]}
        with torch.no_grad():
            return _values(self._teacher, images, names)

    def _found(self, images: Tensor, given: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        names = {*self._same, self._output[0]}
        return _values(self._student, images, names, given)

    def _errors(self, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([_error(found[own], wanted[its]) for own, its in self._same.items()]).sum()


def _error(found: Tensor, wanted: Tensor) -> Tensor:
    """Return the mean squared error as a share of the variance, over images and places, of a channel."""
    varying = (0, *range(2, wanted.ndim))
    return F.mse_loss(found, wanted) / wanted.var(varying).mean()


def _values(
    recogniser: Recogniser, images: Tensor, names: set[str], replaced: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    return _backbone(recogniser).values(recogniser.preprocessing(images), names, replaced)


def _backbone(recogniser: Recogniser) -> OnnxNetwork:
    if not isinstance(recogniser.backbone, OnnxNetwork):
        raise InputError(f"{recogniser.name}: expected the network of an ONNX file, got another")
    return recogniser.backbone
