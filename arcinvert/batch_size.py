"""How many images a card's memory holds, found once by the memory of two small batches.

The number of a CPU is the recipe's: more images take no less time each there, and a batch decides the images.
"""

from collections.abc import Callable

import torch

from recognition.recogniser import Recogniser

#: Batches whose memory is measured.
_SMALL, _LARGE = 4, 12
#: The part of a card's memory that a batch may take.
_PART = 0.8
#: Memory of a step of an attack in that of a bare pass with the gradient of the images: penalties keep
#: activations that a bare pass frees.
_OF_BARE = 2.0
#: More images take no less time each, on a card of any size that was sold up to 2025.
MOST = 512

#: Returns the most bytes in use during a pass of so many images.
Memory = Callable[[Recogniser, torch.dtype, int], int]


def pass_memory(recogniser: Recogniser, dtype: torch.dtype, images: int) -> int:
    """Return the most bytes in use on a CUDA device during a pass with the gradient of its images."""
    device, size = recogniser.device, recogniser.input_size
    torch.cuda.reset_peak_memory_stats(device)
    batch = torch.zeros(images, 3, size, size, device=device).requires_grad_()
    with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
        embeddings = recogniser(batch)
    torch.autograd.grad(embeddings.sum(), batch)
    return torch.cuda.max_memory_allocated(device)


def total_memory(device: torch.device) -> int:
    """Return the bytes of a CUDA device, in use or not: the same card always gives the same number."""
    return int(torch.cuda.get_device_properties(device).total_memory)


def images_that_fit(
    recogniser: Recogniser,
    dtype: torch.dtype,
    *,
    least: int,
    memory: Memory = pass_memory,
    total: Callable[[torch.device], int] = total_memory,
) -> int:
    """Return the largest batch that a card's memory holds: a power of two, `least` or more, at most `MOST`.

    Args:
        recogniser: The frozen network, on a CUDA device.
        dtype: The floating-point type of its inner computation.
        least: The result where memory is shorter; a run halves its batches if they do not fit.
        memory: Measures a pass.
        total: Returns a device's memory.
    """
    small, large = (memory(recogniser, dtype, images) for images in (_SMALL, _LARGE))
    each = max(1.0, (large - small) / (_LARGE - _SMALL))
    fixed = max(0.0, small - _SMALL * each)
    room = (_PART * total(recogniser.device) - fixed) / (_OF_BARE * each)
    fitting = least
    while 2 * fitting <= min(room, MOST):
        fitting *= 2
    return fitting
