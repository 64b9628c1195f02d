"""People to attack, and the judge's verdict on pictures of them: the columns of a judged table.

Reported are people that the bundled network was not trained on, with two photographs or more; the judge's
thresholds are calibrated on the other held-out people. Rank-1 is searched in a gallery of 1,000: another
photograph of the person, and one photograph each of 999 people of LFW that are not attacked.

Settings are tuned on people that the bundled network was trained on, with two to nine photographs; the
thresholds come from held-out people too, and rank-1 is searched among the attacked people.

SAR is the share of accepted reconstructions, FMR the judge's false match rate.
"""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.metrics import compare_all
from arcinvert.evaluation.calibration import Threshold
from arcinvert.evaluation.crops import face_detected, to_crop_size
from arcinvert.evaluation.judges import DlibJudge
from arcinvert.evaluation.scores import gap_closed
from arcinvert.evaluation.similarity import similarity
from benchmarks.people import tuning_people
from recognition.checkpoint import load_extra, load_notes
from recognition.data.faces import read_face
from recognition.data.folders import read_folders
from recognition.detection.alignment import crop_at, detect
from recognition.detection.search import find_face
from recognition.errors import InputError, NoFaceError
from recognition.images import atomic_path, read_image, to_uint8
from recognition.loading import bundled_path
from recognition.metrics.intervals import Estimate, estimate
from recognition.metrics.thresholds import estimate_acceptance
from recognition.metrics.verification import make_pairs, tar_at_fmr
from recognition.runtime import keep_freed_memory

#: The number of people in the gallery of rank-1, the attacked one included.
GALLERY = 1000
FMRS = (1e-2, 1e-3)
#: The largest number of photographs of one person that calibrate the judge.
PHOTOS_PER_PERSON = 5

MEAN_FACE, CEILING = "floor: mean face", "ceiling: the photograph"

Crops = NDArray[np.uint8]
Embeddings = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Panel:
    """The people of a benchmark.

    Args:
        names: The people's names.
        photographs: Paths of the photographs whose templates are attacked, one of each person.
        first: Shape (people, 112, 112, 3), the crops of those photographs.
        second: Shape (people, 112, 112, 3), the crops of another photograph of each.
        first_embeddings: Shape (people, 128), the judge's embeddings of the first crops.
        second_embeddings: Shape (people, 128), the judge's embeddings of the second crops.
        others: Shape (999, 128), the judge's embeddings of the gallery's other people; or (people, n, 128)
            if each person has a gallery of their own.
        thresholds: The judge's thresholds, calibrated on held-out people who are not attacked.
        split: The part of the bundled network's people that these are from: held-out or training.
    """

    names: list[str]
    photographs: list[Path]
    first: Crops
    second: Crops
    first_embeddings: Embeddings
    second_embeddings: Embeddings
    others: Embeddings
    thresholds: list[Threshold]
    split: str = "held-out"


