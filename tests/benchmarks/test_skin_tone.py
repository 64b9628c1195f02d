"""How like people's tones predicted tones are."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.skin_tone import correlation, measured, read_people
from recognition.errors import InputError
from recognition.images import write_png
from recognition.skin import skin_tones


def test_half_of_the_difference_at_a_distance() -> None:
    people = np.array([-30.0, -10.0, 10.0, 30.0] * 5)
    found = measured(people / 2 + 4, people)
    assert found["skin: kept"].value == pytest.approx(0.5)
    assert found["skin: correlation"].value == pytest.approx(1)
    # |4 - p / 2| for 30, 10, -10, -30 is 11, 1, 9, 19.
    assert found["skin: distance"].value == pytest.approx(10)


def test_a_constant_tone_tells_nothing() -> None:
    assert correlation(np.full(4, 3.0), np.arange(4.0)) == 0


def test_a_persons_tone_is_of_the_photographs_between_first_and_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.skin_tone.load_notes", lambda _: {"split": {"held_out": ["Ann", "Eve"]}})
    monkeypatch.setattr("benchmarks.skin_tone.TUNING_PEOPLE", 1)
    skin = np.array([200, 150, 120])
    shades = [np.full((112, 112, 3), skin * share, dtype=np.uint8) for share in (1, 0.8, 0.7, 0.4, 0.2)]
    for name, count in (("Ann", 3), ("Bob", 5), ("Eve", 4)):
        (tmp_path / name).mkdir()
        for number, crop in enumerate(shades[:count]):
            write_png(tmp_path / name / f"{name}_{number}.png", crop)
    # Three photographs are too few.
    held_out = read_people(tmp_path, tuning=False)
    assert held_out.names == ["Eve"]
    np.testing.assert_array_equal(held_out.last[0], shades[3])
    assert held_out.tones[0] == pytest.approx(skin_tones(np.stack(shades[1:3])).mean())
    tuned = read_people(tmp_path, tuning=True)
    assert tuned.names == ["Bob"]
    assert tuned.tones[0] == pytest.approx(skin_tones(shades[2][None])[0])
    monkeypatch.setattr("benchmarks.skin_tone.FEWEST", 6)
    with pytest.raises(InputError, match="expected people with 6 photographs, found none"):
        read_people(tmp_path, tuning=True)
