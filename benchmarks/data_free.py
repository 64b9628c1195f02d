"""How much of a network a student learns without its training photographs, and without any photograph.

    python -m recognition align ../shared/data/lfw/images ALIGNED
    python -m benchmarks.data_free --aligned ALIGNED --out runs/data-free --quick
    python -m benchmarks.data_free --aligned ALIGNED --out runs/data-free --teacher MODEL

One teacher, and one small student for each set of faces, from the same random weights, with the same number
of optimiser steps whatever the size of the set. All but the student of labels learn the teacher's embeddings
alone (`train --teacher MODEL --teacher-weight 1 --head-weight 0`). The sets:

- labels: photographs of the bundled network's training people with their names, without a teacher.
- real: the same photographs without names.
- mixed: these, and mixtures of two of them (benchmarks/mixed_faces.py), without names.
- inverted: a synthetic set ('arcinvert synthesise') of the teacher. Of photographs it uses the shipped face
  PCA alone: the teacher is measured on synthetic faces, whatever lies beside its file.
- regressed: the same without an optimiser step, each picture the face that the regression predicts, varied.
- weights: a synthetic set by the teacher's weights alone.
- symmetric, gaussian, mosaic: faces that are drawn without a network (benchmarks/drawn_faces.py).
- both: the sets real and inverted together.

Every student is measured on the bundled network's 600 held-out people, whom no set has. TAR is the true
accept rate at a false match rate (FMR) of 0.001, with a 95 % interval over people; the seconds are those that
passed for making a set, for the teacher's embeddings with the training, and in all. A training is one, from
one seed: intervals leave out what another seed would change.

Several sets may be made at the same time, by several commands with the same --out and other --sets; a last
command prints the table of all. On a graphics card a larger --batch-size is faster.

What is finished in --out is not done again, and what was stopped goes on; seconds of a run that was killed
are not counted.
"""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.data_free_sets import SCALES, SETS, Scale, Setting, make_set, spend
from benchmarks.judged import run_or_exit
from benchmarks.people import tuning_people
from recognition.bundled import BUNDLED
from recognition.checkpoint import load_notes
from recognition.data.embedding import embed_files
from recognition.data.folders import read_folders
from recognition.data.keys import labelled
from recognition.errors import InputError
from recognition.images import atomic_path
from recognition.loading import bundled_path, load
from recognition.metrics.verification import describe_verification, verify
from recognition.recogniser import Recogniser
from recognition.runtime import choose_device, keep_freed_memory
from recognition.training.options import TrainingOptions
from recognition.training.train import train

#: False match rate of the headline.
FMR = 1e-3
#: People on whom settings are tuned.
TUNING = 600


def student_options(name: str, scale: Scale, faces: int, embedding_size: int) -> TrainingOptions:
    """Return the options of a student's training, with about the scale's number of steps.

    Args:
        name: The set.
        scale: How large the student is.
        faces: The number of faces of the set.
        embedding_size: Dimensions of the teacher's embeddings.
    """
    batches = max(1, faces // scale.student.batch_size)
    options = replace(
        scale.student, epochs=max(1, round(scale.steps / batches)), embedding_size=embedding_size
    )
    if name == "labels":
        return options
    return replace(options, head_weight=0.0, teacher_weight=1.0)


def measured(recogniser: Recogniser, aligned: Path, *, tuning: bool = False) -> dict[str, Any]:
    """Return verification figures of a network.

    Args:
        recogniser: The network, on its device.
        aligned: Aligned LFW.
        tuning: Whether the people are 600 whom settings are tuned on, and not the held-out ones.
    """
    folders = read_folders(aligned)
    held_out = load_notes(bundled_path())["split"]["held_out"]
    names = sorted(set(held_out) & set(folders))
    if tuning:
        names = tuning_people(folders, held_out)[:TUNING]
    samples = labelled({name: folders[name] for name in names})
    embeddings = embed_files(recogniser, [key for key, _ in samples])
    labels = np.array([label for _, label in samples])
    return describe_verification(verify(embeddings, labels, fmrs=(FMR,), intervals=True))


def run_set(name: str, setting: Setting) -> dict[str, Any]:
    """Return the figures of a set's student, which are read where they exist."""
    folder = setting.out / "students" / name
    finished = folder / "figures.json"
    if finished.exists():
        return dict(json.loads(finished.read_text()))
    listed, making = make_set(name, setting)
    # A list has a line for its columns.
    faces = len(listed.read_text().splitlines()) - 1
    options = student_options(name, setting.scale, faces, load(setting.teacher).embedding_size)
    path, training = spend(
        setting.out / "cost" / f"{name}-training.json",
        lambda: train(
            listed,
            folder,
            options,
            device=setting.device,
            precision="float32",
            keep_images=True,
            teacher=None if name == "labels" else setting.teacher,
        ),
    )
    described = {"faces": faces, "epochs": options.epochs, "making": making, "training": training}
    described |= measured(load(path).to(choose_device(setting.device)), setting.aligned)
    with atomic_path(finished) as temporary:
        temporary.write_text(json.dumps(described))
    tqdm.write(f"{name}: {json.dumps(described)}")
    return described


def check_setting(setting: Setting) -> None:
    """Note what the results in a folder are of, and exit if they are of something else."""
    path = setting.out / "setting.json"
    now = {
        "teacher": load(setting.teacher).source.sha256,
        "scale": json.loads(json.dumps(asdict(setting.scale))),
        "device": str(choose_device(setting.device)),
    }
    if path.exists():
        if json.loads(path.read_text()) != now:
            raise InputError(
                f"{setting.out}: expected results of the same teacher, scale and device, got others; "
                "choose another --out"
            )
        return
    setting.out.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(now))


