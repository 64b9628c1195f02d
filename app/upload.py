"""A photograph on its way in: read once, wiped from the server's folder, then in memory alone."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from numpy.typing import NDArray

from app.settings import MAX_PIXELS, MAX_UPLOAD
from recognition.detection.alignment import Face, detect
from recognition.errors import InputError
from recognition.images import decode_image, frame_count


@dataclass(frozen=True)
class Upload:
    """The bytes of one uploaded file and what its sender called it."""

    name: str
    data: bytes


def photograph_input(**settings: Any) -> gr.Image:
    """Upload, paste or webcam; a handler gets an `Upload`, and the file is gone.

    Its methods are replaced rather than overridden: for a subclass, Gradio writes a file into this
    package.
    """
    component = gr.Image(type="filepath", **settings)
    component.preprocess = lambda payload: take(payload) if payload is not None and payload.path else None
    component.postprocess = _nothing
    return component


def report_input(**settings: Any) -> gr.File:
    """Files of a report; a handler gets their `Upload`s, and the files are gone."""
    component = gr.File(file_count="multiple", **settings)
    component.preprocess = lambda payload: None if payload is None else [take(file) for file in payload.root]
    component.postprocess = _nothing
    return component


def _nothing(value: None) -> None:
    """Nothing is ever shown by them: that would write a file again."""


def take(file: Any) -> Upload:
    """Read one file of Gradio's and wipe it, with the folder that Gradio made for it.

    Raises:
        gr.Error: it has gone already.
    """
    path = Path(file.path)
    try:
        # The server cuts longer uploads off; this holds for whatever else lies at the path.
        with path.open("rb") as opened:
            return Upload(Path(file.orig_name or path.name).name, opened.read(MAX_UPLOAD + 1))
    except OSError:
        raise gr.Error("The upload did not arrive whole. Please choose the file again.") from None
    finally:
        wipe(path)


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
