"""LPIPS, where it and its backbone are at hand; nothing is downloaded."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recognition.images import to_tensor

#: The backbone's file in torch's cache, as torchvision names it.
_BACKBONE = "alexnet-owt-7be5be79.pth"

#: Distances, (images,), of two stacks of uint8 NHWC images.
Distance = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float64]]


def find_lpips() -> tuple[Distance | None, str | None]:
    """LPIPS (AlexNet) of two images, or the reason why it is left out.

    Source: Zhang et al., arXiv:1801.03924.
    """
    if importlib.util.find_spec("lpips") is None:
        return None, "LPIPS left out: the package lpips is not installed (pip install 'arcinvert[lpips]')"
    path = Path(torch.hub.get_dir()) / "checkpoints" / _BACKBONE
    if not path.is_file():
        return None, f"LPIPS left out: its backbone {_BACKBONE} is not in torch's cache ({path.parent})"
    import lpips

    network = lpips.LPIPS(net="alex", verbose=False).eval()

    @torch.no_grad()
    def distance(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
        return network(to_tensor(first) * 2 - 1, to_tensor(second) * 2 - 1).flatten().double().numpy()

    return distance, None
