"""Uploads: read once, deleted from the server's folder, and kept in memory only."""

import contextlib
import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder
from numpy.typing import NDArray

from recognition.detection.alignment import Face
from recognition.detection.search import SURE_SCORE, find_faces
from recognition.errors import InputError
from recognition.images import decode_image, frame_count

from .settings import MAX_PIXELS, MAX_UPLOAD


@dataclass(frozen=True)
class Upload:
    """The bytes of an uploaded file, and its name on the visitor's machine."""

    name: str
    data: bytes


def photograph_input(**settings: Any) -> gr.Image:
    """Return a control for a photograph: upload, clipboard or webcam.

    Handlers get an `Upload`; the file is deleted by then. Methods are replaced, not overridden, because
    Gradio writes a file into this package for every subclass of a component.
    """
    component = gr.Image(type="filepath", **settings)
    component.preprocess = lambda payload: take(payload) if payload is not None and payload.path else None
    component.postprocess = _nothing
    return component


def report_input(**settings: Any) -> gr.File:
    """Return a control for the files of a report. Handlers get `Upload`s; the files are deleted by then."""
    component = gr.File(file_count="multiple", **settings)
    component.preprocess = lambda payload: None if payload is None else [take(file) for file in payload.root]
    component.postprocess = _nothing
    return component


def _nothing(value: None) -> None:
    """Show nothing in the control, because that would write the file again."""


def take(file: Any) -> Upload:
    """Read a file that Gradio received, and delete it with the folder that Gradio made for it.

    A call can name any file of the server, and Gradio does not refuse all of them. Only what lies where
    Gradio puts uploads, in a folder of its own each, is read or deleted.

    Raises:
        gr.Error: If the file is no longer there, or is no upload.
    """
    path = Path(file.path).resolve()
    if path.parent.parent != Path(get_upload_folder()).resolve():
        raise gr.Error("Expected an uploaded file.", print_exception=False)
    try:
        # Gradio already limits the size of uploads; this limit also holds for any other file at the path.
        with path.open("rb") as opened:
            return Upload(Path(file.orig_name or path.name).name, opened.read(MAX_UPLOAD + 1))
    except OSError:
        raise gr.Error(
            "The upload is incomplete. Please choose the file again.", print_exception=False
        ) from None
    finally:
        delete(path)


def delete(path: Path) -> None:
    """Delete an uploaded file, and its folder if it is empty then."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
    if path.parent.is_dir() and not any(path.parent.iterdir()):
        shutil.rmtree(path.parent, ignore_errors=True)


@dataclass(frozen=True)
class Photograph:
    """A decoded photograph, in memory only.

    Args:
        name: The file's name on the visitor's machine.
        pixels: uint8 HWC, RGB.
        faces: The faces found in it that visitors can choose, the largest first; at least one.
        note: A sentence for the visitor; empty if there is nothing to say.
        digest: A digest of the file's content.
    """

    name: str
    pixels: NDArray[np.uint8]
    faces: list[Face]
    note: str = ""
    digest: str = ""


def decode(upload: Upload) -> Photograph:
    """Decode a photograph, whatever its name, and find the faces in it.

    Raises:
        InputError: If the file is too large, not a photograph, or damaged, or there is no face in it.
    """
    if len(upload.data) > MAX_UPLOAD:
        raise InputError(
            f"{upload.name}: expected at most {MAX_UPLOAD // 10**6} MB, got more; choose a smaller file"
        )
    pixels = decode_image(upload.data, name=upload.name, max_pixels=MAX_PIXELS)
    faces = sure_faces(find_faces(pixels, small=True))
    if not faces:
        raise InputError(
            f"{upload.name}: expected a face, the detector found none; choose a clear frontal photograph"
        )
    frames = frame_count(upload.data)
    note = f"The file is an animation of {frames} frames; the first frame is used." if frames > 1 else ""
    return Photograph(upload.name, pixels, faces, note, hashlib.sha256(upload.data).hexdigest())


def sure_faces(faces: list[Face]) -> list[Face]:
    """Return the faces of which the detector is sure, or all if it is sure of none.

    Beside a sure face, an unsure one is mostly something else, such as an emblem on a sleeve.
    """
    return [face for face in faces if face.score >= SURE_SCORE] or faces
