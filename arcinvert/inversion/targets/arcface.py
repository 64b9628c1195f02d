"""The ArcFace loss of a class."""

import torch.nn.functional as F
from torch import Tensor

from arcinvert.inversion.targets.base import Target, TargetRequest
from arcinvert.knowledge.whitening import Whitening
from recognition.errors import InputError
from recognition.heads.margins import arcface_logits


class ClassTarget(Target):
    """The ArcFace loss of one class for each image, against all other class centres.

    Args:
        centres: Unit norm, shape (classes, dim).
        labels: Shape (batch,), the class of each image.
        templates: Unit norm, shape (batch, dim), what stands for the class of each image in place of its row
            of `centres`: one of several centres of the class. None takes the row.
        scale: The scale s of the ArcFace loss.
        margin: The margin of the ArcFace loss, radians.
        whitening: Applied to embeddings and centres before they are compared; None compares them as they are.

    Source: Deng et al., arXiv:1801.07698v4, section 3.3, closed-set.
    """

    needs_classes = True

    def __init__(
        self,
        centres: Tensor,
        labels: Tensor,
        *,
        templates: Tensor | None = None,
        scale: float,
        margin: float,
        whitening: Whitening | None = None,
    ) -> None:
        super().__init__(centres[labels] if templates is None else templates)
        self.labels = labels
        self.scale = scale
        self.margin = margin
        self._whitening = whitening
        self._compared = centres if whitening is None else whitening(centres)
        self._own: Tensor | None = None
        if templates is not None:
            self._own = templates if whitening is None else whitening(templates)

    @classmethod
    def build(cls, request: TargetRequest) -> "ClassTarget":
        """Return the target of one batch of classes."""
        centres = request.recogniser.centres
        if centres is None or request.labels is None:
            raise InputError(
                "loss: expected classes of a network with class centres for arcface, got templates"
            )
        return cls(
            centres,
            request.labels,
            templates=request.templates if request.own_templates else None,
            scale=request.scale,
            margin=request.margin,
            whitening=request.whitening,
        )

    def __call__(self, embeddings: Tensor) -> Tensor:
        if self._whitening is not None:
            embeddings = self._whitening(embeddings)
        cosines = F.linear(embeddings, self._compared)
        if self._own is not None:
            own = (embeddings * self._own).sum(1, keepdim=True)
            cosines = cosines.scatter(1, self.labels[:, None], own)
        logits = arcface_logits(cosines, self.labels, scale=self.scale, margin=self.margin)
        return F.cross_entropy(logits, self.labels, reduction="none")
