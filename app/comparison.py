"""A comparison of recipes with equal work: films side by side, and the verdicts on the last pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert import Attacker, InputError, Run
from arcinvert.evaluation.calibration import thresholds
from arcinvert.output.verdicts import display_name, one_in
from arcinvert.recipes import TargetKind

from .badges import plain_badge, verdict_badge
from .html import data_uri, encode, note, table
from .job import Job
from .panel import Attack
from .recipes import COMMON, VARIANTS
from .scores import decisive
from .updates import Frame

#: Pictures that are kept of each recipe.
KEPT = 20


@dataclass
class Comparison:
    """What a comparison has made.

    Args:
        work: The passes through the network that each recipe gets.
        target: Who is attacked, as far as it is known before the first run has ended.
        pictures: The pictures of each recipe that was started, uint8 HWC by pass, in the order of `VARIANTS`.
        runs: The runs of the recipes that have ended, in the same order.
        setting: The network and the seed, for the visitor.
    """

    work: int
    target: str = ""
    pictures: list[dict[int, NDArray[np.uint8]]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    setting: str = ""

    @property
    def every(self) -> int:
        """The number of passes between two pictures that are kept."""
        return max(1, self.work // KEPT)

    @property
    def person(self) -> str:
        """Who is attacked: the class as the network knows it, or what was chosen."""
        sample = self.runs[0].samples[0] if self.runs else {}
        label = sample.get("class_id")
        return self.target if label is None else display_name(sample["input"], label)

    def add(self, frame: Frame) -> None:
        """Keep the picture of a frame, by the passes that it took.

        A preparation that an earlier attack on the network has made is not repeated, but it counts.
        """
        self.pictures[frame.part][frame.step + self.work - frame.steps] = frame.images[0]

    def run(self, job: Job, attack: Attack, options: Sequence[dict[str, Any]]) -> None:
        """Run the recipes one after the other, until the job is stopped.

        Args:
            job: The job.
            attack: Attacks the target.
            options: The options of each recipe.
        """
        for part, given in enumerate(options):
            job.begin_part(part)
            self.pictures.append({})
            self.runs.append(attack(job, **given))
            if job.stopped:
                return


def seconds_left(frame: Frame) -> float:
    """Return the estimated number of seconds until the last recipe ends.

    Args:
        frame: The newest; each of the recipes that follow is taken to last as long as the one that runs.
    """
    whole = frame.seconds / frame.step * frame.steps
    return frame.seconds_left + whole * (len(VARIANTS) - 1 - frame.part)


def equal_work(attacker: Attacker, target: TargetKind, work: int) -> list[dict[str, Any]]:
    """Return the options of each recipe with which it takes the same number of passes through the network.

    Restarts and the preparation of an initialisation are part of the work.

    Args:
        attacker: The network.
        target: What is attacked.
        work: The passes that each recipe gets.

    Raises:
        InputError: If that is less than a recipe's preparation takes.
    """
    options = []
    for variant in VARIANTS:
        plan = attacker.plan(target, steps=work, **variant.options)
        steps = plan.steps_within(work - plan.preparation_steps)
        if steps < 1:
            raise InputError(
                f"Passes: expected more than {plan.preparation_steps}, got {work}; the recipe "
                f"'{variant.title}' needs as many before its first step"
            )
        # Further attempts would be more work than the others get.
        options.append(variant.options | {"steps": steps, "retries": 0})
    return options


def films(comparison: Comparison, *, scrub: bool) -> str:
    """Return the pictures of the recipes side by side.

    Args:
        comparison: What has been made so far.
        scrub: Whether all pictures are embedded, with one slider and one play button for all recipes, or the
            newest alone.
    """
    shown = []
    for part, pictures in enumerate(comparison.pictures):
        if not pictures:
            continue
        title, steps = VARIANTS[part].title, sorted(pictures)
        badge = plain_badge("runs" if part >= len(comparison.runs) else "done")
        if part < len(comparison.runs):
            badge = verdict_badge(comparison.runs[part].samples[0]["judge"])
        kept = steps if scrub else steps[-1:]
        strip = np.concatenate([pictures[step] for step in kept], axis=1)
        uri = data_uri(*encode(strip, lossless=False))
        # One picture of all frames side by side, of which the script moves one into the window.
        shift = -100 * (len(kept) - 1) / len(kept)
        shown.append(
            f'<figure class="ai-face" data-steps="{" ".join(map(str, kept))}"><div class="ai-window">'
            f'<img src="{uri}" alt="{escape(title)}: the reconstruction" '
            f'style="width:{100 * len(kept)}%;transform:translateX({shift}%)"></div>'
            f'<figcaption>{badge}<b>{escape(title)}</b><span class="ai-at">pass {kept[-1]}</span>'
            "</figcaption></figure>"
        )
    title = f"The attacked person: {comparison.person}" if comparison.person else ""
    head = f'<p class="ai-headline">{escape(title)}</p>' if shown and title else ""
    head += note(comparison.setting) if head and comparison.setting else ""
    controls = _scrubber(comparison.work) if scrub else ""
    live = "" if scrub else " ai-live"
    row = f'<div class="ai-faces{live}">{"".join(shown)}</div>'
    return f'<div class="ai-films" data-player="films">{head}{controls}{row}</div>'


def _scrubber(work: int) -> str:
    return (
        '<div class="ai-scrubber"><button type="button">Play</button>'
        f'<input type="range" min="0" max="{work}" value="{work}" aria-label="Passes through the network">'
        f"<span><output>{work}</output> of {work} passes</span></div>"
    )


def verdicts(comparison: Comparison) -> str:
    """Return a table of the judge's verdict and the attacked network's similarity on each last picture."""
    rows = []
    for variant, run in zip(VARIANTS, comparison.runs, strict=False):
        sample = run.samples[0]
        value, floor = decisive(sample["judge"])
        judged = "unknown" if value is None or floor is None else f"{value:.2f} (floor {floor:.2f})"
        face = "yes" if sample["judge"]["face_detected"] else "no"
        rows.append((variant.title, face, judged, f"{sample['attacked_similarity']:.2f}"))
    accepts = ", ".join(
        f"{one.similarity:.2f} ({one_in(one.fmr)} pairs of strangers)" for one in thresholds()
    )
    return table(
        ("Recipe", "Face found", "Judge", "Attacked network"),
        rows,
        f"Similarities of the last pictures. The judge accepts from {accepts}.",
    ) + note(
        f"{_fooled(comparison)}A picture in which no face is found counts as not accepted, since noise can "
        "fool a network, and now and then even a judge. One person and one sample prove little."
    )


def _fooled(comparison: Comparison) -> str:
    """Return a sentence about a picture without a face that the attacked network rates above one with a face.

    Nothing if there is no such picture.
    """
    found: dict[bool, list[tuple[float, str]]] = {True: [], False: []}
    for variant, run in zip(VARIANTS, comparison.runs, strict=False):
        sample = run.samples[0]
        found[bool(sample["judge"]["face_detected"])].append((sample["attacked_similarity"], variant.title))
    if not found[True] or not found[False]:
        return ""
    (face, face_title), (noise, noise_title) = min(found[True]), max(found[False])
    if noise < face:
        return ""
    return (
        f"The attacked network finds the picture of '{noise_title}' ({noise:.2f}), which shows no face, "
        f"closer to the person than that of '{face_title}' ({face:.2f}), which does. "
    )


def recipe_list() -> str:
    """Return the list of the recipes, with what they have in common."""
    items = "".join(f"<li><b>{escape(one.title)}</b>: {escape(one.text)}</li>" for one in VARIANTS)
    return f'<p>{escape(COMMON)}</p><ul class="ai-recipes">{items}</ul>'
