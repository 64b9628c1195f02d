"""Images compared as images: SSIM, and LPIPS where it and its backbone are installed."""

import importlib.util
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from recognition.images import to_tensor

#: The backbone's file in torch's cache, as torchvision names it.
_BACKBONE = "alexnet-owt-7be5be79.pth"
#: SSIM's window (standard deviation and side, pixels) and its constants for values in 0..255.
_SSIM_SIGMA, _SSIM_SIDE = 1.5, 11
_SSIM_C1, _SSIM_C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

#: Distances, shape (images,), of two stacks of uint8 NHWC images.
Distance = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float64]]


def find_lpips() -> tuple[Distance | None, str | None]:
    """Return LPIPS (AlexNet), or the reason why it is left out; nothing is downloaded.

    Source: Zhang et al., arXiv:1801.03924.
    """
    if importlib.util.find_spec("lpips") is None:
        return None, "LPIPS is left out: the package lpips is not installed (pip install 'arcinvert[lpips]')"
    path = Path(torch.hub.get_dir()) / "checkpoints" / _BACKBONE
    if not path.is_file():
        return None, f"LPIPS is left out: its backbone {_BACKBONE} is not in torch's cache ({path.parent})"
    import lpips

    network = lpips.LPIPS(net="alex", verbose=False).eval()

    @torch.no_grad()
    def distance(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> NDArray[np.float64]:
        return network(to_tensor(first) * 2 - 1, to_tensor(second) * 2 - 1).flatten().double().numpy()

    return distance, None


def ssim(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    """Return the structural similarity of two images, the mean over pixels and channels; 1 for equal ones.

    Args:
        first: uint8, shape (height, width, channels).
        second: Of the same shape.

    Source: Wang et al., IEEE TIP 13(4), 2004: Gaussian window of 11 pixels, population statistics.
    """
    x, y = first.astype(np.float64), second.astype(np.float64)
    mean_x, mean_y = _windowed(x), _windowed(y)
    variance_x, variance_y = _windowed(x * x) - mean_x**2, _windowed(y * y) - mean_y**2
    covariance = _windowed(x * y) - mean_x * mean_y
    luminance = (2 * mean_x * mean_y + _SSIM_C1) / (mean_x**2 + mean_y**2 + _SSIM_C1)
    structure = (2 * covariance + _SSIM_C2) / (variance_x + variance_y + _SSIM_C2)
    return float((luminance * structure).mean())


def _windowed(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return Gaussian means, only where the whole window lies in the image."""
    offsets = np.arange(_SSIM_SIDE) - _SSIM_SIDE // 2
    weights = np.exp(-(offsets**2) / (2 * _SSIM_SIGMA**2))
    weights /= weights.sum()
    for axis in (0, 1):
        values = np.lib.stride_tricks.sliding_window_view(values, _SSIM_SIDE, axis) @ weights
    return values
