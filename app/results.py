"""A finished attack on the page: the faces with their verdicts, one plot, and the files to download."""

import io
import json
import zipfile
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert import Run
from arcinvert.evaluation.calibration import histogram, thresholds
from arcinvert.output.folder import RESULT_NAME, SHEET_NAME
from arcinvert.output.verdicts import one_in

from .access import answered
from .badges import headline, plain_badge, verdict_badge
from .html import data_uri, details, encode, faces_row, figure, picture, status, table
from .scores import decisive, similarity_plot
from .target import Target, title

FILM_NAME = "film.webp"
MEAN_FACE_ALT = "The mean face, which shows nobody"
MEAN_FACE_CAPTION = "Mean face: the mean of many, the same for everybody"


@dataclass(frozen=True)
class Shown:
    """A finished attack with what is shown beside it.

    Args:
        run: The attack.
        mean_face: The mean face of the attacker, uint8 HWC.
        original: The aligned face of the photograph, uint8 HWC; None if there is none.
        film: The bytes of the film; None if there is none.
        timed_out: Whether the time limit ended it.
        target: Whom it is on; None without a title.
        given: The values of the tab's controls that said so.
    """

    run: Run
    mean_face: NDArray[np.uint8]
    original: NDArray[np.uint8] | None = None
    film: bytes | None = None
    timed_out: bool = False
    target: Target | None = None
    given: tuple[Any, ...] = field(default=(), repr=False)


def result_view(shown: Shown) -> str:
    """Return a finished attack: whom it is on, one sentence, the faces with badges, one plot, the numbers."""
    run = shown.run
    verdicts = [sample["judge"] for sample in run.samples]
    figures = [figure(shown.mean_face, MEAN_FACE_ALT, MEAN_FACE_CAPTION, badge=plain_badge("shows nobody"))]
    for number, (image, verdict) in enumerate(zip(run.images, verdicts, strict=True), 1):
        alt = f"Reconstruction {number}, a synthetic face"
        figures.append(figure(image, alt, f"Reconstruction {number}", badge=verdict_badge(verdict)))
    slider = "" if shown.original is None else before_and_after(shown.original, run.images[0])
    plot = similarity_plot(verdicts, thresholds(), histogram())
    name = "" if shown.target is None else title(shown.target, run.result["options"]["seed"])
    return (
        f'{name}<p class="ai-headline">{escape(headline(verdicts))}</p>'
        f"{answered(run.result['access'])}"
        f'{faces_row(figures)}<div class="ai-pair">{slider}{plot}</div>'
        f"{details('What do these numbers mean?', _numbers(run))}"
    )


def before_and_after(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> str:
    """Return two pictures on top of each other with a slider that uncovers one or the other."""
    return (
        '<figure class="ai-slider" style="--at:50%"><div>'
        f"{picture(after, 'Reconstruction 1, below the photograph')}"
        f"{picture(before, 'The photograph that the template came from')}<i></i></div>"
        '<input type="range" min="0" max="100" value="50" aria-label="How much of the photograph is shown, '
        "in per cent\" oninput=\"this.parentNode.style.setProperty('--at', this.value + '%')\">"
        "<figcaption><span>Photograph</span><span>Reconstruction 1</span></figcaption></figure>"
    )


#: What the last column of the table is, by what the attacker has of the network.
_OWN_OPINION = {
    "weights": "The cosine similarity by the attacked network is what the picture was optimised for, so it "
    "proves nothing: even noise can reach it.",
    "embeddings": "The cosine similarity by the attacked network is its own answer on the picture, which the "
    "attack has raised, so it proves nothing.",
    "scores": "The similarity by the attacked network is its own answer on the picture, which the attack has "
    "raised, so it proves nothing.",
    "decisions": "In place of the attacked network, which answers yes or no, the last column has the cosine "
    "similarity by the attacker's own network to what it found out.",
}


def _numbers(run: Run) -> str:
    """Return what the similarities are, and those of each reconstruction."""
    rows = []
    for number, sample in enumerate(run.samples, 1):
        values = (*decisive(sample["judge"]), sample["judge"]["ceiling"], sample["attacked_similarity"])
        rows.append((str(number), *("unknown" if value is None else f"{value:.2f}" for value in values)))
    first, second = run.samples[0]["judge"], thresholds()[0]
    against = (
        "the photograph that the template came from"
        if first["type_2"] is None
        else "another photograph of the person"
    )
    accepts = " or ".join(
        f"{one.similarity:.2f}, which {one_in(one.fmr)} pairs of photographs of different people exceed"
        for one in thresholds()
    )
    words = (
        f"The judge is the recogniser of the library dlib, which was not attacked. It compares each "
        f"reconstruction with {against}, and accepts it above a threshold: {accepts}. Thresholds and curves "
        f"come from {second.nonmated:,} pairs of "
        f"different people and {second.mated:,} pairs of one person, photographs of {second.identities} "
        "people who were never attacked.",
        "The floor is the similarity of the mean face, which knows nothing of the person; a reconstruction "
        "that reveals something lies above it. The ceiling is that of a real photograph: no reconstruction "
        "is expected to lie far above it.",
        _OWN_OPINION[run.result["access"]["kind"]],
        "A reconstruction is not a photograph. It shows what a network keeps of a person.",
    )
    heads = ("Face", "Judge", "Floor", "Ceiling", "Attacked network")
    paragraphs = "".join(f"<p>{escape(one)}</p>" for one in words)
    return table(heads, rows, "Similarity of each reconstruction to the person") + paragraphs


def finished(shown: Shown) -> str:
    """Return one line about how a run ended."""
    run = shown.run
    seconds, count = run.result["seconds"], len(run.images)
    faces = f"{count} reconstruction{'s' if count > 1 else ''} in {seconds:.0f} s"
    if shown.timed_out:
        return status(f"The time limit ended the attack early: {faces}. The result so far is kept.")
    if run.interrupted:
        return status(f"Stopped: {faces}. The result so far is kept.")
    return status(f"Done: {faces}.")


def downloads(shown: Shown) -> str:
    """Return links that contain their files: sheet, film, an archive of all, and result.json."""
    run = shown.run
    result = json.dumps(run.result, indent=2, ensure_ascii=False, allow_nan=False).encode()
    sheet, _ = encode(run.sheet)
    links: list[tuple[str, bytes, str, str]] = [
        (SHEET_NAME, sheet, "image/png", "a picture to share: all faces with their verdicts"),
        ("arcinvert.zip", _archive(shown, result, sheet), "application/zip", "everything"),
        (RESULT_NAME, result, "application/json", "options, scores and versions"),
    ]
    if shown.film is not None:
        links.insert(1, (FILM_NAME, shown.film, "image/webp", "the faces as they were optimised"))
    items = "".join(
        f'<li><a class="ai-download" download="{name}" href="{data_uri(data, kind)}">{name}</a> '
        f"<span>{escape(words)}</span></li>"
        for name, data, kind, words in links
    )
    return f'<ul class="ai-downloads" aria-label="Downloads">{items}</ul>'


def _archive(shown: Shown, result: bytes, sheet: bytes) -> bytes:
    run, buffer = shown.run, io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(RESULT_NAME, result)
        archive.writestr(SHEET_NAME, sheet)
        if shown.film is not None:
            archive.writestr(FILM_NAME, shown.film)
        for image, sample in zip(run.images, run.samples, strict=True):
            archive.writestr(sample["image"], encode(image)[0])
    return buffer.getvalue()
