"""Networks that take fewer columns, or grey images, behind the square colour images that others take."""

import itertools

import torch
from torch import Tensor, nn

from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError, one_line

#: Columns of the rectangular faces that networks take, of aligned ones.
_COLUMNS = 96
#: Weights of red, green and blue in grey. Source: ITU-R BT.601, as in PIL's and OpenCV's conversions.
_LUMA = (0.299, 0.587, 0.114)


class CentreCrop(nn.Module):
    """Passes the middle of square images on to a network for rectangular ones.

    Faces of 112x96 pixels are aligned as those of 112x112 whose outer 8 columns are left out. Source:
    deepinsight/insightface, python-package/insightface/utils/face_align.py, which adds 8 to the columns of
    the 112x96 template.

    Args:
        network: The network.
        rows: Number of rows that it takes.
        columns: Number of columns that it takes.
    """

    def __init__(self, network: nn.Module, rows: int, columns: int) -> None:
        super().__init__()
        self.network = network
        self.rows, self.columns = rows, columns

    def forward(self, images: Tensor) -> Tensor:
        top, left = (images.shape[2] - self.rows) // 2, (images.shape[3] - self.columns) // 2
        return self.network(images[:, :, top : top + self.rows, left : left + self.columns])


class Grey(nn.Module):
    """Passes grey images, shape (batch, 1, h, w), on to a network for those."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        weights = torch.tensor(_LUMA, dtype=images.dtype).to(images.device, non_blocking=True)
        return self.network((images * weights[:, None, None]).sum(1, keepdim=True))


def fitted(network: nn.Module, size: int, name: str) -> nn.Module:
    """Return a network of which only the code is known, so that it takes square colour images.

    It is switched to evaluation mode. One that takes grey images, or 96 of 112 columns, is put behind what
    makes them; one that takes neither is returned as it is.

    Args:
        network: The network.
        size: Side of the square images in pixels.
        name: The network in error messages.

    Raises:
        InputError: If it takes a single image and not two at once.
    """
    network.eval()
    columns = size * _COLUMNS // ALIGNED_SIZE
    for is_grey, is_narrow in itertools.product((False, True), repeat=2):
        channels, width = 1 if is_grey else 3, columns if is_narrow else size
        error = _error_on(network, (2, channels, size, width))
        if error is not None and _error_on(network, (1, channels, size, width)) is None:
            raise InputError(
                f"{name}: expected a network that takes batches, got one that takes a single image and fails "
                f"on two ({one_line(error)}); change its code, such as x.view(1, -1) to x.flatten(1)"
            )
        if error is None:
            cropped = CentreCrop(network, size, columns) if is_narrow else network
            return Grey(cropped) if is_grey else cropped
    return network


@torch.no_grad()
def _error_on(network: nn.Module, shape: tuple[int, ...]) -> Exception | None:
    """Return the error of a pass of images of a shape; None if there is none."""
    values = next(itertools.chain(network.parameters(), network.buffers()), torch.zeros(0))
    try:
        network(torch.zeros(shape, device=values.device))
    except Exception as error:
        # The network may be anyone's, and raise anything.
        return error
    return None
