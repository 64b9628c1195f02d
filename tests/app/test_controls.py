"""Controls that get anything from a request."""

import inspect
from collections.abc import Iterator

import gradio as gr
import pytest

from app.controls import accept_any_number, as_number, cumulative, place_text, stage_text
from app.updates import Preparing, Waiting


def test_an_update_has_all_before_it() -> None:
    def run(first: int) -> Iterator[dict[str, int]]:
        yield {"a": first}
        yield {"b": 2}
        yield {"a": 3}

    assert list(cumulative(run)(1)) == [{"a": 1}, {"a": 1, "b": 2}, {"a": 3, "b": 2}]
    # Gradio reads the signature.
    assert list(inspect.signature(cumulative(run)).parameters) == ["first"]


def test_a_long_wait_is_told_in_minutes() -> None:
    assert place_text(Waiting(1, 25)) == "1 visitor before you, about 25 s"
    assert place_text(Waiting(2, 1450)) == "2 visitors before you, about 24 minutes"


def test_the_stage_before_the_first_step_in_words() -> None:
    assert stage_text(Preparing("Measuring", 0, 9, None)) == "Measuring"
    assert stage_text(Preparing("Measuring", 1, 9, 118.0)) == "Measuring, about 2 minutes left"


@pytest.mark.parametrize("kind", [gr.Radio, gr.Dropdown])
def test_a_choice_that_is_none_is_refused_without_a_traceback(kind: type) -> None:
    accept_any_number()
    accept_any_number()
    # Gradio makes a component anew when its choices change.
    changed = kind(["c"])
    assert changed.preprocess("c") == "c"
    with pytest.raises(gr.Error) as refused:
        changed.preprocess("d")
    assert not refused.value.print_exception


@pytest.mark.parametrize("kind", [gr.Number, gr.Slider])
def test_a_number_out_of_range_reaches_the_handler(kind: type) -> None:
    accept_any_number()
    # An update of its value makes the visitor a component of its own.
    made_anew = kind(minimum=0, maximum=9, value=3)
    assert made_anew.preprocess(-5) == -5
    assert made_anew.preprocess("many") is None


def test_what_is_no_number_is_nothing() -> None:
    values = [3, -0.5, True, "3", None, float("nan"), float("inf"), [1]]
    assert [as_number(value) for value in values] == [3, -0.5, *[None] * 6]
