"""Coefficients along the principal components of public faces."""

import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert.inversion.parametrisations.base import AugmentationStrength, Parametrisation
from arcinvert.knowledge.face_pca import left_halves, load_face_pca, pca_coefficients_of


class FacePCA(Parametrisation):
    """The mean public face plus its principal components, in units of their standard deviation.

    The images are smooth, and always faces with natural colours, which no network enforces by itself.

    Source: Turk and Pentland, Journal of Cognitive Neuroscience 3(1), 1991.
    """

    learning_rate = 0.1
    # Smooth images cannot have the statistics of sharp ones.
    activation_penalty_factor = 0.1
    # They have no fringes, and a higher weight makes skin grey (benchmarks/faults.py). They stay faces
    # without statistics of activations, which take a fifth of the time and gain nothing
    # (benchmarks/ablation.py).
    penalty_weights = {"colour-tv": 1.0, "bn": 0.0}  # noqa: RUF012  (never changed)
    # Smooth images lose no detail under strong augmentation; with it, and with features dropped, more of the
    # person holds for a network that was not attacked.
    augmentation = AugmentationStrength(shift=6, scale=0.15, feature_dropout=0.4)
    # Weaker where something of the person is known.
    augmentation_near = AugmentationStrength(shift=4, scale=0.1)
    # The similarity to another photograph is no higher after 100 (docs/results.md). From one face all
    # restarts end at the same image.
    steps = 50
    restarts = 1
    of_public_faces = True
    has_coefficients = True

    def __init__(self, start: Tensor) -> None:
        self._size = list(start.shape[-2:])
        mean, _, deviations = (tensor.to(start) for tensor in load_face_pca())
        self._mean = mean
        # A component is its own mirror image, or the negative of it: both halves of a face are made of the
        # left halves of the components, which takes half the memory and half the time.
        halves, parity = left_halves()
        halves = halves.to(start) * deviations[:, None, None, None]
        # Found in main memory: their number must not be read of a device.
        self._even, self._odd = (
            torch.nonzero(parity == sign).squeeze(1).to(start.device) for sign in (1, -1)
        )
        self._even_halves, self._odd_halves = (halves[one].flatten(1) for one in (self._even, self._odd))
        self._half_shape = halves.shape[1:]
        coefficients = pca_coefficients_of(start.detach())
        # Bicubic enlargement as a matrix: two small products take a fifth of the time of the kernel.
        side = mean.shape[-1]
        unit = torch.eye(side, device=start.device, dtype=start.dtype)[None, None]
        self._rows, self._columns = (
            F.interpolate(unit, (size, side), mode="bicubic")[0, 0] for size in self._size
        )
        self._coefficients = coefficients.requires_grad_()

    @property
    def parameters(self) -> list[Tensor]:
        return [self._coefficients]

    @property
    def pca_coefficients(self) -> Tensor:
        return self._coefficients

    def images(self) -> Tensor:
        even, odd = (
            (self._coefficients[:, numbers] @ halves).unflatten(1, self._half_shape)
            for numbers, halves in ((self._even, self._even_halves), (self._odd, self._odd_halves))
        )
        small = torch.cat([even + odd, (even - odd).flip(-1)], -1) + self._mean
        images = self._rows @ small @ self._columns.T
        return images.contiguous(memory_format=torch.channels_last)
