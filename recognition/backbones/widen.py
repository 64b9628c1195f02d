"""Net2WiderNet: initialise a wider network so that it computes the same function as a narrower one.

Source: Chen, Goodfellow, Shlens, Net2Net, arXiv:1511.05641, section 3.2.
"""

import torch
from torch import Tensor

from recognition.backbones.iresnet import LAST_MAP_SIZE, IResNet
from recognition.errors import InputError

#: Standard deviation of the noise that makes copied channels differ, relative to that of the weights.
NOISE = 0.5


def widen(narrow: IResNet, wide: IResNet, *, seed: int, noise: float = NOISE) -> None:
    """Set the weights of `wide` so that it computes the same function as `narrow`.

    Channel j of the wide network is a copy of channel j modulo the number of channels in the narrow one.
    This rule depends on sizes alone, so that both sides of a residual connection agree. A layer that reads
    a copied channel divides its weight among the copies. As in the paper, noise makes the copies differ,
    because they would otherwise have equal gradients throughout training. Here the noise of a channel's
    copies sums to zero, so that no output changes.

    Args:
        narrow: The network to copy.
        wide: The network to set; unchanged if an error is raised.
        seed: Seed of the noise.
        noise: Standard deviation of the noise relative to that of the weights; 0 adds none.

    Raises:
        InputError: If the depth or the embedding size differ, or `wide` has fewer channels.
    """
    old, new = narrow.state_dict(), wide.state_dict()
    if old.keys() != new.keys() or narrow.embedding_size != wide.embedding_size:
        raise InputError(
            "widening: expected networks of the same depth and embedding size, got different ones; use the "
            "--network and --embedding-size of the narrower network"
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
    # A convolution has one group of weights per channel; the last layer has one per position of its map.
    positions = LAST_MAP_SIZE**2 if old.ndim == 2 else 1
    rows = rows.reshape(shape[0], old.shape[1] // positions, -1)
    channels = torch.arange(shape[1] // positions) % rows.shape[1]
    copies = torch.bincount(channels)[None, :, None]
    shares = (rows / copies)[:, channels]
    if noise:
        drawn = torch.randn(shares.shape, generator=generator, dtype=shares.dtype) * shares.std() * noise
        means = torch.zeros_like(rows).index_add_(1, channels, drawn) / copies
        shares = shares + drawn - means[:, channels]
    return shares.reshape(shape)
