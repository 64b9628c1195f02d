"""A photograph on its way in: read once, wiped from the server's folder, then in memory alone."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from app.settings import MAX_PIXELS, MAX_UPLOAD
from recognition.alignment import Face, detect
from recognition.errors import InputError
from recognition.images import decode_image, frame_count


@dataclass(frozen=True)
class Upload:
    """The bytes of one uploaded file and what its sender called it."""

    name: str
    data: bytes


class PhotographInput(gr.Image):  # type: ignore[misc]  # gradio's classes are untyped
    """Upload, paste or webcam; a handler gets an `Upload`, and the file is gone."""

    # Tells Gradio to draw it as its parent.
    is_template = True

    def preprocess(self, payload: Any) -> Upload | None:
        """Read the uploaded file and wipe it, with the folder that Gradio made for it.

        Raises:
            gr.Error: the file has gone already.
        """
        if payload is None or not payload.path:
            return None
        path = Path(payload.path)
        try:
            return Upload(Path(payload.orig_name or path.name).name, _read(path))
        except OSError:
            raise gr.Error("The upload did not arrive whole. Please choose the file again.") from None
        finally:
            wipe(path)

    def postprocess(self, value: None) -> None:
        """Nothing is ever shown by it: that would write a file again."""


def _read(path: Path) -> bytes:
    # The server cuts longer uploads off; this holds for whatever else lies at the path.
    with path.open("rb") as file:
        return file.read(MAX_UPLOAD + 1)


def wipe(path: Path) -> None:
    """Remove an uploaded file, and its folder if that is empty then."""
    path.unlink(missing_ok=True)
    if path.parent.is_dir() and not any(path.parent.iterdir()):
        shutil.rmtree(path.parent, ignore_errors=True)


@dataclass(frozen=True)
class Photograph:
    """A decoded photograph, in memory alone.

    Args:
        pixels: uint8 HWC RGB.
        faces: found in it, the largest first; at least one.
        note: what its sender should know.
    """

    name: str
    pixels: NDArray[np.uint8]
    faces: list[Face]
    note: str = ""


def decode(upload: Upload) -> Photograph:
    """Check an upload by its content, decode it, find its faces.

    Raises:
        InputError: too large, no photograph, damaged, or without a face.
    """
    if len(upload.data) > MAX_UPLOAD:
        raise InputError(
            f"{upload.name}: expected at most {MAX_UPLOAD // 10**6} MB, got more; shrink it first"
        )
    pixels = decode_image(upload.data, name=upload.name, max_pixels=MAX_PIXELS)
    faces = detect(pixels)
    if not faces:
        raise InputError(
            f"{upload.name}: expected a face, the detector found none; use a clear frontal photograph"
        )
    frames = frame_count(upload.data)
    note = f"The file is an animation of {frames} frames; the first one was taken." if frames > 1 else ""
    return Photograph(upload.name, pixels, faces, note)
