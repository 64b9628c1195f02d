"""A learned decoder from templates to faces.

It is the linear regression of faces on templates (`FaceRegression`) plus the residual of a small
convolutional network: untrained, it is that regression exactly. The regression is smooth; the residual adds
what a linear map and 56 pixels cannot show. It is trained with the attacked network (arcinvert/learning), and
serves alone, as an initialisation and as a parametrisation.

Each level of the network is modulated by a code. All codes are the whitened template at first; a
parametrisation may then change the code of each level by itself.

Source: Abdal, Qin and Wonka, Image2StyleGAN, arXiv:1904.03189, for a code of its own for each level.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcinvert.knowledge.face_pca import faces_of
from arcinvert.knowledge.public_photographs import PublicPhotographs
from arcinvert.knowledge.regression import FaceRegression
from arcinvert.knowledge.whitening import Whitening
from recognition.images import resized

#: The side of the first feature map, pixels.
START = 7
#: Channels of each level, at 7, 14, 28 and 56 pixels; the faces have 112.
CHANNELS = (96, 64, 32, 16)
#: The negative slope of the activations.
_SLOPE = 0.2
#: The filter of the image that the last level gives, along each axis.
_BINOMIAL = (1.0, 4.0, 6.0, 4.0, 1.0)
#: What a file may declare at most, so that a damaged one does not take all memory.
_MOST_LEVELS, _MOST_CHANNELS = 6, 1024


class FaceDecoder(nn.Module):
    """The map from templates to faces.

    Args:
        regression: The linear map that it begins as.
        whitening: From templates to codes.
        channels: The channels of each level; each level doubles the side.
        faces: What it is trained on, such as `6,124 public faces`.
        photographs: The list of the photographs that it is trained on; None if it is not known.

    Raises:
        ValueError: If the parts do not fit together.
    """

    template: Tensor
    pca_coefficients: Tensor
    matrix: Tensor
    code_mean: Tensor
    code_matrix: Tensor

    def __init__(
        self,
        regression: FaceRegression,
        whitening: Whitening,
        *,
        channels: tuple[int, ...] = CHANNELS,
        faces: str = "",
        photographs: PublicPhotographs | None = None,
    ) -> None:
        super().__init__()
        if not 0 < len(channels) <= _MOST_LEVELS or not all(0 < one <= _MOST_CHANNELS for one in channels):
            raise ValueError(f"channels {channels}")
        dim = len(regression.template)
        if whitening.mean.shape != (dim,) or whitening.matrix.shape != (dim, dim):
            raise ValueError(f"a whitening of {tuple(whitening.matrix.shape)}")
        self.channels = channels
        self.faces = faces
        self.photographs = photographs
        self.register_buffer("template", regression.template.float())
        self.register_buffer("pca_coefficients", regression.pca_coefficients.float())
        self.register_buffer("matrix", regression.matrix.float())
        self.register_buffer("code_mean", whitening.mean.float())
        self.register_buffer("code_matrix", whitening.matrix.float())
        self.first = nn.Linear(dim, channels[0] * START**2)
        levels = [Level(dim, inner, outer) for inner, outer in zip(channels, (*channels[1:], 3), strict=True)]
        self.levels = nn.ModuleList(levels)
        for parameter in levels[-1].enlarge.parameters():
            nn.init.zeros_(parameter)

    @property
    def side(self) -> int:
        """The side of its faces, pixels."""
        return int(START * 2 ** len(self.levels))

    @property
    def shows_people(self) -> bool:
        """Whether it is trained on photographs, which may be of attacked people."""
        return not self.faces.endswith("synthetic faces")

    @property
    def dim(self) -> int:
        """The number of dimensions of the templates."""
        return len(self.template)

    def codes(self, templates: Tensor) -> Tensor:
        """Return the codes of unit-norm templates, (batch, dim), shape (batch, levels, dim).

        Each is the whitened template, whose components vary about 1 over faces.
        """
        whitened = Whitening(self.code_mean, self.code_matrix)(templates) * self.dim**0.5
        return whitened[:, None].expand(-1, len(self.levels), -1)

    def base_coefficients(self, templates: Tensor) -> Tensor:
        """Return the face PCA coefficients of the regression, (batch, n), of templates, (batch, dim)."""
        return self.pca_coefficients + (templates - self.template) @ self.matrix

    def residual(self, codes: Tensor) -> Tensor:
        """Return what is added to the regression's faces, (batch, 3, side, side), of codes of each level."""
        maps = self.first(codes[:, 0]).unflatten(1, (START, START, -1)).permute(0, 3, 1, 2)
        for level, code in zip(self.levels, codes.unbind(1), strict=True):
            maps = level(maps, code)
        return maps

    def base(self, coefficients: Tensor, side: int) -> Tensor:
        """Return faces of face PCA coefficients, (batch, n), enlarged to (batch, 3, side, side)."""
        return F.interpolate(faces_of(coefficients), side, mode="bicubic")

    def forward(self, templates: Tensor) -> Tensor:
        """Return faces of unit-norm templates, (batch, dim).

        Their shape is (batch, 3, side, side); they may leave [0, 1] slightly.
        """
        base = self.base(self.base_coefficients(templates), self.side)
        return base + self.residual(self.codes(templates))

    @torch.no_grad()
    def decoded(self, templates: Tensor, size: int) -> Tensor:
        """Return faces in [0, 1], (batch, 3, size, size), of unit-norm templates, (batch, dim)."""
        return resized(self(templates.to(self.template)).clamp(0, 1), size)

    def like(self, tensor: Tensor) -> "FaceDecoder":
        """Return the same decoder on a tensor's device and of its type."""
        if (tensor.device, tensor.dtype) == (self.template.device, self.template.dtype):
            return self
        return copy.deepcopy(self).to(tensor.device, tensor.dtype)


