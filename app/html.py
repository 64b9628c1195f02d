"""Pieces of the page as HTML. Pictures are embedded in it, so that none is written to a file."""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: JPEG quality of live frames and photographs, which are shown briefly; results are PNG.
JPEG_QUALITY = 88


def data_uri(data: bytes, media_type: str) -> str:
    """Return bytes as a data URI."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def encode(image: NDArray[np.uint8], *, lossless: bool = True) -> tuple[bytes, str]:
    """Return an image, uint8 HWC, as the bytes of a file and its media type: PNG, or else JPEG."""
    buffer = io.BytesIO()
    if lossless:
        Image.fromarray(image).save(buffer, "PNG")
        return buffer.getvalue(), "image/png"
    Image.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue(), "image/jpeg"


def picture(image: NDArray[np.uint8], alt: str, *, lossless: bool = True) -> str:
    """Return an img element of an image, uint8 HWC."""
    uri = data_uri(*encode(image, lossless=lossless))
    return f'<img src="{uri}" alt="{escape(alt)}" title="{escape(alt)}">'


def figure(
    image: NDArray[np.uint8] | str, alt: str, caption: str, *, badge: str = "", lossless: bool = True
) -> str:
    """Return a picture with a caption.

    Args:
        image: uint8 HWC, or a data URI.
        alt: What screen readers say.
        caption: Text below the picture.
        badge: HTML before the caption.
        lossless: Whether an array is embedded as PNG, or else as JPEG.
    """
    shown = (
        f'<img src="{escape(image)}" alt="{escape(alt)}">'
        if isinstance(image, str)
        else picture(image, alt, lossless=lossless)
    )
    words = f"<figcaption>{badge}<span>{escape(caption)}</span></figcaption>"
    return f'<figure class="ai-face">{shown}{words}</figure>'


def details(summary: str, body: str, *, is_open: bool = False) -> str:
    """Return a section that opens and closes by its summary; the summary is text, the body HTML."""
    state = " open" if is_open else ""
    return f'<details class="ai-details"{state}><summary>{escape(summary)}</summary>{body}</details>'


def faces_row(parts: Iterable[str], *, live: bool = False) -> str:
    """Return large faces side by side, as many as fit.

    Args:
        parts: Figures.
        live: Whether they are the frames of an attack that runs; the page scrolls to the first.
    """
    return f'<div class="ai-faces{" ai-live" if live else ""}">{"".join(parts)}</div>'


def note(text: str) -> str:
    """Return a paragraph of plain text in the quiet colour."""
    return f'<p class="ai-note">{escape(text)}</p>'


def problem(text: str) -> str:
    """Return a message about input that cannot be used; screen readers read it at once."""
    return f'<p class="ai-problem" role="alert">{escape(text)}</p>'


def status(text: str) -> str:
    """Return a message about what has happened; screen readers read it when they are idle."""
    return f'<p class="ai-status" role="status">{escape(text)}</p>'


def progress(done: int, total: int, text: str, *, announced: bool = False) -> str:
    """Return a progress bar with a text.

    Args:
        done: What is done.
        total: Of how much.
        text: The text beside the bar.
        announced: Whether screen readers read the text; at each step that would be too much.
    """
    live = "" if announced else ' aria-live="off"'
    return (
        f'<div class="ai-progress"{live}><progress value="{done}" max="{total}" aria-label="Progress">'
        f"</progress><span>{escape(text)}</span></div>"
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    """Return a table; all cells are text."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>" for cells in rows)
    return (
        f'<p class="ai-note">{escape(caption)}</p>'
        f'<div class="ai-table" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f'<table aria-label="{escape(caption)}">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
