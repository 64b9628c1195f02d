"""The training of the upsampler: what it learns of made-up faces, and the photographs that it reads."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from recognition.appearance.upsampler_fitting import fit_upsampler, read_large_faces
from recognition.appearance.upsampling import noise_of, smooth
from recognition.errors import InputError
from recognition.images import write_png


def grainy_faces(count: int = 12) -> Tensor:
    """Return grey pictures with grain in their lower half."""
    generator = torch.Generator().manual_seed(0)
    faces = torch.full((count, 3, 224, 224), 128.0)
    faces += 20 * torch.randn(count, 3, 1, 1, generator=generator)
    faces[:, :, 112:] += 25 * torch.randn(count, 3, 112, 224, generator=generator)
    return faces.clamp(0, 255).to(torch.uint8)


def test_detail_is_learned_and_follows_from_the_seed() -> None:
    fitted, again = (fit_upsampler(grainy_faces(), steps=2, seed=3) for _ in range(2))
    for name, value in fitted.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    crops = torch.full((1, 3, 112, 112), 0.5)
    added = fitted(crops, noise_of([0])) - smooth(crops)
    # Of no detail, the training makes some.
    assert float(added.std()) > 1e-4


def test_faces_are_read_from_photographs(
    tmp_path: Path, astronaut: NDArray[np.uint8], astronaut_crop: NDArray[np.uint8]
) -> None:
    photograph, nobody, aligned = (tmp_path / name for name in ("a.png", "b.png", "c.png"))
    write_png(photograph, astronaut)
    write_png(nobody, np.zeros((64, 64, 3), np.uint8))
    write_png(aligned, astronaut_crop)
    found = read_large_faces([photograph, nobody])
    assert found.shape == (1, 3, 224, 224)
    assert found.dtype == torch.uint8
    # The same part of the photograph as the crop shows.
    small = torch.nn.functional.avg_pool2d(found[0].float(), 2).permute(1, 2, 0).numpy()
    assert np.abs(small - astronaut_crop).mean() < 8
    with pytest.raises(InputError, match=r"c\.png: expected a photograph, got an aligned crop"):
        read_large_faces([aligned])
    with pytest.raises(InputError, match="expected faces, found none in 1"):
        read_large_faces([nobody])
