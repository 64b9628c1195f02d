"""A comparison of recipes: their pictures by step, and the verdicts on the last ones."""

from dataclasses import dataclass, field
from html import escape

import numpy as np
from numpy.typing import NDArray

from arcinvert import Run
from arcinvert.evaluation.calibration import thresholds

from .html import figure, row, table
from .jobs import Job
from .panel import Attack
from .recipes import VARIANTS
from .scores import decisive

#: Pictures that are kept of each recipe.
KEPT = 20


@dataclass
class Comparison:
    """What a comparison has made.

    Args:
        steps: The steps that were chosen.
        pictures: The pictures of each recipe that was started, uint8 HWC by step, in the order of `VARIANTS`.
        runs: The runs of the recipes that have ended, in the same order.
    """

    steps: int
    pictures: list[dict[int, NDArray[np.uint8]]] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    @property
    def every(self) -> int:
        """The number of steps between two pictures that are kept."""
        return max(1, self.steps // KEPT)

    @property
    def last(self) -> int:
        """The last step of which there is a picture."""
        return max((step for pictures in self.pictures for step in pictures), default=1)

    def run(self, job: Job, attack: Attack, options: dict[str, int]) -> None:
        """Run the recipes one after the other, until the job is stopped."""
        for part, variant in enumerate(VARIANTS):
            job.begin_part(part)
            self.pictures.append({})
            self.runs.append(attack(job, **options, **variant.options))
            if job.stopped:
                return


def side_by_side(comparison: Comparison, step: int) -> str:
    """Return the picture of each recipe at a step: the last one that was kept until then."""
    shown = []
    for variant, pictures in zip(VARIANTS, comparison.pictures, strict=False):
        at = max((kept for kept in pictures if kept <= step), default=min(pictures, default=0))
        if at:
            alt = f"{variant.title}: the reconstruction after {at} steps"
            shown.append(figure(pictures[at], alt, f"{variant.title}, step {at}"))
    return row(shown)


def verdicts(comparison: Comparison) -> str:
    """Return a table of the judge's verdict and the attacked network's similarity on each last picture."""
    rows = []
    for variant, run in zip(VARIANTS, comparison.runs, strict=False):
        sample = run.samples[0]
        value, floor = decisive(sample["judge"])
        verdict = "not judged"
        if value is not None and floor is not None:
            passed = [rate for rate, accepted in sample["judge"]["accepted"].items() if accepted]
            accepted = f"accepted at FMR {min(passed, key=float)}" if passed else "rejected"
            verdict = f"{value:.2f} (floor {floor:.2f}): {accepted}"
        face = "yes" if sample["judge"]["face_detected"] else "no"
        rows.append((variant.title, verdict, face, f"{sample['attacked_similarity']:.2f}"))
    accepts = ", ".join(f"{one.similarity:.2f} at FMR {one.fmr:g}" for one in thresholds())
    return table(
        ("Recipe", "Judge", "Face found", "Attacked network"),
        rows,
        f"Similarities of the last pictures. The judge's thresholds are {accepts}; FMR is the false match "
        "rate, the share of pairs of different people that pass. One person and one sample prove little.",
    )


def recipe_list() -> str:
    """Return the list of the recipes."""
    items = "".join(f"<li><b>{escape(one.title)}</b>: {escape(one.text)}</li>" for one in VARIANTS)
    return f'<ul class="ai-recipes">{items}</ul>'
