"""The network that a training has made so far."""

from torch import Tensor, nn

from recognition.heads.base import CosineHead, Head
from recognition.recogniser import Preprocessing, Recogniser
from recognition.source import Source
from recognition.training.batches import TrainingData
from recognition.training.options import TrainingOptions


def trained_recogniser(
    backbone: nn.Module,
    head: Head,
    centres: Tensor | None,
    *,
    options: TrainingOptions,
    data: TrainingData,
) -> Recogniser:
    """Return the network of a training; it shares the backbone's weights.

    Args:
        backbone: The backbone.
        head: The head, whose margin and scale are noted.
        centres: Class centres, shape (classes, dim); None for a network without classes.
        options: The options of the training.
        data: The data of the training, whose classes these are.
    """
    return Recogniser(
        backbone,
        name=options.network,
        centres=centres,
        class_names=None if centres is None else data.class_names,
        class_photographs=None if centres is None else data.class_photographs,
        scale=head.scale if isinstance(head, CosineHead) and head.has_fixed_scale else options.scale,
        margin=head.angular_margin,
        preprocessing=Preprocessing(input_size=options.image_size),
        source=Source(architecture=options.architecture()),
    )
