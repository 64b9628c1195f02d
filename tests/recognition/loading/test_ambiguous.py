"""Files that leave the preprocessing open: whoever loads one is told, unless a preset decides."""

import warnings

import pytest

from arcinvert.inspection import inspect
from recognition.errors import InputWarning
from recognition.loading import ModelChoice, load
from tests.recognition.loading.files import save, state_of, tiny_body


@pytest.fixture(scope="module")
def ambiguous(tmp_path_factory):
    path = tmp_path_factory.mktemp("ambiguous") / "amb.pth"
    return save(path, state_of(tiny_body(inner_norm=True, affine=False)))


@pytest.mark.parametrize("preset", [None, "input_size=112"])
def test_a_file_with_two_readings_is_a_warning(preset, ambiguous):
    with pytest.warns(
        InputWarning, match=r"amb\.pth: .* insightface is assumed, and adaface fits as well; give --preset"
    ) as caught:
        load(ModelChoice(ambiguous, preset=preset))
    assert len(caught) == 1
    assert caught[0].filename == __file__


@pytest.mark.parametrize("preset", ["insightface", "adaface", "channels=BGR", "input_size=112,std=0.5"])
def test_a_preset_decides(preset, ambiguous):
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        load(ModelChoice(ambiguous, preset=preset))


def test_what_shows_the_readings_does_not_warn_of_them(ambiguous):
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        assert inspect(ambiguous).check.readings