class Level(nn.Module):
    """One level: a modulated residual convolution, then twice the side by sub-pixel convolution.

    Args:
        dim: The number of dimensions of the code.
        inner: Channels of its input.
        outer: Channels of its output; 3 are an image, without activation.

    Source: Shi et al., arXiv:1609.05158, for the enlargement; Perez et al., FiLM, arXiv:1709.07871, for the
    modulation.
    """

    def __init__(self, dim: int, inner: int, outer: int) -> None:
        super().__init__()
        self._is_image = outer == 3
        self.modulation = nn.Linear(dim, 2 * inner)
        self.convolution = nn.Conv2d(inner, inner, 3, padding=1)
        self.enlarge = nn.Conv2d(inner, 4 * outer, 3, padding=1)
        # Codes have unit variance: modulations begin near one and zero.
        nn.init.normal_(self.modulation.weight, std=0.1 * dim**-0.5)
        nn.init.zeros_(self.modulation.bias)
        for convolution in (self.convolution, self.enlarge):
            for name, parameter in convolution.named_parameters():
                if name == "bias":
                    nn.init.zeros_(parameter)
                else:
                    nn.init.kaiming_normal_(parameter, _SLOPE)

    def forward(self, maps: Tensor, code: Tensor) -> Tensor:
        """Return maps, (batch, outer, 2 h, 2 w), of maps, (batch, inner, h, w), and codes, (batch, dim)."""
        factors, offsets = self.modulation(code)[:, :, None, None].chunk(2, 1)
        found = self.convolution(maps)
        maps = (maps + F.leaky_relu(found * (1 + factors) + offsets, _SLOPE)) * 0.5**0.5
        enlarged = F.pixel_shuffle(self.enlarge(maps), 2)
        return smoothed(enlarged) if self._is_image else F.leaky_relu(enlarged, _SLOPE)


def smoothed(images: Tensor) -> Tensor:
    """Return images, (batch, 3, h, w), without the finest pattern.

    A sub-pixel convolution draws grids of single pixels easily, and these move a network's embedding while
    nobody sees a face in them.
    """
    line = images.new_tensor(_BINOMIAL)
    line = line / line.sum()
    kernel = (line[:, None] * line).expand(images.shape[1], 1, -1, -1)
    edge = len(_BINOMIAL) // 2
    return F.conv2d(F.pad(images, (edge,) * 4, "replicate"), kernel, groups=images.shape[1])
