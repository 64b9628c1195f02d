"""Tracking of faces through a film by their embeddings."""

import csv
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from recognition.detection.alignment import Face, crop_at
from recognition.detection.search import upright_faces
from recognition.errors import InputError, one_line
from recognition.files import open_regular
from recognition.gallery import templates
from recognition.images import temporary_folder
from recognition.options import Detector
from recognition.recogniser import Recogniser

#: Frames per second that are assumed if a camera or a film does not report a plausible rate.
DEFAULT_RATE = 25.0
#: Most frames per second that are plausible.
_MAX_RATE = 1000.0
#: Largest frame in pixels; 8K has 33 million.
MAX_FRAME = 40_000_000
#: Bytes at the beginning of a film that distinguish it from text, and those that no text has.
_BEGIN = 512
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1f]")
#: Most digits of a camera's number.
_CAMERA_DIGITS = 4
#: Most identities of a film: each has a template, and each frame's faces are compared with all of them.
MAX_IDENTITIES = 10_000
#: Weight of each new embedding of an identity in its template.
TEMPLATE_RATE = 0.1
#: Colours of the identities' boxes in turn, BGR: the palette of Okabe and Ito.
_COLOURS = ((178, 114, 0), (0, 94, 213), (115, 158, 0), (167, 121, 204), (0, 159, 230), (233, 180, 86))


class IdentityTracker:
    """Assigns identity numbers to faces by their embeddings; an unknown face gets a new number.

    Args:
        threshold: Similarity above which a face belongs to a known identity.
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.templates: list[NDArray[np.float64]] = []

    def assign(self, embeddings: NDArray[np.floating]) -> list[tuple[int, float]]:
        """Return the identity, from 1, of each face in a frame, and its similarity to that identity's
        template.

        Two faces in a frame never have the same identity; the more similar one gets it. The similarity of a
        new identity is 1.

        Args:
            embeddings: Shape (faces, dim), unit norm.
        """
        assigned: dict[int, tuple[int, float]] = {}
        if self.templates:
            similarities = embeddings @ np.stack(self.templates).T
            for flat in np.argsort(-similarities, axis=None, kind="stable"):
                face, identity = divmod(int(flat), len(self.templates))
                similarity = float(similarities[face, identity])
                if similarity <= self.threshold:
                    break
                if face not in assigned and all(taken != identity for taken, _ in assigned.values()):
                    assigned[face] = (identity, similarity)
        for face, embedding in enumerate(embeddings.astype(np.float64)):
            if face in assigned:
                moved = self.templates[assigned[face][0]] * (1 - TEMPLATE_RATE) + TEMPLATE_RATE * embedding
                self.templates[assigned[face][0]] = moved / np.linalg.norm(moved)
            else:
                if len(self.templates) == MAX_IDENTITIES:
                    raise InputError(
                        f"film: expected at most {MAX_IDENTITIES:,} identities, got more at threshold "
                        f"{self.threshold:g}; use a lower --threshold, or fewer --frames"
                    )
                assigned[face] = (len(self.templates), 1.0)
                self.templates.append(embedding)
        return [(assigned[face][0] + 1, assigned[face][1]) for face in range(len(embeddings))]


@dataclass(frozen=True)
class TrackingResult:
    """The result of `track`.

    Args:
        frames: Number of frames in which faces were detected.
        identities: Number of different identities.
        appearances: Number of faces over all frames.
        interrupted: Whether Ctrl-C ended it.
    """

    frames: int
    identities: int
    appearances: int
    interrupted: bool


def track(
    recogniser: Recogniser,
    video: str,
    out: str | os.PathLike[str],
    *,
    threshold: float,
    every: int = 1,
    most_frames: int | None = None,
    small: bool = True,
    detector: Detector = "hog",
) -> TrackingResult:
    """Write `out`/marked.mp4 and `out`/appearances.csv for a film or a camera.

    The CSV has one line per face: frame (from 0), seconds, identity, left, top, right, bottom (pixels), and
    the similarity to the identity's template. Ctrl-C ends it and keeps the frames so far.

    Args:
        recogniser: The network that embeds the faces.
        video: A file, or the number of a camera.
        out: Folder of the results.
        threshold: Similarity above which a face belongs to a known identity.
        every: Detects faces in every n-th frame; the marked film has these frames only, at the same speed.
        most_frames: Ends after this many of these frames; None takes the whole film.
        small: Whether small faces are searched for beside larger ones, which takes most of the time.
        detector: The detector of faces.

    Raises:
        InputError: If an option is out of range, there is no such film or camera, or nothing can be written.
    """
    if not -1 <= threshold <= 1:
        raise InputError(f"threshold: expected a similarity from -1 to 1, got {threshold}")
    for name, given in (("every", every), ("frames", most_frames)):
        if given is not None and given < 1:
            raise InputError(f"{name}: expected 1 or more, got {given}")
    capture = _open(video)
    out = Path(out)
    try:
        rate = capture.get(cv2.CAP_PROP_FPS)
        if not 0 < rate <= _MAX_RATE:
            rate = DEFAULT_RATE
        out.mkdir(parents=True, exist_ok=True)
        with temporary_folder(out, "track") as folder:
            film, table = folder / "marked.mp4", folder / "appearances.csv"
            detect = partial(upright_faces, small=small, detector=detector)
            frames = _frames(capture, every, most_frames)
            result = _follow(recogniser, detect, frames, film, table, threshold, rate, every)
            if not result.frames:
                raise InputError(f"{video}: expected a film with frames, found none that can be decoded")
            for path in (film, table):
                path.replace(out / path.name)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); choose another --out") from None
    finally:
        capture.release()
    return result


def _open(video: str) -> Any:
    camera = video.isdecimal()
    if camera:
        # OpenCV takes a number that is too long for another camera's.
        capture = _quiet_camera(int(video)) if len(video) <= _CAMERA_DIGITS else None
        if capture is None or not capture.isOpened():
            raise InputError(f"{video}: expected a camera of this number, found none")
        return capture
    with open_regular(video, "a film or the number of a camera") as file:
        begin = file.read(_BEGIN)
    if not _BINARY.search(begin):
        # Playlists are text, and name other files and addresses that the decoder would open.
        raise InputError(f"{video}: expected a film that OpenCV can decode, got text or nothing")
    capture = cv2.VideoCapture(video, cv2.CAP_FFMPEG)
    if not capture.isOpened():
        raise InputError(f"{video}: expected a film that OpenCV can decode, found none")
    width, height = (capture.get(key) for key in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if not 0 <= width * height <= MAX_FRAME:
        capture.release()
        raise InputError(
            f"{video}: expected frames of at most {MAX_FRAME:,} pixels, got {width:.0f}x{height:.0f}"
        )
    return capture


def _quiet_camera(number: int) -> Any:
    """Open a camera, without OpenCV's own words on one that there is not."""
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        return cv2.VideoCapture(number)
    finally:
        cv2.utils.logging.setLogLevel(level)


