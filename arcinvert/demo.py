"""The demonstration: three people in one picture, two from a network's weights, one from a template."""

import os
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.attacker import Attacker
from arcinvert.class_list import best_known_classes
from arcinvert.evaluation.calibration import thresholds
from arcinvert.evaluation.crops import to_crop_size
from arcinvert.inversion.progress import OnStep
from arcinvert.output.contact_sheet import contact_sheet
from arcinvert.output.sheet import Shown, sheet_rows
from arcinvert.output.verdicts import one_in, person_line
from arcinvert.run import Run
from arcinvert.subjects import class_centres
from recognition.images import read_image, to_uint8, write_png

#: Photographed by NASA, public domain; her aligned face from the photograph that scikit-image
#: ships as `skimage.data.astronaut`. No bundled network was trained on her.
PERSON = "Eileen Collins"
PHOTOGRAPH = "eileen-collins.png"
PICTURE_NAME = "demo.png"
#: Classes that are attacked, those with the most training photographs.
_CLASSES = 2


@dataclass(frozen=True)
class Demo:
    """A finished demonstration.

    Args:
        picture: The sheet of all people, uint8 HWC.
        sentences: What it shows, in plain English.
        people: A line on each person with the verdict.
        runs: The closed-set run and the open-set run.
    """

    picture: NDArray[np.uint8]
    sentences: tuple[str, str, str]
    people: tuple[str, ...]
    runs: tuple[Run, Run]


def run_demo(
    attacker: Attacker, out: str | os.PathLike[str], *, progress: OnStep | None = None, **options: Any
) -> Demo:
    """Reconstruct two people from a network's class centres and one from a template, and draw one picture.

    The classes are those with the most training photographs, or the first ones where these are not known.

    Args:
        attacker: The network, with class centres.
        out: The folder to write: `demo.png`, and a result's folder for either attack.
        progress: Receives every step of both attacks.
        options: Fields of `AttackOptions`.

    Raises:
        InputError: If the network has no class centres, or `out` cannot be written.
    """
    out, recogniser = Path(out), attacker.recogniser
    known = [one.id for one in best_known_classes(recogniser, _CLASSES)]
    labels = known or list(range(min(_CLASSES, len(class_centres(recogniser)))))
    closed = attacker.generate(labels, out=out / "closed-set", progress=progress, **options)
    photograph = str(files("arcinvert").joinpath("data", PHOTOGRAPH))
    opened = attacker.from_crops(photograph, out=out / "open-set", progress=progress, **options)
    floor = to_crop_size(to_uint8(attacker.knowledge.mean_face)[None])[0]
    shown = [*_shown(closed, None), *_shown(opened, read_image(photograph))]
    sentences = _sentences(recogniser.name, recogniser.embedding_size, shown)
    picture = contact_sheet(
        "What a face recogniser gives away",
        " ".join(sentences),
        sheet_rows(shown, floor),
        f"Method: arcinvert demo, recipe {closed.result['plan']['recipe']}, network {recogniser.name}. "
        f"Judge: {closed.result['judge']['judge']}. Photograph: NASA, public domain.",
    )
    write_png(out / PICTURE_NAME, picture)
    people = tuple(person_line([one.sample | {"input": one.name}]) for one in shown)
    return Demo(picture, sentences, people, (closed, opened))


def _shown(run: Run, photograph: NDArray[np.uint8] | None) -> list[Shown]:
    """Return the first sample of each person of a run for the picture."""
    return [
        Shown(
            PERSON if photograph is not None else sample["input"],
            sample["class_id"],
            photograph,
            image,
            sample,
        )
        for image, sample in zip(run.images, run.samples, strict=True)
        if sample["sample"] == 0
    ]


def _sentences(network: str, numbers: int, shown: list[Shown]) -> tuple[str, str, str]:
    """Return what the picture shows, in three sentences."""
    classes = [one for one in shown if one.label is not None]
    strictest = thresholds()[-1]
    verdicts = [one.sample["judge"] for one in shown if one.sample["judge"]["accepted"] is not None]
    accepted = sum(verdict["accepted"][f"{strictest.fmr:g}"] for verdict in verdicts)
    floors = [
        verdict["floor_type_1" if verdict["floor_type_2"] is None else "floor_type_2"] for verdict in verdicts
    ]
    by_chance = sum(value > strictest.similarity for value in floors)
    first = (
        f"These faces were made from numbers alone: {len(classes)} from what the network {network} keeps of "
        f"people whom it was trained on, and one from the {numbers} numbers (the template) that it computes "
        "of a photograph."
    )
    second = (
        f"Another recogniser, which was not attacked, accepts {accepted} of {len(verdicts)} as the person, "
        f"at a threshold that {one_in(strictest.fmr)} pairs of strangers pass; of the mean face, which shows "
        f"nobody, it accepts {by_chance} of {len(verdicts)}."
    )
    if accepted > by_chance:
        third = (
            "Whoever gets hold of a face recogniser or of its templates therefore gets faces: both need the "
            "protection that photographs of these people would."
        )
    else:
        third = (
            "These are not recognised, which clears neither the network nor its templates: more steps, "
            "public faces or another photograph may give more away."
        )
    return first, second, third
