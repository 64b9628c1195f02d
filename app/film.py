"""The film of an attack: what the reconstructions look like as they are optimised, as an animated WebP."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

#: Frames that are kept, at most; when there are more, every other one is dropped.
MOST_FRAMES = 48
#: Milliseconds that a frame and the last frame are shown.
FRAME_MS, LAST_MS = 120, 2000
#: Height of the film in pixels: the faces are enlarged, since small films are shown small.
SIDE = 224
#: Quality of the frames, of 100.
QUALITY = 80


def steps_between(steps: int) -> int:
    """Return after how many steps of an attack a frame is added: more would take the attack's time."""
    return max(1, -(-steps // (MOST_FRAMES - 2)))


class Film:
    """Collects the frames of an attack; however long it takes, no more than `MOST_FRAMES` are kept."""

    def __init__(self) -> None:
        self._frames: list[NDArray[np.uint8]] = []
        self._every = 1
        self._seen = 0
        self._last: NDArray[np.uint8] | None = None

    def add(self, images: NDArray[np.uint8]) -> None:
        """Add the images of a step, uint8 NHWC."""
        self._last = images
        if self._seen % self._every == 0:
            self._frames.append(images)
        self._seen += 1
        if len(self._frames) > MOST_FRAMES:
            self._frames = self._frames[::2]
            self._every *= 2

    def encode(self) -> bytes | None:
        """Return the film as an animated WebP with the samples side by side; None if there is no frame."""
        if self._last is None:
            return None
        frames = self._frames if self._frames[-1] is self._last else [*self._frames, self._last]
        pictures = [_picture(frame) for frame in frames]
        buffer = io.BytesIO()
        pictures[0].save(
            buffer,
            "WEBP",
            save_all=True,
            append_images=pictures[1:],
            duration=[FRAME_MS] * (len(pictures) - 1) + [LAST_MS],
            loop=0,
            quality=QUALITY,
        )
        return buffer.getvalue()


def _picture(images: NDArray[np.uint8]) -> Image.Image:
    picture = Image.fromarray(np.concatenate(list(images), axis=1))
    width = round(picture.width * SIDE / picture.height)
    return picture.resize((width, SIDE), Image.Resampling.BICUBIC)
