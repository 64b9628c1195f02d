"""Networks that take fewer columns, or grey images, behind the square colour images that others take."""

import torch
from torch import Tensor, nn

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
