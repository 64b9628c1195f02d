"""The film of an attack."""

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.film import LAST_MS, MOST_FRAMES, SIDE, Film, steps_between


def grey(value: int, samples: int = 2) -> NDArray[np.uint8]:
    return np.full((samples, 8, 8, 3), value, np.uint8)


def read(film: Film) -> Any:
    data = film.encode()
    assert data is not None
    return Image.open(io.BytesIO(data))


def test_a_film_shows_all_samples_from_the_first_frame_to_the_last() -> None:
    film = Film()
    for value in (0, 120, 240):
        film.add(grey(value))
    with read(film) as image:
        assert (image.format, image.size, image.n_frames) == ("WEBP", (2 * SIDE, SIDE), 3)
        shown = []
        for frame in range(3):
            image.seek(frame)
            shown.append(float(np.asarray(image.convert("L")).mean()))
        assert image.info["duration"] == LAST_MS
    np.testing.assert_allclose(shown, [0, 120, 240], atol=3)


def test_a_long_attack_keeps_few_frames_and_the_last_one() -> None:
    film = Film()
    for value in range(251):
        film.add(grey(value, 1))
    with read(film) as image:
        assert MOST_FRAMES / 2 <= image.n_frames <= MOST_FRAMES + 1
        image.seek(image.n_frames - 1)
        assert abs(float(np.asarray(image.convert("L")).mean()) - 250) < 3


def test_no_frame_is_no_film() -> None:
    assert Film().encode() is None


@pytest.mark.parametrize("steps", [1, 7, 46, 50, 92, 500])
def test_frames_come_as_often_as_a_film_has_room_for(steps: int) -> None:
    frames = steps // steps_between(steps)
    assert min(steps, MOST_FRAMES / 2 - 1) <= frames <= MOST_FRAMES
