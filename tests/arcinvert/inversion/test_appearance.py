"""What an attack is asked to show, as numbers of the guide."""

import pytest
import torch

from arcinvert.inversion.appearance import EXPRESSIONS, Appearance
from recognition.appearance.guide import Labels
from recognition.appearance.measures import ATTRIBUTES


def percent_labels() -> Labels:
    """Return labels whose percentiles are their own number, plus a thousand for each place."""
    values = torch.arange(101.0)[:, None] + 1000 * torch.arange(5.0)
    return Labels.of(values)


def test_a_pose_is_in_degrees_and_an_expression_in_percentiles() -> None:
    assert Appearance(yaw=-12.0, pitch=3.0).targets(percent_labels()) == {"yaw": -12.0, "pitch": 3.0}
    found = Appearance(yaw=0.0, expression="smile").targets(percent_labels())
    assert found["yaw"] == 0.0
    assert found["smile"] == pytest.approx(2000 + 100 * EXPRESSIONS["smile"]["smile"])


def test_nothing_is_wanted_by_default_and_zero_degrees_are_something() -> None:
    assert not Appearance().is_wanted
    assert Appearance().targets(percent_labels()) == {}
    assert Appearance(yaw=0.0).is_wanted
    assert Appearance(expression="neutral").is_wanted


def test_expressions_differ_as_their_names_say() -> None:
    wanted = EXPRESSIONS
    assert all(set(numbers) <= set(ATTRIBUTES) for numbers in wanted.values())
    assert wanted["smile"]["smile"] > 0.5 > wanted["neutral"]["smile"]
    assert wanted["open-mouth"]["mouth"] > 0.5 > wanted["neutral"]["mouth"]
    assert wanted["eyes-closed"]["eyes"] < 0.1 < wanted["neutral"]["eyes"]
