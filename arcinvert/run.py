"""A finished run, as the library returns it and a notebook shows it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from arcinvert.output.html import data_uri, table
from arcinvert.output.sheet import summary_line
from arcinvert.output.verdicts import accepted_at
from recognition.images import read_image

#: Samples that a notebook's table lists.
_LISTED = 40


@dataclass(frozen=True)
class Run:
    """A finished run.

    Args:
        images: The reconstructions, uint8 HWC. Those of a run that wrote a folder are read from there one
            by one when they are accessed, so that any number of them takes no memory.
        samples: One entry for each image, as in result.json.
        summary: The figures over all samples.
        result: The content of result.json.
        sheet: The contact sheet, uint8 HWC.
        out: The folder that was written; None if none was.
        interrupted: Whether the run was stopped early; what was finished is in it.
    """

    images: Sequence[NDArray[np.uint8]]
    samples: list[dict[str, Any]]
    summary: dict[str, Any]
    result: dict[str, Any]
    sheet: NDArray[np.uint8] = field(repr=False)
    out: Path | None
    interrupted: bool

    def show(self) -> Image.Image:
        """Return the contact sheet as a PIL image, which notebooks display."""
        return Image.fromarray(self.sheet)

    def _repr_html_(self) -> str:
        """Return the contact sheet, the summary and a table of the samples, for notebooks."""
        heads = (
            "image",
            "attacked similarity",
            "Type I",
            "Type II",
            "ceiling",
            "accepted at FMR",
            "face detected",
        )
        rows = [_row(sample) for sample in self.samples[:_LISTED]]
        more = len(self.samples) - len(rows)
        return (
            f'<img src="{data_uri(self.sheet)}" alt="Contact sheet of {len(self.samples)} reconstructions" '
            f'style="max-width: 100%"><p>{escape(summary_line(self.summary))}</p>{table(heads, rows)}'
            + (f"<p>and {more:,} more</p>" if more > 0 else "")
        )


def _row(sample: dict[str, Any]) -> tuple[str, ...]:
    verdict = sample["judge"]
    numbers = (sample["attacked_similarity"], verdict["type_1"], verdict["type_2"], verdict["ceiling"])
    return (
        sample["image"],
        *("-" if number is None else f"{number:.3f}" for number in numbers),
        accepted_at(verdict["accepted"]),
        "yes" if verdict["face_detected"] else "no",
    )


class WrittenImages(Sequence[NDArray[np.uint8]]):
    """Images in a folder, each read when it is accessed.

    Args:
        folder: The folder.
        names: The file names, in order.
    """

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        self._folder, self._names = folder, names

    def __len__(self) -> int:
        return len(self._names)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> "WrittenImages": ...
    def __getitem__(self, index: int | slice) -> "NDArray[np.uint8] | WrittenImages":
        if isinstance(index, slice):
            return WrittenImages(self._folder, self._names[index])
        return read_image(self._folder / self._names[index])