def _frames(capture: Any, every: int, most: int | None) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield the number and the BGR image of every n-th frame."""
    number, count = 0, 0
    while most is None or count < most:
        try:
            found, frame = capture.read()
        except cv2.error as error:
            raise InputError(f"film: damaged at frame {number} ({one_line(error)})") from None
        if not found:
            return
        if number % every == 0:
            count += 1
            yield number, frame
        number += 1


def _follow(
    recogniser: Recogniser,
    detect: Callable[[NDArray[np.uint8]], list[Face]],
    frames: Iterator[tuple[int, NDArray[np.uint8]]],
    film: Path,
    table: Path,
    threshold: float,
    rate: float,
    every: int,
) -> TrackingResult:
    identities = IdentityTracker(threshold)
    writer: Any = None
    count, appearances, interrupted = 0, 0, False
    with table.open("w", newline="", encoding="utf-8") as file:
        lines = csv.writer(file)
        lines.writerow(["frame", "seconds", "identity", "left", "top", "right", "bottom", "similarity"])
        try:
            for number, frame in frames:
                if writer is None:
                    size = (frame.shape[1], frame.shape[0])
                    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"mp4v"), rate / every, size)
                    if not writer.isOpened():
                        raise InputError(f"{film.parent.parent}: OpenCV cannot write an mp4 film there")
                rgb = np.ascontiguousarray(frame[:, :, ::-1])
                faces = detect(rgb)
                assigned: list[tuple[int, float]] = []
                if faces:
                    assigned = identities.assign(
                        templates(recogniser, [crop_at(rgb, face) for face in faces])
                    )
                for face, (identity, similarity) in zip(faces, assigned, strict=True):
                    box = [round(value, 1) for value in face.box]
                    lines.writerow([number, round(number / rate, 3), identity, *box, round(similarity, 4)])
                    _mark(frame, face, identity)
                writer.write(frame)
                count, appearances = count + 1, appearances + len(faces)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            if writer is not None:
                writer.release()
    return TrackingResult(count, len(identities.templates), appearances, interrupted)


def _mark(frame: NDArray[np.uint8], face: Face, identity: int) -> None:
    left, top, right, bottom = (round(value) for value in face.box)
    colour = _COLOURS[identity % len(_COLOURS)]
    cv2.rectangle(frame, (left, top), (right, bottom), colour, 2)
    cv2.putText(frame, f"person {identity}", (left, top - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, 2)