def make_panel(photos: Path, people: int, seed: int, cache: Path, *, tuning: bool = False) -> Panel:
    """Draw people by the seed, and embed all their photographs with the judge once.

    Args:
        photos: LFW, a folder of one folder for each identity.
        people: The number of people.
        seed: The seed of the draw.
        cache: A folder in which the judge's embeddings are kept, by number of people and seed.
        tuning: Draw people that settings are tuned on, in place of those that are reported.

    Raises:
        InputError: If there are fewer people.
    """
    folders = read_folders(photos)
    held_out = load_notes(bundled_path())["split"]["held_out"]
    if tuning:
        several = tuning_people(folders, held_out)
    else:
        several = [name for name in sorted(held_out) if len(folders[name]) >= 2]
    order = np.random.default_rng(seed).permutation(len(several))
    drawn = ((several[index], folders[several[index]]) for index in order)
    usable = ((name, pair) for name, paths in drawn if (pair := usable_pair(paths)) is not None)
    found = sorted(islice(usable, people))
    if len(found) < people:
        raise InputError(
            f"people: expected at most {len(found)}, who have two usable photographs, got {people}"
        )
    names = [name for name, _ in found]
    first = np.stack([_single_face(pair[0]) for _, pair in found])
    second = np.stack([read_face(pair[1]) for _, pair in found])
    path = cache / f"judge-{'tuning-' if tuning else ''}{people}-{seed}.npz"
    if not path.exists():
        calibrating = [name for name in sorted(held_out) if name not in names]
        judge = DlibJudge()
        seconds = judge.embed(list(second))
        labelled = [
            (name, crop) for name in calibrating for crop in _faces(folders[name][:PHOTOS_PER_PERSON])
        ]
        if tuning:
            others = np.stack([np.delete(seconds, person, 0) for person in range(people)])
        else:
            draw = np.random.default_rng(seed).permutation(sorted(set(folders) - set(names)))
            strangers = (crops[0] for name in draw if (crops := _faces(folders[name][:1])))
            others = judge.embed(list(islice(strangers, GALLERY - 1)))
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez(
                file,
                first=judge.embed(list(first)),
                second=seconds,
                others=others,
                calibration=judge.embed([crop for _, crop in labelled]),
                labels=np.unique([name for name, _ in labelled], return_inverse=True)[1],
            )
    with np.load(path) as kept:
        return Panel(
            names,
            [pair[0] for _, pair in found],
            first,
            second,
            kept["first"],
            kept["second"],
            kept["others"],
            calibrated(kept["calibration"], kept["labels"]),
            "training" if tuning else "held-out",
        )


def usable_pair(paths: Sequence[Path]) -> tuple[Path, Path] | None:
    """Return the first photograph, with one face, and the last with a face; None if there are no two."""
    if len(detect(read_image(paths[0]))) != 1:
        return None
    return next(((paths[0], path) for path in reversed(paths[1:]) if _faces([path])), None)


def _single_face(path: Path) -> Crops:
    photograph = read_image(path)
    return crop_at(photograph, find_face(photograph, name=str(path)))


def _faces(paths: Sequence[Path]) -> list[Crops]:
    crops = []
    for path in paths:
        try:
            crops.append(read_face(path))
        except NoFaceError:
            continue
    return crops


def calibrated(embeddings: Embeddings, labels: NDArray[np.integer]) -> list[Threshold]:
    """Return the judge's thresholds on photographs of real people, from all pairs of different people.

    Args:
        embeddings: Shape (photographs, 128).
        labels: Shape (photographs,), the identity of each.
    """
    nonmated = compare_all(embeddings, embeddings, labels, "euclidean").nonmated
    pairs = make_pairs(labels)
    mated = similarity(*(embeddings[pairs.indices[pairs.mated, side]] for side in (0, 1)))
    found = []
    for fmr in FMRS:
        point, decision = tar_at_fmr(mated, nonmated, fmr), nonmated.threshold(fmr)
        found.append(
            Threshold(
                fmr=fmr,
                similarity=decision.value,
                low=decision.low,
                high=decision.high,
                realised_fmr=point.realised_fmr,
                tar=point.tar,
                nonmated=point.nonmated,
                mated=point.mated,
                identities=nonmated.people,
            )
        )
    return found


@dataclass(frozen=True)
class Row:
    """The judge's verdict on one picture of each person: means over people with 95 % intervals.

    Args:
        type_1: Judge similarity to the template's photograph.
        type_2: Judge similarity to another photograph of the person.
        sar: The share accepted by Type II, by false match rate.
        rank_1: The share whose other photograph is the most similar of the gallery.
        face_detected: The share of pictures in which the detector finds a face.
        gap_closed: How much of the way from the floor's Type II to the ceiling's the mean goes.
        similarities: Shape (people,), Type II of each.
    """

    type_1: Estimate
    type_2: Estimate
    sar: dict[str, Estimate]
    rank_1: Estimate
    face_detected: Estimate
    gap_closed: Estimate | None
    similarities: NDArray[np.float64]


