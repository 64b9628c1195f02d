"""Deformations from aligned photographs, by where dlib's landmarks are on them.

The landmarks of faces that show a pose or an expression are averaged, and so are those of faces that look
into the camera. A thin-plate spline from the ones to the others is the flow (Bookstein, IEEE Transactions on
Pattern Analysis and Machine Intelligence 11(6), 1989). Each photograph counts with its mirror image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.interpolate import RBFInterpolator
from torch import Tensor
from tqdm import tqdm

from recognition.appearance.change import SIDE, Change
from recognition.appearance.deformations import Deformation, Deformations, Flows
from recognition.appearance.expressions import RULES, Expression, Rule
from recognition.appearance.measures import ATTRIBUTES, LANDMARKS_MIRRORED, Attribute, landmarks, measure
from recognition.data.folders import read_folders
from recognition.detection.alignment import ALIGNED_SIZE
from recognition.errors import InputError
from recognition.images import read_image, to_tensor
from recognition.seeds import derive_seed

#: Angles that flows are fitted for, degrees. Turns to the left are mirror images.
YAWS, PITCHES = (10.0, 20.0, 30.0, 40.0), (-24.0, -16.0, -8.0, 8.0, 16.0, 24.0)
#: Fewest photographs, and fewest that show what a deformation is fitted for, mirror images counted.
FEWEST, FEWEST_ALIKE = 100, 10
#: Standard deviations of the weights of faces by their angles, degrees: around the wanted angle, around zero
#: for faces that look into the camera, and around zero about an axis that a deformation leaves alone.
_NEAR, _FRONTAL, _ANY = 3.0, 4.0, 8.0
#: How far a spline may miss its points: lets it stay smooth where landmarks are less than a pixel apart.
_SMOOTHING = 1.0
#: Points beyond the crop that stay where they are, pixels.
_OUTSIDE = np.linspace(-14, 125, 7)
#: Centres of the pixels of 56 along an axis, in pixels of 112 whose centres are whole numbers.
_CENTRES = (np.arange(SIDE) + 0.5) * (ALIGNED_SIZE / SIDE) - 0.5

Values = NDArray[np.float64]


@dataclass(frozen=True)
class LabelledFaces:
    """Aligned photographs with their landmarks.

    Args:
        pictures: Shape (faces, 3, 56, 56), in [0, 1].
        landmarks: Shape (faces, 68, 2), in pixels of 112.
        people: The name of each face's person.
    """

    pictures: Tensor
    landmarks: Values
    people: Sequence[str]


def drawn_faces(
    folder: Path,
    count: int | None,
    *,
    seed: int,
    without: Sequence[str] = (),
    reserved: Mapping[str, str] | None = None,
) -> list[Path]:
    """Return photographs of a folder of one folder per person, drawn at random.

    Args:
        folder: The folder; the photographs are aligned or not.
        count: The number of photographs; None, or more than there are, for all.
        seed: The seed of the draw.
        without: People to leave out.
        reserved: The name of a file to leave out, by person, whatever its ending.

    Raises:
        InputError: If there are too few.
    """
    left_out = set(without)
    stems = {name: Path(file).stem for name, file in (reserved or {}).items()}
    paths = [
        path
        for name, files in read_folders(folder).items()
        for path in files
        if name not in left_out and stems.get(name) != path.stem
    ]
    if len(paths) < FEWEST:
        raise InputError(
            f"{folder}: expected at least {FEWEST} photographs of faces to fit on, found {len(paths)}; give "
            "more"
        )
    order = np.random.default_rng(derive_seed(seed, "faces of the deformations")).permutation(len(paths))
    return [paths[index] for index in order[:count]]


def labelled(paths: Sequence[Path]) -> LabelledFaces:
    """Return faces with their landmarks, from aligned photographs in folders of their people.

    Raises:
        InputError: If a file is not an aligned face.
    """
    pictures, points = [], []
    for path in tqdm(paths, desc="landmarks", unit="face", leave=False, delay=1):
        crop = read_image(path)
        try:
            points.append(landmarks(crop))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        pictures.append(F.avg_pool2d(to_tensor(crop), ALIGNED_SIZE // SIDE))
    return LabelledFaces(torch.stack(pictures), np.stack(points), [path.parent.name for path in paths])


def mirrored_landmarks(points: Values) -> Values:
    """Return the landmarks of the mirror images of faces, (faces, 68, 2), in pixels of 112."""
    mirrored = points[:, LANDMARKS_MIRRORED]
    mirrored[..., 0] = ALIGNED_SIZE - 1 - mirrored[..., 0]
    return mirrored


def fit_deformations(faces: LabelledFaces) -> Deformations:
    """Return deformations as the means of faces show them.

    Raises:
        InputError: If too few faces show a pose or an expression.
    """
    means = _Means(faces)
    still = means.of("into the camera", {"yaw": (0.0, _FRONTAL)})

    def flows(axis: Attribute, angles: Sequence[float]) -> Flows:
        found = []
        for angle in angles:
            near: dict[Attribute, tuple[float, float]] = {"yaw": (0.0, _ANY)}
            near[axis] = (angle + means.level(axis), _NEAR)
            points = means.of(f"turned to a {axis} of {angle:g} degrees", near).landmarks
            found.append(flow(still.landmarks, points))
        return Flows(torch.tensor(angles), torch.stack(found))

    yaw, pitch = flows("yaw", YAWS), flows("pitch", PITCHES)
    expressions: dict[Expression, Change] = {}
    for name, rule in RULES.items():
        shown = means.of(f"with the expression {name}", {"yaw": (0.0, _ANY)}, rule)
        expressions[name] = _change(still, shown, rule)
    return Deformations(yaw, pitch, expressions)


def flow(before: Values, after: Values) -> Tensor:
    """Return the flow that moves landmarks, shape (2, 56, 56), as in `Flows`.

    Args:
        before: Shape (n, 2), in pixels of 112, where they are in the image that is sampled.
        after: Where they are in the result.
    """
    outside = np.array([(x, y) for x in _OUTSIDE for y in _OUTSIDE if {x, y} & {_OUTSIDE[0], _OUTSIDE[-1]}])
    moves = np.concatenate([before - after, np.zeros_like(outside)])
    points = np.concatenate([after, outside])
    spline = RBFInterpolator(points, moves, kernel="thin_plate_spline", smoothing=_SMOOTHING)
    grid = np.stack(np.meshgrid(_CENTRES, _CENTRES), -1).reshape(-1, 2)
    found = spline(grid).reshape(SIDE, SIDE, 2) / ALIGNED_SIZE
    return torch.from_numpy(found).permute(2, 0, 1).float().contiguous()


@dataclass(frozen=True)
class _Mean:
    """The mean of some faces: its landmarks, (68, 2), and its picture, (3, 56, 56)."""

    landmarks: Values
    picture: Tensor


class _Means:
    """Means of faces that have something in common, with their mirror images."""

    def __init__(self, faces: LabelledFaces) -> None:
        self._pictures = faces.pictures
        self._landmarks = np.concatenate([faces.landmarks, mirrored_landmarks(faces.landmarks)])
        self._numbers = np.stack([measure(points) for points in self._landmarks])

    def level(self, axis: Attribute) -> float:
        """Return the angle of the faces that look into the camera: the median."""
        return float(np.median(self._of(axis)))

    def of(self, what: str, near: Mapping[Attribute, tuple[float, float]], rule: Rule | None = None) -> _Mean:
        """Return the mean of faces, weighted by how near their angles are to given ones.

        Args:
            what: What the faces are, for an error.
            near: Angle and standard deviation by axis.
            rule: Which faces count at all; None for all.

        Raises:
            InputError: If there are too few of them.
        """
        weights = np.ones(len(self._numbers))
        for axis, (angle, deviation) in near.items():
            weights *= np.exp(-0.5 * ((self._of(axis) - angle) / deviation) ** 2)
        for name, (low, high) in ({} if rule is None else rule.faces).items():
            least, most = np.percentile(self._of(name), (low, high))
            weights *= (self._of(name) >= least) & (self._of(name) <= most)
        # A face that shows exactly what is wanted counts as one.
        count = weights.sum()
        if count < FEWEST_ALIKE:
            raise InputError(
                f"faces: expected at least {FEWEST_ALIKE} {what}, mirror images counted, found "
                f"{count:.0f}; give more photographs"
            )
        weights /= weights.sum()
        own, mirrored = torch.from_numpy(weights).float().chunk(2)
        total = torch.einsum("n,nchw->chw", own, self._pictures)
        total += torch.einsum("n,nchw->chw", mirrored, self._pictures).flip(-1)
        return _Mean(np.einsum("n,npc->pc", weights, self._landmarks), total)

    def _of(self, name: Attribute) -> Values:
        return self._numbers[:, ATTRIBUTES.index(name)]


def _change(still: _Mean, shown: _Mean, rule: Rule) -> Change:
    """Return what makes the mean of faces that look into the camera that of faces with an expression."""
    moves = np.zeros_like(still.landmarks)
    moves[list(rule.moved)] = (shown.landmarks - still.landmarks)[list(rule.moved)]
    once = Deformation(flow(still.landmarks, still.landmarks + moves), None)
    colours = shown.picture - once(still.picture[None])[0]
    points = still.landmarks + rule.strength * moves
    near = _near(points[list(rule.coloured)], rule.reach)
    return Change(flow(still.landmarks, points), rule.strength * near * colours)


def _near(points: Values, reach: float) -> Tensor:
    """Return a Gaussian of the distance to the nearest of some points, shape (56, 56), in pixels of 112."""
    across, down = _CENTRES[None, :, None] - points[:, 0], _CENTRES[:, None, None] - points[:, 1]
    distance = across**2 + down**2
    return torch.from_numpy(np.exp(-distance.min(-1) / (2 * reach**2))).float()
