"""Whether attacks show the pose and the expression that they are asked for, and what that costs the identity.

    python -m recognition align ../shared/data/lfw/images ALIGNED
    python -m venv mediapipe && mediapipe/bin/pip install mediapipe==0.10.21
    python -m benchmarks.pose --aligned ALIGNED --landmarker mediapipe/bin/python --out runs/pose

The deformations were fitted by dlib's 68 landmarks. What is reached is measured by MediaPipe's face mesh,
another network of other data, in a Python of its own (benchmarks/face_mesh.py). Expressions are named by
percentiles of photographs (benchmarks/mesh_measures.py), so that "by chance", the share of the same attacks
without a wish, is to be compared. "Measures apart" is how far the landmarks' yaw and the mesh's lie apart on
photographs: nothing that is fitted by the one can be nearer to the other. Identities are judged by dlib's
recogniser on another photograph, at its shipped threshold; SAR is the share of accepted reconstructions, FMR
the false match rate, and differences are paired by person.

Reported are people whom the bundled networks and the deformations have not seen; with --tuning, people whom
settings are tuned on. --out gets the table, its figures and one panel of the pictures.
"""

import argparse
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from arcinvert import Attacker
from arcinvert.evaluation.calibration import thresholds
from arcinvert.evaluation.crops import to_crop_size
from arcinvert.evaluation.judges import DlibJudge
from arcinvert.evaluation.similarity import similarity
from arcinvert.output.contact_sheet import Row, Tile, contact_sheet
from arcinvert.subjects import crop_subjects
from benchmarks.judged import run_or_exit, write_table
from benchmarks.mesh_measures import Mesh, MeshMeasures
from benchmarks.people import add_attacked, calibration_people, choose, draw_attacked
from recognition.appearance.expressions import Expression
from recognition.appearance.measures import landmarks, pose
from recognition.checkpoint import load_notes
from recognition.data.folders import read_folders
from recognition.errors import InputError
from recognition.images import read_image, to_uint8, write_png
from recognition.loading import bundled_path
from recognition.metrics.intervals import Estimate, estimate, estimate_share_difference

#: What each row asks for.
YAWS, PITCHES = (-30.0, -15.0, 0.0, 15.0, 30.0), (-15.0, 15.0)
WISHES: dict[str, dict[str, Any]] = {
    "nothing": {},
    **{f"yaw {yaw:+.0f}": {"yaw": yaw} for yaw in YAWS},
    **{f"pitch {pitch:+.0f}": {"pitch": pitch} for pitch in PITCHES},
    **{name: {"expression": name} for name in get_args(Expression)},
}
#: The columns of the table.
HEADS = (
    "wish",
    "yaw",
    "pitch",
    "error, degrees",
    "reached",
    "by chance",
    "SAR at 0.001",
    "change of SAR",
)
#: The goals: degrees of error, share of expressions, loss of SAR at the false match rate.
MOST_ERROR, LEAST_REACHED, MOST_LOST, FMR = 5.0, 0.8, 0.05, 1e-3
#: Photographs that expressions and the disagreement of the measures are taken from.
PHOTOGRAPHS = 200

Crops = NDArray[np.uint8]


@dataclass(frozen=True)
class People:
    """Whom to attack.

    Args:
        names: The people's names.
        first: Shape (people, 112, 112, 3), the crops whose templates are attacked.
        second: Shape (people, 112, 112, 3), another crop of each, for the judge.
        photographs: Shape (n, 112, 112, 3), crops of other people.
    """

    names: list[str]
    first: Crops
    second: Crops
    photographs: Crops


def draw_people(aligned: Path, count: int, *, seed: int, tuning: bool) -> People:
    """Draw people by a seed, of the held-out ones or, for tuning, of those of the training.

    Raises:
        InputError: If there are too few.
    """
    folders = read_folders(aligned)
    names = draw_attacked(folders, count, seed=seed, tuning=tuning)
    held_out = load_notes(bundled_path())["split"]["held_out"]
    others = [name for name in calibration_people(held_out) if name in folders]
    return People(
        names,
        np.stack([read_image(folders[name][0]) for name in names]),
        np.stack([read_image(folders[name][-1]) for name in names]),
        np.stack([read_image(folders[name][0]) for name in choose(others, PHOTOGRAPHS, seed)]),
    )


