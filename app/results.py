"""A finished attack on the page: each reconstruction with its scores, and what can be downloaded."""

import io
import json
import zipfile
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.html import data_uri, encode, figure, status
from app.scores import meaning, own_opinion, similarity_bar
from arcinvert.api import Run
from arcinvert.evaluation.calibration import histogram, thresholds
from arcinvert.output.folder import RESULT_NAME, SHEET_NAME


def cards(run: Run, fmr: float, original: NDArray[np.uint8] | None = None) -> str:
    """Every reconstruction with picture, bar, sentence and the attacked network's own opinion.

    Args:
        fmr: of the judge's threshold.
        original: the photograph's aligned face, uint8 HWC, to show beside, where there is one.
    """
    beside = ""
    if original is not None:
        beside = figure(original, "The photograph that the template came from", "photograph")
    threshold = next(threshold for threshold in thresholds() if threshold.fmr == fmr)
    shown = []
    for image, sample in zip(run.images, run.samples, strict=True):
        verdict = sample["judge"]
        alt = f"Reconstruction {sample['sample'] + 1}, a synthetic face"
        shown.append(
            f'<article class="ai-card" aria-label="{alt}">'
            f"<div>{figure(image, alt, 'reconstruction')}{beside}</div><div>"
            f"{similarity_bar(verdict, threshold, histogram())}"
            f'<p class="ai-meaning">{escape(meaning(verdict, threshold))}</p>'
            f"{own_opinion(sample['attacked_similarity'])}</div></article>"
        )
    counts = f"{threshold.nonmated:,} pairs of different people and {threshold.mated:,} pairs of one person"
    basis = (
        f"The judge is dlib's recogniser; it was not attacked. The threshold and the two distributions rest "
        f"on {counts}, photographs of {threshold.identities} people outside every attack. "
        "A reconstruction is no photograph: it shows what a network knows."
    )
    return f'<div class="ai-cards">{"".join(shown)}</div><p class="ai-note">{escape(basis)}</p>'


def finished(run: Run, *, timed_out: bool) -> str:
    """One line about how a run ended."""
    seconds, count = run.result["seconds"], len(run.images)
    faces = f"{count} reconstruction{'s' if count > 1 else ''} in {seconds:.0f} s"
    if timed_out:
        return status(f"The time limit ended it early: {faces}; what there was is kept.")
    if run.interrupted:
        return status(f"Stopped: {faces}; what there was is kept.")
    return status(f"Done: {faces}.")


def downloads(run: Run) -> str:
    """Links that hold their files: the images and result.json in one archive, and each alone."""
    result = json.dumps(run.result, indent=2, ensure_ascii=False, allow_nan=False).encode()
    sheet = encode(run.sheet)[0]
    archive = _archive(run, result, sheet)
    links: list[tuple[str, bytes, str, str]] = [
        ("arcinvert.zip", archive, "application/zip", "images, sheet.png and result.json"),
        (SHEET_NAME, sheet, "image/png", "the contact sheet"),
        (RESULT_NAME, result, "application/json", "options, versions, figures"),
    ]
    items = "".join(
        f'<li><a class="ai-download" download="{name}" href="{data_uri(data, kind)}" '
        f'title="Download {name}: {words}">{name}</a> <span>{words}</span></li>'
        for name, data, kind, words in links
    )
    return f'<ul class="ai-downloads" aria-label="Downloads">{items}</ul>'


def _archive(run: Run, result: bytes, sheet: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        files: list[tuple[str, Any]] = [(RESULT_NAME, result), (SHEET_NAME, sheet)]
        files += [
            (sample["image"], encode(image)[0]) for image, sample in zip(run.images, run.samples, strict=True)
        ]
        for name, data in files:
            archive.writestr(name, data)
    return buffer.getvalue()
