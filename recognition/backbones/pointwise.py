"""A convolution of 1x1 pixels that skips pixels before it, which is safe where few channels come in."""

import torch.nn.functional as F
from torch import Tensor, nn

#: Input channels of the block that oneDNN computes gradients of weights in, by the widest instructions.
_BLOCK = 16


class Pointwise(nn.Conv2d):
    """A 1x1 convolution with a stride, without bias.

    With fewer input channels than a block, channels_last images and a stride, oneDNN writes past its
    workspace when it computes the gradient of the weights: a crash, or wrong gradients in silence. Seen in
    PyTorch 2.14 with AVX-512; source: github.com/uxlfoundation/oneDNN/issues/6035. The same result comes from
    the pixels that the stride leaves, with a stride of one.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        stride: Every so many pixels are taken.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (the name of torch)
        if self.in_channels >= _BLOCK:
            return super().forward(input)
        across, down = self.stride[1], self.stride[0]
        return F.conv2d(input[:, :, ::down, ::across], self.weight)