def place_meshes(crops: Crops, landmarker: Path) -> NDArray[np.float64]:
    """Return MediaPipe's landmarks of crops, shape (n, 478, 3).

    Args:
        crops: uint8 of shape (n, 112, 112, 3).
        landmarker: A Python interpreter that has MediaPipe.

    Raises:
        InputError: If it has not, or ends with an error.
    """
    script = Path(__file__).with_name("face_mesh.py")
    with tempfile.TemporaryDirectory() as folder:
        faces, points = Path(folder, "faces.npy"), Path(folder, "points.npy")
        np.save(faces, crops)
        command = [str(landmarker), str(script), str(faces), str(points)]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
        except OSError as error:
            raise InputError(
                f"landmarker: expected a Python interpreter, got {landmarker} ({error.strerror})"
            ) from None
        if ended.returncode:
            last = (ended.stderr.strip().splitlines() or ["no message"])[-1]
            raise InputError(
                f"landmarker: expected a Python with mediapipe==0.10.21, but {landmarker} ended with: {last}"
            )
        return np.asarray(np.load(points))


@dataclass(frozen=True)
class Found:
    """What the pictures of one wish show; arrays of shape (people,).

    Args:
        measures: The mesh's numbers.
        accepted: Whether the judge accepts the person's other photograph.
        reached: Whether each expression is shown, by its name.
    """

    measures: MeshMeasures
    accepted: NDArray[np.bool_]
    reached: Mapping[str, NDArray[np.bool_]]


@dataclass(frozen=True)
class Figures:
    """The figures of one row; those that its wish has not are None.

    Args:
        yaw: The mean measured yaw, degrees, of the faces that were found.
        pitch: Likewise.
        error: The mean distance from the wanted yaw or pitch, degrees.
        reached: The share that shows the wanted expression.
        by_chance: The share that shows it in attacks without a wish.
        sar: The share accepted by the judge.
        change: By how much that share is higher than without a wish.
    """

    yaw: Estimate
    pitch: Estimate
    error: Estimate | None
    reached: Estimate | None
    by_chance: Estimate | None
    sar: Estimate
    change: Estimate


def error_of(wish: Mapping[str, Any], measures: MeshMeasures) -> NDArray[np.float64] | None:
    """Return the distance from the wanted angle, degrees, shape (people,); NaN where no face was found."""
    for name in ("yaw", "pitch"):
        if name in wish:
            return np.abs(np.asarray(getattr(measures, name)) - wish[name])
    return None


def figures(wish: Mapping[str, Any], found: Found, without: Found, names: Sequence[str]) -> Figures:
    """Return the figures of a row.

    Args:
        wish: The options of the row.
        found: What its pictures show.
        without: What the pictures of attacks without a wish show.
        names: The people's names.
    """

    def mean(values: NDArray[Any]) -> Estimate:
        there = np.isfinite(values)
        return estimate(values[there], np.array(names)[there])

    error, expression = error_of(wish, found.measures), wish.get("expression")
    return Figures(
        mean(found.measures.yaw),
        mean(found.measures.pitch),
        None if error is None else mean(error),
        None if expression is None else estimate(found.reached[expression], names),
        None if expression is None else estimate(without.reached[expression], names),
        estimate(found.accepted, names),
        estimate_share_difference(found.accepted, without.accepted),
    )


