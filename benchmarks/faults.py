"""Known faults of inverted faces in numbers: coloured fringes, thin lines, average skin, more than one face.

    python -m benchmarks.faults runs/recipes/arcinvert-public-faces runs/recipes/paper-weights \\
        --photos lfw/images

Each folder is an open-set result (of `from-image` or benchmarks.recipes) on photographs of `--photos`, all of
the same people. The mean face is the floor of skin tone, and another photograph of each person its ceiling,
since light and make-up change skin tone from photograph to photograph too. These are properties of pictures;
they do not say whose face is shown, and no recogniser is used.

Columns: *fringes*, the mean change of colour from pixel to pixel in CIE Lab, and *fine lines*, the
lightness in frequencies above a quarter of a cycle a pixel, root mean square in L*: either is a fault where
it exceeds the photographs'. *Skin*: the cheeks' median colour as individual typology angle,
atan((L* - 50) / b*), degrees (Chardin et al., International Journal of Cosmetic Science 13, 1991): its mean
distance to the photograph's; how much of the difference between two people it keeps (the slope over the
people: 1 all, 0 none, as of an average); the share of people whose class of skin (Del Bino and Bernerd,
British Journal of Dermatology 169, 2013) is the photograph's, beside the share by chance, that of two
pictures of people drawn at random; and the cheeks' chroma. That is attribute leakage: what a picture tells of
a person besides the identity. *More faces*: the share of pictures,
enlarged four times, in which the detector finds two.
"""

import argparse
import glob
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from arcinvert.audit.agreement import agreement_by_chance
from arcinvert.evaluation.crops import to_crop_size
from arcinvert.output.folder import RESULT_NAME
from benchmarks.judged import mean_face, run_or_exit
from recognition.appearance.upsampling import LARGE_SIZE
from recognition.data.faces import read_face
from recognition.detection.alignment import ALIGNED_SIZE, detect
from recognition.errors import InputError, NoFaceError
from recognition.images import list_images, read_image
from recognition.metrics.intervals import Estimate, estimate, estimate_statistic
from recognition.skin import cheek_colour, skin_classes, to_lab, typology_angle

#: The factor of enlargement of a crop, so that the detector, which needs 80 pixels, finds faces of 20.
ENLARGED = 4
#: Cycles across a picture of *detail*: a crop of 112 pixels has none above, and those of attacks few below.
DETAIL = (28, 56)

Pictures = NDArray[np.uint8]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """Measurements of pictures, one of each person; all of shape (people,)."""

    fringes: Values
    lines: Values
    detail: Values
    tone: Values
    chroma: Values
    more_faces: NDArray[np.bool_]


def measure(pictures: Pictures) -> Measured:
    """Return the measurements of aligned pictures, (people, side, side, 3), with sides of 112 or 224."""
    lab = to_lab(pictures / 255.0)
    colours = np.array([cheek_colour(crop) for crop in to_crop_size(pictures)])
    return Measured(
        np.array([colour_change(one) for one in lab]),
        np.array([fine_lightness(one[..., 0]) for one in lab]),
        np.array([detail(one[..., 0]) for one in lab]),
        typology_angle(colours),
        np.hypot(colours[:, 1], colours[:, 2]),
        np.array([len(detect(_enlarged(picture))) > 1 for picture in pictures]),
    )


def colour_change(lab: Values) -> float:
    """Return the mean step in a* and b* from a pixel to the next, down and right, of (h, w, 3)."""
    colours = lab[..., 1:]
    steps = [np.linalg.norm(np.diff(colours, axis=axis), axis=-1).mean() for axis in (0, 1)]
    return float(np.mean(steps))


def fine_lightness(lightness: Values) -> float:
    """Return the root mean square of an (h, w) picture above a quarter of a cycle a pixel, either way."""
    spectrum = np.fft.fft2(lightness)
    across, down = (np.abs(np.fft.fftfreq(size)) for size in lightness.shape)
    spectrum[np.maximum(across[:, None], down[None]) <= 1 / 4] = 0
    return float(np.sqrt(np.square(np.abs(spectrum)).sum()) / lightness.size)


def detail(lightness: Values) -> float:
    """Return the root mean square of a square picture in the frequencies of `DETAIL`, under a Hann window."""
    side = len(lightness)
    window = np.outer(np.hanning(side), np.hanning(side))
    window /= np.sqrt(np.square(window).mean())
    centred = lightness - (lightness * window).sum() / window.sum()
    cycles = np.abs(np.fft.fftfreq(side)) * side
    highest = np.maximum(cycles[:, None], cycles[None])
    within = (highest >= DETAIL[0]) & (highest <= DETAIL[1])
    spectrum = np.abs(np.fft.fft2(centred * window))[within]
    return float(np.sqrt(np.square(spectrum).sum()) / lightness.size)


