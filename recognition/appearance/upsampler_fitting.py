"""Training of the upsampler on photographs: their faces at 224 pixels from what an attack would show of them.

Faces of attacks are smoother than photographs. Their likes are made of photographs: projected on the first
principal components of all faces, mixed with the blurred photograph, at half a crop's side. What was lost
cannot be predicted pixel by pixel, and what is best on average is a blur. So the loss compares, band by band,
how strong detail is around each place: the root mean square and the mean magnitude, whose ratio says whether
detail is lines or grain. A smaller part compares pixels, so that lines are where they were. There is no
discriminator.

Source: statistics of bands of detail as the description of texture, Portilla and Simoncelli, International
Journal of Computer Vision 40(1), 2000.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from recognition.appearance.upsampling import COARSE_SIZE, LARGE_SIZE, Upsampler, noise_of
from recognition.detection.alignment import ALIGNED_SIZE, crop_at
from recognition.detection.search import find_face
from recognition.errors import InputError, NoFaceError
from recognition.images import read_image
from recognition.seeds import derive_seed

#: Steps, parts of images in each, their side in pixels, and the highest learning rate of Adam.
STEPS, BATCH, PART, LEARNING_RATE = 600, 8, 128, 2e-3
#: Steps in which the learning rate rises.
_WARM_UP = 20
#: The weight of the comparison by pixels.
_BY_PIXELS = 0.3
#: Bands of detail, each of half the frequencies of the one before; the first has the finest of 224 pixels.
_BANDS = 2
#: Side of the neighbourhood in which the strength of detail is compared, pixels of 224.
_NEIGHBOURHOOD = 16
#: Components of a projection, the part of it in the mixture, and the standard deviation of the blur in pixels
#: of 56: each is drawn between these.
_COMPONENTS, _PROJECTED, _BLUR = (30, 200), (0.6, 1.0), (0.3, 0.9)
#: RGB to lightness and two differences of colour (ITU-R BT.601).
_COLOURS = torch.tensor([[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]])


def read_large_faces(paths: Sequence[Path]) -> Tensor:
    """Return the faces in photographs, uint8, shape (faces, 3, 224, 224); those without a face are skipped.

    Raises:
        InputError: If a file is no image, or an aligned crop, or no photograph has a face.
    """
    found = []
    for path in tqdm(paths, desc="align", unit="face", leave=False, delay=1):
        photograph = read_image(path)
        if photograph.shape[:2] == (ALIGNED_SIZE, ALIGNED_SIZE):
            raise InputError(
                f"{path}: expected a photograph, got an aligned crop, which has no detail for larger "
                "pictures; give the folder that was aligned"
            )
        try:
            face = find_face(photograph, name=str(path), pick="central")
        except NoFaceError:
            continue
        found.append(torch.from_numpy(crop_at(photograph, face, LARGE_SIZE).copy()).permute(2, 0, 1))
    if not found:
        raise InputError(f"photographs: expected faces, found none in {len(paths)}; give other photographs")
    return torch.stack(found)


def fit_upsampler(faces: Tensor, *, steps: int = STEPS, seed: int = 0) -> Upsampler:
    """Return an upsampler that was trained on faces.

    Args:
        faces: uint8, shape (faces, 3, 224, 224).
        steps: The number of steps.
        seed: The seed of all random numbers.
    """
    generator = np.random.default_rng(derive_seed(seed, "upsampler"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "weights of the upsampler"))
        upsampler = Upsampler()
    smoothed = _SmoothedFaces(faces)
    optimiser = torch.optim.Adam(upsampler.parameters(), LEARNING_RATE, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser,
        lambda step: min(1.0, (step + 1) / _WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps)),
    )
    for _ in tqdm(range(steps), desc="train", unit="step", leave=False, delay=1):
        rows = torch.from_numpy(generator.integers(0, len(faces), BATCH))
        # The upsampler is convolutional: parts of faces teach it in less time.
        top, left = (4 * generator.integers(0, (LARGE_SIZE - PART) // 4 + 1, 2)).tolist()
        photographs = faces[rows, :, top : top + PART, left : left + PART].float() / 255
        half = slice(top // 2, (top + PART) // 2), slice(left // 2, (left + PART) // 2)
        crops = smoothed.crops(rows, generator)[:, :, *half]
        if generator.random() < 0.5:
            photographs, crops = photographs.flip(-1), crops.flip(-1)
        noise = noise_of(generator.integers(0, 2**62, BATCH).tolist())[..., : PART // 4, : PART // 4]
        loss = _loss(upsampler(crops, noise), photographs)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(upsampler.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    return upsampler.requires_grad_(False).eval()


class _SmoothedFaces:
    """Makes of photographs what faces of attacks are like.

    Args:
        faces: uint8, shape (faces, 3, 224, 224).
    """

    def __init__(self, faces: Tensor) -> None:
        parts = [F.avg_pool2d(part.float() / 255, LARGE_SIZE // COARSE_SIZE) for part in faces.split(256)]
        self._small = torch.cat(parts)
        flat = self._small.flatten(1)
        self._mean = flat.mean(0)
        most = min(_COMPONENTS[1], len(flat))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            _, _, components = torch.pca_lowrank(flat - self._mean, most, center=False, niter=1)
        self._components = components

    def crops(self, rows: Tensor, generator: np.random.Generator) -> Tensor:
        """Return crops, shape (len(rows), 3, 112, 112), of some of the faces."""
        most = self._components.shape[1]
        count = int(generator.integers(min(_COMPONENTS[0], most - 1), most))
        components = self._components[:, :count]
        small = self._small[rows]
        projected = (small.flatten(1) - self._mean) @ components @ components.T + self._mean
        share = float(generator.uniform(*_PROJECTED))
        blurred = _blurred(small, float(generator.uniform(*_BLUR)))
        mixed = share * projected.view_as(small) + (1 - share) * blurred
        return F.interpolate(mixed, scale_factor=2, mode="bicubic").clamp(0, 1)


def _blurred(images: Tensor, deviation: float) -> Tensor:
    """Return images after a Gaussian blur of some pixels, of at most one."""
    line = torch.exp(-torch.arange(-3.0, 4.0).square() / (2 * deviation**2))
    kernel = torch.outer(line, line)[None, None] / line.sum() ** 2
    channels = F.pad(images, (3, 3, 3, 3), mode="replicate").flatten(0, 1)[:, None]
    return F.conv2d(channels, kernel).view_as(images)


def _loss(images: Tensor, photographs: Tensor) -> Tensor:
    """Return how far the detail of images is from that of photographs, both (batch, 3, 224, 224)."""
    loss = images.new_zeros(())
    for level, (found, wanted) in enumerate(zip(_bands(images), _bands(photographs), strict=True)):
        # Each band and colour counts alike.
        scale = wanted.square().mean((0, 2, 3), keepdim=True).add(1e-7).sqrt()
        found, wanted = found / scale, wanted / scale
        for own, of_photographs in zip(_strength(found, level), _strength(wanted, level), strict=True):
            loss = loss + (own - of_photographs).square().mean()
        loss = loss + _BY_PIXELS * (found - wanted).abs().mean()
    return loss


def _bands(images: Tensor) -> list[Tensor]:
    """Return what each halving of the side loses, as lightness and two differences of colour."""
    rest = torch.einsum("ij,bjhw->bihw", _COLOURS, images)
    bands = []
    for _ in range(_BANDS):
        halved = F.avg_pool2d(rest, 2)
        bands.append(rest - F.interpolate(halved, scale_factor=2, mode="bilinear"))
        rest = halved
    return bands


def _strength(band: Tensor, level: int) -> tuple[Tensor, Tensor]:
    """Return the root mean square and the mean magnitude of a band around each place."""
    side = _NEIGHBOURHOOD >> level
    squares = F.avg_pool2d(band.square(), side, side // 2)
    return squares.add(1e-4).sqrt(), F.avg_pool2d(band.abs(), side, side // 2)
