"""Whether results of 224 pixels are more like photographs than those of 112, and what that costs identity.

    python -m benchmarks.size --photos lfw/images --out runs/size --people 100

One attack serves both sizes, since `--size` is applied to its finished images. "Enlarged" is the same image
without added detail, by bicubic interpolation. The columns are those of benchmarks/faults.py; photographs are
aligned at either size from the originals. Below the table are the judge's verdicts on another photograph of
each person (Type II), as differences of 224 to 112 paired by person, the change of similarity by the attacked
network, and the mean scale of the alignment: how many pixels of a crop of 112 a pixel of the photograph
becomes, which limits what photographs of 224 pixels show.

Reported are people whom the bundled networks and the upsampler have not seen; with --tuning, people whom
settings are tuned on. --out gets the table, its figures and a picture of a few people.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from arcinvert import Attacker
from arcinvert.evaluation.calibration import thresholds
from arcinvert.evaluation.crops import to_crop_size
from arcinvert.evaluation.judges import DlibJudge
from arcinvert.evaluation.similarity import similarity
from arcinvert.inversion.size import SIZES
from arcinvert.output.contact_sheet import Row, Tile, contact_sheet
from arcinvert.subjects import crop_subjects
from benchmarks.faults import measure, row, table
from benchmarks.judged import run_or_exit, write_table
from benchmarks.people import add_attacked, draw_attacked
from recognition.appearance.upsampling import LARGE_SIZE
from recognition.data.faces import at_size, read_face
from recognition.data.folders import read_folders
from recognition.detection.alignment import REFERENCE_POINTS, crop_at, similarity_transform
from recognition.detection.search import find_face
from recognition.images import read_image, to_uint8, write_png
from recognition.metrics.intervals import Estimate, estimate, estimate_share_difference
from recognition.metrics.text import interval_text

#: The goal: what the mean Type II similarity may lose.
MOST_LOST = 0.005
#: Images that are attacked together.
BATCH = 16

Crops = NDArray[np.uint8]


@dataclass(frozen=True)
class People:
    """Whom to attack.

    Args:
        names: The people's names.
        large: Shape (people, 224, 224, 3), the faces in the photographs whose templates are attacked.
        first: Shape (people, 112, 112, 3), their aligned crops.
        second: Shape (people, 112, 112, 3), another crop of each, for the judge.
        scales: Shape (people,), pixels of a crop of 112 for each of the photograph.
    """

    names: list[str]
    large: Crops
    first: Crops
    second: Crops
    scales: NDArray[np.float64]


def draw_people(photos: Path, count: int, *, seed: int, tuning: bool) -> People:
    """Draw people by a seed, of the held-out ones or, for tuning, of those of the training.

    Raises:
        InputError: If there are too few.
    """
    folders = read_folders(photos)
    names = draw_attacked(folders, count, seed=seed, tuning=tuning)
    large, first, scales = [], [], []
    for name in names:
        photograph = read_image(folders[name][0])
        face = find_face(photograph, name=name, pick="central")
        matrix = similarity_transform(face.points, REFERENCE_POINTS)
        scales.append(float(np.hypot(matrix[0, 0], matrix[1, 0])))
        large.append(crop_at(photograph, face, LARGE_SIZE))
        first.append(crop_at(photograph, face))
    second = [read_face(folders[name][-1]) for name in names]
    return People(names, np.stack(large), np.stack(first), np.stack(second), np.array(scales))


def identity_lines(
    sizes: Mapping[int, NDArray[np.float64]],
    attacked: Mapping[int, NDArray[np.float64]],
    names: Sequence[str],
) -> list[str]:
    """Return lines on what the larger size changes.

    Args:
        sizes: Type II similarities by size, each of shape (people,).
        attacked: Similarities by the attacked network, likewise.
        names: The people's names.
    """
    small, large = SIZES
    lines = [
        f"Type II at {small} pixels {text(estimate(sizes[small], names))}, change at {large} "
        f"{text(estimate(sizes[large] - sizes[small], names))} (goal: at least {-MOST_LOST:g})"
    ]
    for point in thresholds():
        before, after = (sizes[size] > point.similarity for size in SIZES)
        lines.append(
            f"SAR at FMR {point.fmr:g}: {text(estimate(before, names))}, change "
            f"{text(estimate_share_difference(after, before))}"
        )
    change = estimate(attacked[large] - attacked[small], names)
    return [
        *lines,
        f"similarity by the attacked network {text(estimate(attacked[small], names))}, change {text(change)}",
    ]


def text(value: Estimate) -> str:
    """Return a figure with its interval."""
    return interval_text(asdict(value))


def sheet(pictures: Mapping[str, Crops], count: int = 4) -> NDArray[np.uint8]:
    """Return a picture of all rows of a few people, without their names."""
    rows = [
        Row(f"Person {number + 1}", "", [Tile(crops[number], (name,)) for name, crops in pictures.items()])
        for number in range(count)
    ]
    return contact_sheet("Size", "The same reconstruction in two sizes, and the photograph.", rows)


def compare(options: argparse.Namespace) -> None:
    """Attack, measure, print and write."""
    people = draw_people(options.photos, options.people, seed=options.seed, tuning=options.tuning)
    judge, attacker = DlibJudge(), Attacker(options.model)
    subjects = crop_subjects(attacker.recogniser, list(people.first), judge)
    plan = attacker.plan("template", seed=options.seed)
    parts = [subjects[begin : begin + BATCH] for begin in range(0, len(subjects), BATCH)]
    found = [attacker.reconstruct(part, plan, batch=batch) for batch, part in enumerate(parts)]
    seconds = judge.embed(list(people.second))
    pictures: dict[int, Crops] = {}
    judged: dict[int, NDArray[np.float64]] = {}
    attacked: dict[int, NDArray[np.float64]] = {}
    for size in SIZES:
        sized = attacker.plan("template", seed=options.seed, size=size)
        shown = [attacker.show(*part, sized) for part in zip(parts, found, strict=True)]
        pictures[size] = np.concatenate([to_uint8(one.images) for one in shown])
        judged[size] = similarity(judge.embed(list(to_crop_size(pictures[size]))), seconds)
        attacked[size] = np.concatenate([one.similarity.numpy() for one in shown])
    small, large = SIZES
    compared = {
        f"{small} pixels": pictures[small],
        f"{large} pixels, enlarged": np.stack([at_size(one, large) for one in pictures[small]]),
        f"{large} pixels": pictures[large],
    }
    by_size = {small: measure(people.first), large: measure(people.large)}
    rows = {name: row(measure(crops), by_size[crops.shape[1]]) for name, crops in compared.items()}
    rows |= {f"photographs, {size} pixels": row(one, one) for size, one in by_size.items()}
    lines = [
        table(rows),
        "",
        *identity_lines(judged, attacked, people.names),
        f"scale of the alignment {text(estimate(people.scales, people.names))}: {small} pixels of a crop are "
        f"{small / people.scales.mean():.0f} of the photograph",
        f"{attacker.recogniser.name}: {len(people.names)} {'tuning' if options.tuning else 'held-out'} "
        "people; 95 % intervals over people.",
    ]
    print("\n".join(lines))
    options.out.mkdir(parents=True, exist_ok=True)
    write_png(options.out / "sheet.png", sheet(compared | {"photograph": people.large}))
    figures = {
        name: {column: asdict(value) for column, value in figures.items()} for name, figures in rows.items()
    }
    write_table(options.out, "\n".join(lines) + "\n", figures)


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--photos", type=Path, required=True, help="LFW: a folder of one folder for each identity"
    )
    add_attacked(parser, 16)
    parser.add_argument(
        "--out", type=Path, default=Path("arcinvert-results/size"), help="the folder for results"
    )
    run_or_exit(compare, parser)


if __name__ == "__main__":
    main()
