"""A panel of one identity: poses or ages from left to right, expressions from top to bottom."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from arcinvert.arguments import check_path
from arcinvert.attacker import Attacker, overlap_of
from arcinvert.evaluation.calibration import thresholds
from arcinvert.evaluation.crops import to_crop_size
from arcinvert.evaluation.scores import judge_images
from arcinvert.inversion.appearance import UNCHANGED
from arcinvert.inversion.progress import OnStep, StepsInTurn
from arcinvert.output.contact_sheet import Row, Tile, contact_sheet
from arcinvert.output.verdicts import badge, display_name
from arcinvert.subjects import Subject, TemplateSubjects, class_subjects
from arcinvert.subjects.descriptions import describe_photographs
from arcinvert.templates.options import TemplateOptions
from recognition.appearance.expressions import Expression
from recognition.errors import InputError
from recognition.images import to_uint8, write_png

#: Poses of a panel by default, degrees.
YAWS = (-30.0, -15.0, 0.0, 15.0, 30.0)
#: A file of one template.
TEMPLATES = TemplateOptions()
#: What an identity is given by.
Source = Literal["class", "photograph", "template"]


def subject_of(attacker: Attacker, source: Source, given: Any, where: TemplateOptions = TEMPLATES) -> Subject:
    """Return the identity of a panel.

    Args:
        attacker: The loaded network.
        source: What is given.
        given: A class number or name, a photograph, or a file of templates.
        where: Where the template is in the file.

    Raises:
        InputError: If it cannot be used, or is not of one identity.
    """
    found: Sequence[Subject]
    if source == "class":
        found = class_subjects(attacker.recogniser, [given], attacker.judge)
    elif source == "photograph":
        found, _, _ = describe_photographs(
            attacker.recogniser, given, attacker.judge, face=1, detector="hog", photos=None
        )
    else:
        found = TemplateSubjects(attacker.recogniser.embedding_size, given, where)
    if len(found) != 1:
        choice = ", or choose with --identities" if source == "template" else ""
        raise InputError(f"panel: expected one identity, got {len(found)}; make a panel of each{choice}")
    return found[0]


def make_panel(
    attacker: Attacker,
    source: Source,
    given: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    yaws: Sequence[float] | None = None,
    ages: Sequence[float] | None = None,
    expressions: Sequence[Expression] = get_args(Expression),
    on_step: OnStep | None = None,
    where: TemplateOptions = TEMPLATES,
    **options: Any,
) -> NDArray[np.uint8]:
    """Return a picture of one identity in several poses and expressions, or at several ages, uint8 HWC.

    One attack is made, and its image is given each pose or age and each expression, as the options `yaw`,
    `age`, `pitch` and `expression` give it, steps after it included. Below each is the judge's verdict.

    Args:
        attacker: The loaded network.
        source: What `given` is: `class`, `photograph` or `template`.
        given: A class number or name, a photograph, or a file of templates.
        out: The file to write; None writes nothing.
        yaws: The poses from left to right, degrees; None without ages is `YAWS`.
        ages: The ages from left to right, years, in place of poses.
        expressions: The expressions from top to bottom.
        on_step: Receives every step, of the attack and after each pose and expression.
        where: Where the template is in its file.
        options: Further fields of `AttackOptions`.

    Raises:
        InputError: If something given cannot be used.

    Example:
        >>> picture = make_panel(Attacker(), "class", 123, yaws=(-20, 0, 20))
    """
    check_path("out", out)
    if yaws is not None and ages is not None:
        raise InputError("panel: expected yaws or ages, got both; make a panel of each")
    across: tuple[Literal["yaw", "age"], Sequence[float]]
    across = ("yaw", YAWS if yaws is None else yaws) if ages is None else ("age", ages)
    axis, values = across
    if not values or not expressions:
        raise InputError(f"panel: expected at least one {axis} and one expression, got none")
    subject = subject_of(attacker, source, given, where)
    target: Literal["class", "template"] = "class" if source == "class" else "template"
    # All wishes are checked before the attack.
    plans = [
        attacker.plan(target, **options | {"samples": 1, axis: value, "expression": expression})
        for expression in expressions
        for value in values
    ]
    plan = replace(plans[0], appearance=UNCHANGED, appearance_steps=0)
    overlap_of(attacker, plan, [subject], allowed=source == "class")
    if out is not None:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
    steps = [plan.steps_per_batch, *(cell.appearance_steps for cell in plans)]
    counted = None if on_step is None else StepsInTurn(on_step, steps)
    found = attacker.reconstruct([subject], plan, on_step=counted)
    images = []
    for cell in plans:
        if counted is not None:
            counted.end()
        images.append(to_uint8(attacker.show([subject], found, cell, on_step=counted).images)[0])
    unit = "yaw {:+g}" if axis == "yaw" else "at {:g}"
    captions = [unit.format(value) for value in values]
    sheet = _drawn(attacker, subject, np.stack(images), captions, expressions)
    if out is not None:
        write_png(Path(out), sheet)
    return sheet


def _drawn(
    attacker: Attacker,
    subject: Subject,
    images: NDArray[np.uint8],
    captions: Sequence[str],
    expressions: Sequence[Expression],
) -> NDArray[np.uint8]:
    floor = to_crop_size(to_uint8(attacker.knowledge.mean_face)[None])[0]
    verdicts = judge_images(
        attacker.judge,
        list(to_crop_size(images)),
        floor,
        [subject.reference] * len(images),
        thresholds(),
    )
    tiles = [
        Tile(image, (caption,), badge(verdict.accepted))
        for image, verdict, caption in zip(images, verdicts, list(captions) * len(expressions), strict=True)
    ]
    rows = [
        Row(expression.replace("-", " "), "", tiles[len(captions) * number : len(captions) * (number + 1)])
        for number, expression in enumerate(expressions)
    ]
    return contact_sheet(
        display_name(subject.name, subject.label),
        f"An attack on {attacker.recogniser.name}, whose image is changed afterwards. Degrees and years are "
        "what was asked for.",
        rows,
    )
