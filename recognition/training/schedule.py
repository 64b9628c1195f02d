"""What changes from step to step: the learning rate, the margin and the size of the images."""

import math

from recognition.training.options import TrainingOptions

#: Share of all steps in which the margin rises from zero, so that centres first spread without it.
MARGIN_WARM_UP = 0.3
#: Exponent of the polynomial schedule, as in arcface_torch.
POLYNOMIAL_POWER = 2


def learning_rate(options: TrainingOptions, step: int, steps: int) -> float:
    """Return the learning rate of a step: a linear rise, then a cosine or polynomial fall to zero.

    Args:
        options: Highest learning rate, warm-up and schedule.
        step: Number of the step, from 0.
        steps: Number of all steps of the training.
    """
    warm_up = max(1, round(steps * options.warm_up))
    if step < warm_up:
        return options.peak_learning_rate * (step + 1) / warm_up
    progress = (step - warm_up) / (steps - warm_up)
    if options.schedule == "polynomial":
        return options.peak_learning_rate * (1 - progress) ** POLYNOMIAL_POWER
    return options.peak_learning_rate * (1 + math.cos(math.pi * progress)) / 2


def margin_fraction(step: int, steps: int) -> float:
    """Return the fraction of the margin that is applied at a step, from 0 to 1.

    Args:
        step: Number of the step, from 0.
        steps: Number of all steps of the training.
    """
    return min(1.0, step / steps / MARGIN_WARM_UP)


def image_size(options: TrainingOptions, epoch: int) -> int:
    """Return the side of the images of an epoch, pixels; the first half may have smaller ones.

    Args:
        options: Both sizes and the number of epochs.
        epoch: Number of the epoch, from 0.
    """
    if epoch < options.epochs // 2:
        return min(options.start_size, options.image_size)
    return options.image_size
