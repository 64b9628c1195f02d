"""The memory of the class centres of a training, computed before it runs."""

import math

from recognition.training.options import TrainingOptions

#: Tensors as large as the class centres that a step of the whole head needs besides these and their
#: optimiser's state: normalised centres, their gradients, and the intermediate ones of the normalisation.
#: Beside the logits of a large batch, of which there are four, it is the normalised ones alone. Tests measure
#: them.
_OF_WHOLE, _BESIDE_LOGITS, _LOGITS = 5, 1, 4
#: Bytes of a number.
_BYTES = 4


def centres_memory(
    options: TrainingOptions, classes: int, *, ranks: int, divided: bool, subcentres: int = 1
) -> int:
    """Return the bytes that the class centres take on each rank at the peak of a step.

    Their optimiser's state, their average, gradients and logits are counted.

    Args:
        options: The options of the training.
        classes: Number of classes.
        ranks: Number of ranks.
        divided: Whether the ranks divide the centres (see `Classifier.sharded`), or have all of them each.
        subcentres: Number of centres of each class.
    """
    own = (math.ceil(classes / ranks) if divided else classes) * subcentres
    used = math.ceil(own * options.sample_rate)
    batch = options.batch_size // options.accumulate
    states = 2 if options.optimiser == "adamw" else 1
    kept = own * options.embedding_size * (1 + states + bool(options.ema))
    row, logits = used * options.embedding_size, used * batch
    if not divided:
        step = max(_OF_WHOLE * row, _BESIDE_LOGITS * row + _LOGITS * logits)
    elif options.sample_rate == 1:
        step = row + logits
    else:
        # The rows that are used: themselves and their gradient, with the logits, then with the states.
        step = 2 * row + max(logits, states * row)
    return _BYTES * (kept + step)