def run_teacher(setting: Setting) -> dict[str, Any]:
    """Return the figures of the teacher, which are read where they exist."""
    finished = setting.out / "teacher.json"
    if not finished.exists():
        teacher = load(setting.teacher).to(choose_device(setting.device))
        described = measured(teacher, setting.aligned)
        setting.out.mkdir(parents=True, exist_ok=True)
        with atomic_path(finished) as temporary:
            temporary.write_text(json.dumps(described))
    return dict(json.loads(finished.read_text()))


def table(teacher: dict[str, Any], students: dict[str, dict[str, Any]]) -> list[str]:
    """Return the lines of a Markdown table: the teacher, and each set's student.

    Args:
        teacher: Figures of the teacher.
        students: Figures of the students by set.
    """
    lines = [
        f"| student of | faces | TAR at FMR {FMR:g} | of the teacher's | EER | set, s | training, s "
        "| in all, s |",
        "|---|---|---|---|---|---|---|---|",
        f"| the teacher itself | - | {tar_cell(teacher)} | 1 | {teacher['eer']:.3f} | - | - | - |",
    ]
    whole = teacher[f"tar_at_fmr_{FMR:g}"]
    for name, figures in students.items():
        seconds = (figures["making"], figures["training"], figures["making"] + figures["training"])
        cells = [
            name,
            f"{figures['faces']:,}",
            tar_cell(figures),
            f"{figures[f'tar_at_fmr_{FMR:g}'] / whole:.2f}",
            f"{figures['eer']:.3f}",
            *(f"{one:.0f}" for one in seconds),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def tar_cell(figures: dict[str, Any]) -> str:
    """Return the true accept rate with its interval."""
    low, high = figures[f"tar_interval_{FMR:g}"]
    return f"{figures[f'tar_at_fmr_{FMR:g}']:.3f} [{low:.3f}, {high:.3f}]"


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--aligned", type=Path, required=True, help="aligned LFW: a folder of one folder for each identity"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder of sets, students and results")
    parser.add_argument("--teacher", default=BUNDLED, help="the teacher (default: the bundled network)")
    parser.add_argument("--quick", action="store_true", help="small sets and students, in minutes")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="the sets to compare")
    parser.add_argument("--steps", type=int, help="optimiser steps of a student (default: the scale's)")
    parser.add_argument("--drawn", type=int, help="the number of drawn faces (default: the scale's)")
    parser.add_argument(
        "--batch-size",
        type=int,
        help="pictures of a synthetic set that are optimised together (default: the scale's)",
    )
    parser.add_argument("--device", default="auto", help="the device (default: auto)")
    run_or_exit(run, parser)


def run(given: argparse.Namespace) -> None:
    """Make what is missing of the chosen sets and students, and print the table.

    Raises:
        InputError: If the faces, the teacher or the device cannot be used.
    """
    keep_freed_memory()
    scale = SCALES["quick" if given.quick else "full"]
    scale = replace(
        scale,
        steps=given.steps or scale.steps,
        drawn=given.drawn or scale.drawn,
        batch_size=given.batch_size or scale.batch_size,
    )
    setting = Setting(given.teacher, given.aligned, given.out, scale, given.device)
    check_setting(setting)
    teacher = run_teacher(setting)
    students = {name: run_set(name, setting) for name in given.sets}
    print("\n".join(table(teacher, students)))


if __name__ == "__main__":
    main()
