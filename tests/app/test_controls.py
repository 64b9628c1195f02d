"""Controls that get anything from a request."""

from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest

from app.controls import accept_any_number, as_number


@pytest.mark.parametrize("kind", [gr.Radio, gr.Dropdown])
def test_a_choice_that_is_none_is_refused_without_a_traceback(kind: type) -> None:
    # A page of its own would start event loops.
    page: Any = SimpleNamespace(blocks={})
    accept_any_number(page)
    accept_any_number(page)
    # Gradio makes a component anew when its choices change.
    changed = kind(["c"])
    assert changed.preprocess("c") == "c"
    with pytest.raises(gr.Error) as refused:
        changed.preprocess("d")
    assert not refused.value.print_exception


def test_what_is_no_number_is_nothing() -> None:
    values = [3, -0.5, True, "3", None, float("nan"), float("inf"), [1]]
    assert [as_number(value) for value in values] == [3, -0.5, *[None] * 6]
