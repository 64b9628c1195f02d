"""Pieces of the page as HTML; pictures travel inside it, so that none is written to a file."""

import base64
import io
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Of live frames and photographs, which are looked at once; results are PNG.
JPEG_QUALITY = 88


def data_uri(data: bytes, kind: str) -> str:
    """Bytes as an address that holds them."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def encode(image: NDArray[np.uint8], *, lossless: bool = True) -> tuple[bytes, str]:
    """A uint8 HWC picture as a file's bytes and media type."""
    buffer = io.BytesIO()
    if lossless:
        Image.fromarray(image).save(buffer, "PNG")
        return buffer.getvalue(), "image/png"
    Image.fromarray(image).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue(), "image/jpeg"


def picture(image: NDArray[np.uint8], alt: str, *, lossless: bool = True) -> str:
    """An img element."""
    uri = data_uri(*encode(image, lossless=lossless))
    return f'<img src="{uri}" alt="{escape(alt)}" title="{escape(alt)}">'


def figure(image: NDArray[np.uint8], alt: str, caption: str, *, lossless: bool = True) -> str:
    """A picture with a caption; the caption is text."""
    return (
        f'<figure class="ai-face">{picture(image, alt, lossless=lossless)}'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def row(parts: Iterable[str]) -> str:
    """Parts side by side, as many as fit."""
    return f'<div class="ai-row">{"".join(parts)}</div>'


def note(text: str) -> str:
    """A quiet paragraph of text."""
    return f'<p class="ai-note">{escape(text)}</p>'


def problem(text: str) -> str:
    """A message about input that cannot be used; screen readers say it at once."""
    return f'<p class="ai-problem" role="alert">{escape(text)}</p>'


def status(text: str) -> str:
    """What has happened; screen readers say it when they are done with what they say."""
    return f'<p class="ai-status" role="status">{escape(text)}</p>'


def progress(done: int, whole: int, text: str) -> str:
    """A bar with words."""
    return (
        f'<div class="ai-progress"><progress value="{done}" max="{whole}" aria-label="Progress">'
        f"</progress><span>{escape(text)}</span></div>"
    )


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    """A table of text."""
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>" for cells in rows)
    return (
        f'<p class="ai-note">{escape(caption)}</p><div class="ai-table">'
        f'<table aria-label="{escape(caption)}">'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
