"""Training of the guide on aligned faces, with labels by landmarks."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from tqdm import tqdm

from recognition.appearance.guide import Guide, Labels, luminance, mirrored_labels
from recognition.appearance.measures import ATTRIBUTES, landmarks, measure
from recognition.data.folders import read_folders
from recognition.errors import InputError
from recognition.images import read_image, to_tensor
from recognition.seeds import derive_seed

#: The share of the people whose faces only measure the guide.
_VALIDATION = 0.1
#: Fewest faces, with which neither part is empty and percentiles mean something.
FEWEST = 100
_BATCH, _WEIGHT_DECAY, _WARM_UP = 64, 1e-3, 0.1
LEARNING_RATE = 2e-3
#: Augmentation: shift in widths of the image, change of size, turn in radians, noise of pixels in [0, 1].
_SHIFT, _SCALE, _TURN, _NOISE = 0.03, 0.04, 0.05, 0.03


@dataclass(frozen=True)
class LabelledFaces:
    """Faces with the numbers of `ATTRIBUTES`.

    Args:
        pictures: Shape (faces, 1, 56, 56), what the guide sees of them.
        values: Shape (faces, 5).
        people: The name of each face's person.
    """

    pictures: Tensor
    values: Tensor
    people: Sequence[str]


def drawn_faces(
    aligned: Path,
    count: int,
    *,
    seed: int,
    without: Sequence[str] = (),
    reserved: dict[str, str] | None = None,
) -> list[Path]:
    """Return aligned photographs of a folder of one folder per person, drawn at random.

    Args:
        aligned: The folder.
        count: The number of photographs; all that there are, if they are fewer.
        seed: The seed of the draw.
        without: People to leave out.
        reserved: The name of a file to leave out, by person.

    Raises:
        InputError: If there are too few.
    """
    left_out, reserved = set(without), reserved or {}
    paths = [
        path
        for name, files in read_folders(aligned).items()
        for path in files
        if name not in left_out and reserved.get(name) != path.name
    ]
    if len(paths) < FEWEST:
        raise InputError(
            f"{aligned}: expected at least {FEWEST} faces to train a guide on, found {len(paths)}; give more"
        )
    order = np.random.default_rng(derive_seed(seed, "faces of the guide")).permutation(len(paths))
    return [paths[index] for index in order[:count]]


def labelled(paths: Sequence[Path]) -> LabelledFaces:
    """Return faces with what their landmarks say, from aligned photographs in folders of their people.

    Raises:
        InputError: If a file is not an aligned face.
    """
    pictures, values = [], []
    for path in tqdm(paths, desc="label", unit="face", leave=False, delay=1):
        crop = read_image(path)
        try:
            values.append(measure(landmarks(crop)))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        pictures.append(luminance(to_tensor(crop)[None]))
    people = [path.parent.name for path in paths]
    return LabelledFaces(torch.cat(pictures), torch.from_numpy(np.stack(values)).float(), people)


@dataclass(frozen=True)
class Validation:
    """What a guide predicts on faces of people outside its training.

    Args:
        faces: The number of faces.
        error: The mean absolute error of each number, in its own unit, by attribute.
        correlation: The correlation with the labels, by attribute.
    """

    faces: int
    error: dict[str, float]
    correlation: dict[str, float]


def train_guide(faces: LabelledFaces, *, epochs: int, seed: int) -> tuple[Guide, Validation]:
    """Train a guide, and measure it on a tenth of the people, who are not in the training.

    Rare poses and expressions are drawn more often. The images are shifted, turned, mirrored, coarsened and
    given noise at random, as the images of an attack are smoother than photographs.

    Args:
        faces: At least `FEWEST` faces of at least ten people.
        epochs: How often as many faces as there are, are drawn.
        seed: The seed of all random numbers.
    """
    generator = torch.Generator().manual_seed(derive_seed(seed, "guide"))
    trained, validated = _split(faces.people, seed)
    values = faces.values
    labels = Labels.of(torch.cat([values[trained], mirrored_labels(values[trained])]))
    normalised = (values - labels.mean) / labels.deviation
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "weights of the guide"))
        guide = Guide(labels)
    optimiser = torch.optim.AdamW(guide.parameters(), lr=LEARNING_RATE, weight_decay=_WEIGHT_DECAY)
    steps = max(1, epochs * len(trained) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, LEARNING_RATE, total_steps=steps + 1, pct_start=_WARM_UP
    )
    rarity = 1 + normalised[trained].square().clamp(max=9).mean(1)
    for _ in tqdm(range(steps), desc="train", unit="step", leave=False, delay=1):
        drawn = trained[torch.multinomial(rarity, _BATCH, replacement=True, generator=generator)]
        pictures, aimed = faces.pictures[drawn], normalised[drawn]
        mirrored = torch.rand(_BATCH, generator=generator) < 0.5
        pictures = torch.where(mirrored[:, None, None, None], pictures.flip(-1), pictures)
        # The mean yaw of labels and of their mirror images is zero.
        aimed = torch.where(mirrored[:, None], mirrored_labels(aimed), aimed)
        loss = F.smooth_l1_loss(guide.of_luminance(_augmented(pictures, generator)), aimed)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
    guide.eval().requires_grad_(False)
    return guide, _validate(guide, faces, validated)


def _split(people: Sequence[str], seed: int) -> tuple[Tensor, Tensor]:
    """Return the indices of the faces to train on and of those of other people, to validate on."""
    names = sorted(set(people))
    order = np.random.default_rng(derive_seed(seed, "people of the guide")).permutation(len(names))
    out = {names[index] for index in order[: max(1, round(_VALIDATION * len(names)))]}
    outside = torch.tensor([name in out for name in people])
    return torch.nonzero(~outside)[:, 0], torch.nonzero(outside)[:, 0]


def _augmented(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Return pictures that are shifted, resized, turned, coarsened and noisy at random."""
    count = len(pictures)

    def uniform(*shape: int) -> Tensor:
        return 2 * torch.rand(count, *shape, generator=generator) - 1

    turn, scale = _TURN * uniform(), 1 + _SCALE * uniform()
    cosine, sine = scale * turn.cos(), scale * turn.sin()
    shift = 2 * _SHIFT * uniform(2)
    matrices = torch.stack(
        [
            torch.stack([cosine, -sine, shift[:, 0]], 1),
            torch.stack([sine, cosine, shift[:, 1]], 1),
        ],
        1,
    )
    grid = F.affine_grid(matrices, list(pictures.shape), align_corners=False)
    moved = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    coarse = F.interpolate(F.avg_pool2d(moved, 2), moved.shape[-2:], mode="bilinear")
    # Half of them at most: lids and lips are of few pixels.
    moved = torch.lerp(moved, coarse, 0.5 * torch.rand(count, 1, 1, 1, generator=generator))
    strength = _NOISE * torch.rand(count, 1, 1, 1, generator=generator)
    return moved + strength * torch.randn(moved.shape, generator=generator)


@torch.no_grad()
def _validate(guide: Guide, faces: LabelledFaces, rows: Tensor) -> Validation:
    # Grey images: their luminance is what the guide sees.
    images = faces.pictures[rows].expand(-1, 3, -1, -1)
    found = torch.cat([guide.values(part) for part in images.split(_BATCH)]).numpy()
    known = faces.values[rows].numpy()
    return Validation(
        len(rows),
        {name: float(np.abs(found - known)[:, place].mean()) for place, name in enumerate(ATTRIBUTES)},
        {
            name: float(np.corrcoef(found[:, place], known[:, place])[0, 1])
            for place, name in enumerate(ATTRIBUTES)
        },
    )