def _enlarged(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    side = ENLARGED * ALIGNED_SIZE
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


def slope(values: Values, against: Values) -> float:
    """Return the least-squares slope of `values` over `against`; 0 if all of these are alike."""
    centred = against - against.mean()
    return float((centred * values).sum() / max(np.square(centred).sum(), np.finfo(np.float64).tiny))


def same_class(tone: Values, of: Values) -> NDArray[np.bool_]:
    """Return whether a person's skin is of one class in both pictures, by tones (people,)."""
    return np.asarray(skin_classes(tone) == skin_classes(of))


def class_by_chance(tone: Values, of: Values) -> float:
    """Return the share of all pairs of one picture each that are of one class, by tones (people,)."""
    return agreement_by_chance(skin_classes(of), skin_classes(tone))


def row(of: Measured, photographs: Measured) -> dict[str, Estimate]:
    """Return the columns of pictures, compared with the photographs that their templates came from."""
    people = len(of.tone)

    def mean(values: Values | NDArray[np.bool_]) -> Estimate:
        return estimate(values, range(people))

    return {
        "fringes": mean(of.fringes),
        "fine lines": mean(of.lines),
        "detail": mean(of.detail),
        "skin: distance": mean(np.abs(of.tone - photographs.tone)),
        "skin: kept": estimate_statistic(
            lambda drawn: slope(of.tone[drawn], photographs.tone[drawn]), people
        ),
        "skin: same class": mean(same_class(of.tone, photographs.tone)),
        "skin: class by chance": estimate_statistic(
            lambda drawn: class_by_chance(of.tone[drawn], photographs.tone[drawn]), people
        ),
        "skin: chroma": mean(of.chroma),
        "more faces": mean(of.more_faces),
    }


def read_pictures(folder: Path) -> dict[str, Any]:
    """Return a result's pictures, the first sample of each photograph, by photograph.

    Raises:
        InputError: If there is no result of photographs.
    """
    try:
        result = json.loads((folder / RESULT_NAME).read_text(encoding="utf-8"))
        listed = result["inputs"]["photographs"]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(
            f"{folder}: expected the result of 'arcinvert from-image', found none; give its folder"
        ) from None
    first = {sample["input"]: sample["image"] for sample in reversed(result["samples"])}
    return {photograph: read_image(folder / first[photograph]) for photograph in listed}


def read_same_people(folders: Sequence[Path]) -> dict[Path, dict[str, Any]]:
    """Return the pictures of several results by folder and photograph.

    Raises:
        InputError: If a folder has no result, or one of other photographs than the first.
    """
    pictures = {folder: read_pictures(folder) for folder in folders}
    for folder, found in pictures.items():
        if list(found) != list(pictures[folders[0]]):
            raise InputError(f"{folder}: expected pictures of the same people as {folders[0]}, got others")
    return pictures


def sized(pictures: Pictures) -> Pictures:
    """Return pictures of 224 pixels as they are, and others as crops of 112."""
    return pictures if pictures.shape[1] == LARGE_SIZE else to_crop_size(pictures)


def source_of(name: str, photos: Path) -> Path:
    """Return the photograph that a result names below the folder that all of its photographs are in.

    Raises:
        InputError: If it is not in `photos`, or in several folders of it.
    """
    found = [photos / name] if (photos / name).is_file() else sorted(photos.glob(f"*/{glob.escape(name)}"))
    if len(found) != 1:
        raise InputError(f"{name}: expected one photograph of that name in {photos}, found {len(found)}")
    return found[0]


def other_faces(photograph: Path, photos: Path, size: int = ALIGNED_SIZE) -> Iterator[NDArray[np.uint8]]:
    """Yield the faces in the other photographs of a person, from the person's folder, of some pixels a side.

    Raises:
        InputError: If there is none.
    """
    faces = 0
    for path in list_images(photos / photograph.parent.name):
        if path.name != photograph.name:
            try:
                face = read_face(path, size)
            except NoFaceError:
                continue
            faces += 1
            yield face
    if not faces:
        raise InputError(
            f"{photograph.name}: expected another photograph of the person in {photos}, found none"
        )


def table(rows: Mapping[str, Mapping[str, Estimate]]) -> str:
    """Return the rows as a table in Markdown."""
    columns = list(next(iter(rows.values())))
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, figures in rows.items():
        cells = [f"{figure.value:.2f} [{figure.low:.2f}, {figure.high:.2f}]" for figure in figures.values()]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def compare(options: argparse.Namespace) -> None:
    """Measure every folder, and print the table.

    Raises:
        InputError: If a folder has no result, or one of other people.
    """
    pictures = read_same_people(options.folders)
    listed = list(pictures[options.folders[0]])
    sources = [source_of(name, options.photos) for name in listed]
    shown_by = {str(folder): sized(np.stack(list(found.values()))) for folder, found in pictures.items()}
    rows: dict[str, dict[str, Estimate]] = {}
    ends: dict[str, dict[str, Estimate]] = {}
    for size in sorted({len(shown[0]) for shown in shown_by.values()}):
        photographs = measure(np.stack([read_face(one, size) for one in sources]))
        others = measure(np.stack([next(other_faces(one, options.photos, size)) for one in sources]))
        rows |= {
            name: row(measure(shown), photographs)
            for name, shown in shown_by.items()
            if len(shown[0]) == size
        }
        at = "" if size == ALIGNED_SIZE else f", {size} pixels"
        if size == ALIGNED_SIZE:
            ends["floor: mean face"] = row(measure(np.stack([mean_face()] * len(listed))), photographs)
        ends[f"ceiling: another photograph{at}"] = row(others, photographs)
        ends[f"the photographs themselves{at}"] = row(photographs, photographs)
    rows |= ends
    print(f"{table(rows)}\n\n{len(listed)} people, a picture each; 95 % intervals over people.")


def add_results(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which results are measured, and where the photographs are."""
    parser.add_argument(
        "folders", nargs="+", type=Path, metavar="RESULT", help="a folder that from-image wrote"
    )
    parser.add_argument(
        "--photos", type=Path, required=True, help="LFW: a folder of one folder for each identity"
    )


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_results(parser)
    run_or_exit(compare, parser)


if __name__ == "__main__":
    main()