def judged(panel: Panel, embeddings: Embeddings, detected: Sequence[bool], floor: Embeddings) -> Row:
    """Return a row of the table.

    Args:
        panel: The people.
        embeddings: Shape (people, 128), the judge's embeddings of one picture of each.
        detected: Shape (people,), whether a face is detected in it.
        floor: Shape (128,), the judge's embedding of the mean face.
    """

    def figure(values: NDArray[np.floating] | NDArray[np.bool_]) -> Estimate:
        return estimate(values, panel.names)

    own = similarity(embeddings, panel.second_embeddings)
    nearest = similarity(embeddings[:, None], panel.others).max(1)
    return Row(
        figure(similarity(embeddings, panel.first_embeddings)),
        figure(own),
        {
            f"{point.fmr:g}": estimate_acceptance(own, panel.names, point.decision)
            for point in panel.thresholds
        },
        figure(own > nearest),
        figure(np.array(detected)),
        gap_closed(
            own,
            similarity(floor, panel.second_embeddings),
            similarity(panel.first_embeddings, panel.second_embeddings),
        ),
        own,
    )


def mean_face() -> NDArray[np.uint8]:
    """Return the bundled network's mean face, uint8 112x112: an attack that found nothing would give it."""
    return to_crop_size(to_uint8(load_extra(str(bundled_path()), "mean_face"))[None])[0]


class Jury:
    """Judges pictures of a panel's people, and gives the two rows that every table ends with."""

    def __init__(self, panel: Panel) -> None:
        self._panel, self._judge = panel, DlibJudge()
        self.mean_face = mean_face()
        (self._floor,) = self._judge.embed([self.mean_face])

    def look(self, pictures: Crops) -> tuple[Embeddings, list[bool]]:
        """Return the judge's embeddings of pictures, one of each person, and whether each has a face."""
        return self._judge.embed(list(pictures)), [face_detected(picture) for picture in pictures]

    def row(self, embeddings: Embeddings, detected: Sequence[bool]) -> Row:
        """Return a row of the table; see `judged`."""
        return judged(self._panel, embeddings, detected, self._floor)

    def ends(self) -> dict[str, Row]:
        """Return the rows of floor and ceiling by title."""
        panel, people = self._panel, len(self._panel.names)
        detected = [face_detected(crop) for crop in panel.first]
        return {
            MEAN_FACE: self.row(np.tile(self._floor, (people, 1)), [face_detected(self.mean_face)] * people),
            CEILING: self.row(panel.first_embeddings, detected),
        }


def command_line(
    description: str | None, *, steps: int | None, of: str, out: str, people: int = 16
) -> argparse.ArgumentParser:
    """Return the parser of a judged table.

    Args:
        description: The benchmark's documentation.
        steps: The default number of steps; None leaves it to the recipe.
        of: What takes so many steps.
        out: The default folder's name.
        people: The default number of people.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--photos", type=Path, required=True, help="LFW: a folder of one folder for each identity"
    )
    parser.add_argument(
        "--model",
        type=Path,
        default=Path("../shared/models/mobilefacenet_y1.onnx"),
        help="the network to attack (default: %(default)s)",
    )
    parser.add_argument(
        "--people", type=int, default=people, help="the number of people to attack (default: %(default)s)"
    )
    parser.add_argument(
        "--steps",
        type=int,
        default=steps,
        help=f"the steps of every {of} (default: {'chosen by the recipe' if steps is None else steps})",
    )
    parser.add_argument("--seed", type=int, default=0, help="the seed of people and attacks (default: 0)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("arcinvert-results", out),
        help="the folder for results (default: %(default)s)",
    )
    return parser


def run_or_exit(compare: Callable[[argparse.Namespace], None], parser: argparse.ArgumentParser) -> None:
    """Run a comparison; input that cannot be used ends in one line and exit code 2."""
    given = parser.parse_args()
    keep_freed_memory()
    try:
        compare(given)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def write_table(out: Path, text: str, figures: Mapping[str, Any]) -> None:
    """Write table.md and figures.json, each completely or not at all."""
    for file, content in (("table.md", text), ("figures.json", json.dumps(figures, indent=1) + "\n")):
        with atomic_path(out / file) as temporary:
            temporary.write_text(content, encoding="utf-8")


def as_json(row: Row) -> dict[str, Any]:
    """Return a row as JSON."""
    return asdict(row) | {"similarities": row.similarities.tolist()}
