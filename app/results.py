"""A finished attack on the page: each reconstruction with its scores, and the files to download."""

import io
import json
import zipfile
from html import escape

import numpy as np
from numpy.typing import NDArray

from arcinvert import Run
from arcinvert.evaluation.calibration import histogram, thresholds
from arcinvert.output.folder import RESULT_NAME, SHEET_NAME

from .html import data_uri, encode, figure, status
from .scores import attacked_similarity, meaning, similarity_plot


def cards(run: Run, fmr: float, original: NDArray[np.uint8] | None = None) -> str:
    """Return a card for each reconstruction: picture, plot, sentence, and the attacked network's similarity.

    Args:
        run: The finished attack.
        fmr: The false match rate of the judge's threshold.
        original: The aligned face of the photograph, uint8 HWC, to show beside; None if there is none.
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
            f"{similarity_plot(verdict, threshold, histogram())}"
            f'<p class="ai-meaning">{escape(meaning(verdict, threshold))}</p>'
            f"{attacked_similarity(sample['attacked_similarity'])}</div></article>"
        )
    counts = f"{threshold.nonmated:,} pairs of different people and {threshold.mated:,} pairs of one person"
    basis = (
        "The judge is the recogniser of the library dlib, which was not attacked. The threshold and the two "
        f"distributions come from {counts}, photographs of {threshold.identities} people who were never "
        "attacked. A reconstruction is not a photograph: it shows what a network knows."
    )
    return f'<div class="ai-cards">{"".join(shown)}</div><p class="ai-note">{escape(basis)}</p>'


def finished(run: Run, *, timed_out: bool) -> str:
    """Return one line about how a run ended."""
    seconds, count = run.result["seconds"], len(run.images)
    faces = f"{count} reconstruction{'s' if count > 1 else ''} in {seconds:.0f} s"
    if timed_out:
        return status(f"The time limit ended the attack early: {faces}. The result so far is kept.")
    if run.interrupted:
        return status(f"Stopped: {faces}. The result so far is kept.")
    return status(f"Done: {faces}.")


def downloads(run: Run) -> str:
    """Return links that contain their files: an archive of all, the contact sheet, and result.json."""
    result = json.dumps(run.result, indent=2, ensure_ascii=False, allow_nan=False).encode()
    sheet, _ = encode(run.sheet)
    archive = _archive(run, result, sheet)
    links: list[tuple[str, bytes, str, str]] = [
        ("arcinvert.zip", archive, "application/zip", f"images, {SHEET_NAME} and {RESULT_NAME}"),
        (SHEET_NAME, sheet, "image/png", "the contact sheet"),
        (RESULT_NAME, result, "application/json", "options, scores and versions"),
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
        archive.writestr(RESULT_NAME, result)
        archive.writestr(SHEET_NAME, sheet)
        for image, sample in zip(run.images, run.samples, strict=True):
            archive.writestr(sample["image"], encode(image)[0])
    return buffer.getvalue()