def goals(
    rows: Mapping[str, Found], wishes: Mapping[str, Mapping[str, Any]], names: Sequence[str]
) -> list[str]:
    """Return a line on each goal, over all rows that it is about."""
    without = rows["nothing"]
    asking = [name for name in rows if wishes[name]]
    errors = [error_of(wishes[name], rows[name].measures) for name in asking if "yaw" in wishes[name]]
    yaw = np.concatenate([error for error in errors if error is not None])
    people = np.tile(names, len(errors))
    there = np.isfinite(yaw)
    shown = np.concatenate(
        [rows[name].reached[wishes[name]["expression"]] for name in asking if "expression" in wishes[name]]
    )
    by_person = np.mean([rows[name].accepted for name in asking], axis=0)
    change = estimate_share_difference(by_person, without.accepted)
    expressions = np.tile(names, len(shown) // len(names))
    return [
        line("yaw error", estimate(yaw[there], people[there]), f"at most {MOST_ERROR:g} degrees"),
        line("expression reached", estimate(shown, expressions), f"at least {LEAST_REACHED:g}"),
        line(f"change of SAR at FMR {FMR:g}", change, f"at least {-MOST_LOST:g}"),
        f"faces found by the mesh: {np.mean([np.isfinite(row.measures.yaw) for row in rows.values()]):.3f}",
    ]


def line(what: str, value: Estimate, goal: str) -> str:
    """Return a line about a goal."""
    return f"{what}: {cell(value)} (goal: {goal})"


def cell(value: Estimate | None) -> str:
    """Return a figure with its interval."""
    return "" if value is None else f"{value.value:.2f} [{value.low:.2f}, {value.high:.2f}]"


def table(heads: Sequence[str], rows: Mapping[str, Any]) -> str:
    """Return rows of estimates, dataclasses by name, as a table in Markdown with heads for all columns."""
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    lines += [
        f"| {name} | {' | '.join(cell(value) for value in vars(row).values())} |"
        for name, row in rows.items()
    ]
    return "\n".join(lines)


def sheet(pictures: Mapping[str, Crops], people: People, title: str, words: str) -> NDArray[np.uint8]:
    """Return a picture of all wishes of a few people, with a title and a sentence below it."""
    rows = []
    for number, name in enumerate(people.names[:4]):
        tiles = [Tile(people.first[number], ("photograph",))]
        tiles += [Tile(crops[number], (wish,)) for wish, crops in pictures.items()]
        rows.append(Row(name.replace("_", " "), "", tiles))
    return contact_sheet(title, words, rows)


def compare(options: argparse.Namespace) -> None:
    """Attack, measure, print and write."""
    people = draw_people(options.aligned, options.people, seed=options.seed, tuning=options.tuning)
    meshes = place_meshes(people.photographs, options.landmarker)
    mesh, judge, attacker = Mesh(meshes), DlibJudge(), Attacker(options.model)
    labels = np.array([pose(landmarks(crop))[0] for crop in people.photographs])
    apart = np.abs(mesh.measure(meshes).yaw - labels)
    subjects = crop_subjects(attacker.recogniser, list(people.first), judge)
    seconds = judge.embed(list(people.second))
    (threshold,) = (point.similarity for point in thresholds() if point.fmr == FMR)
    pictures: dict[str, Crops] = {}
    found: dict[str, Found] = {}
    # One attack serves all: what is asked for is given to its images at the end.
    without = attacker.reconstruct(subjects, attacker.plan("template", seed=options.seed))
    for name in options.wishes:
        plan = attacker.plan("template", seed=options.seed, **WISHES[name])
        pictures[name] = to_crop_size(to_uint8(attacker.show(subjects, without, plan).images))
        measures = mesh.measure(place_meshes(pictures[name], options.landmarker))
        accepted = similarity(judge.embed(list(pictures[name])), seconds) > threshold
        reached = {expression: mesh.reached(expression, measures) for expression in get_args(Expression)}
        found[name] = Found(measures, accepted, reached)
        print(f"{name}: done", flush=True)
    rows = {name: figures(WISHES[name], row, found["nothing"], people.names) for name, row in found.items()}
    there = np.isfinite(apart)
    lines = [
        table(HEADS, rows),
        "",
        *goals(found, WISHES, people.names),
        f"measures apart: {cell(estimate(apart[there], np.flatnonzero(there)))} degrees of yaw, "
        f"{there.sum()} photographs",
        f"{attacker.recogniser.name}: {len(people.names)} {'tuning' if options.tuning else 'held-out'} "
        "people; 95 % intervals over people.",
    ]
    print("\n".join(lines))
    options.out.mkdir(parents=True, exist_ok=True)
    words = f"Templates of {attacker.recogniser.name}."
    write_png(options.out / "sheet.png", sheet(pictures, people, "Pose and expression", words))
    write_table(options.out, "\n".join(lines) + "\n", {name: asdict(row) for name, row in rows.items()})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add what photographs and landmarks need."""
    parser.add_argument("--aligned", type=Path, required=True, help="aligned LFW: a folder for each identity")
    parser.add_argument(
        "--landmarker", type=Path, required=True, help="a Python interpreter with mediapipe==0.10.21"
    )


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_arguments(parser)
    add_attacked(parser, 16)
    parser.add_argument(
        "--wishes", nargs="+", choices=WISHES, default=list(WISHES), help="the rows (default: all)"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("arcinvert-results/pose"), help="the folder for results"
    )
    run_or_exit(compare, parser)


if __name__ == "__main__":
    main()
