"""Net2WiderNet: a network of more channels that computes what a narrower one does.

Source: Chen, Goodfellow, Shlens, Net2Net, arXiv:1511.05641, section 3.2.
"""

import torch
from torch import Tensor

from recognition.backbones.iresnet import LAST_MAP_SIZE, IResNet
from recognition.errors import InputError

#: Deviation of the noise that tells copies apart, in deviations of the weights it is added to.
NOISE = 0.5


def widen(narrow: IResNet, wide: IResNet, *, seed: int, noise: float = NOISE) -> None:
    """Give `wide` weights with which it computes what `narrow` does, whatever the noise.

    Channel j of the wide network is a copy of channel j modulo their number in the narrow one. The rule
    knows sizes alone, so that both sides of a residual connection agree. What reads a channel divides its
    weights among the copies. The paper adds small noise, without which copies would have equal gradients
    for ever; here the noise of the copies of a channel sums to zero, and so changes no output.

    Args:
        seed: of the noise; noise: its deviation, as of `NOISE`; 0 leaves it out.

    Raises:
        InputError: another depth or embedding size, or fewer channels.
    """
    old, new = narrow.state_dict(), wide.state_dict()
    if old.keys() != new.keys() or narrow.embedding_size != wide.embedding_size:
        raise InputError(
            "widening: expected networks of one depth and embedding size, got others; choose its --network "
            "and --embedding-size"
        )
    if any(a > b for key in old for a, b in zip(old[key].shape, new[key].shape, strict=True)):
        raise InputError("widening: expected at least as many channels, got fewer; use a larger --width")
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for key, value in old.items():
            new[key].copy_(_widened(value.cpu(), new[key].shape, generator, noise))


def _widened(old: Tensor, shape: torch.Size, generator: torch.Generator, noise: float) -> Tensor:
    if not old.ndim:
        return old
    rows = old[torch.arange(shape[0]) % old.shape[0]]
    if old.ndim == 1:
        return rows
    # Weights of a convolution read channels; those of the last layer a whole map of each.
    places = LAST_MAP_SIZE**2 if old.ndim == 2 else 1
    rows = rows.reshape(shape[0], old.shape[1] // places, -1)
    channels = torch.arange(shape[1] // places) % rows.shape[1]
    copies = torch.bincount(channels)[None, :, None]
    shares = (rows / copies)[:, channels]
    if noise:
        drawn = torch.randn(shares.shape, generator=generator, dtype=shares.dtype) * shares.std() * noise
        means = torch.zeros_like(rows).index_add_(1, channels, drawn) / copies
        shares = shares + drawn - means[:, channels]
    return shares.reshape(shape)
