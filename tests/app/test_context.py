"""Errors of handlers as messages."""

import pytest

from app.context import attempt
from app.job import Abandoned
from arcinvert import InputError


def test_bad_input_is_shown_as_an_alert() -> None:
    def work() -> None:
        raise InputError("class id: expected 0 to 4, got 99 <b>")

    result, message = attempt(work)
    assert result is None
    assert "nobody with the number 99 &lt;b&gt;" in message
    assert 'role="alert"' in message
    assert attempt(lambda: 3) == (3, "")


def test_a_bug_is_logged_and_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    result, message = attempt(lambda: 1 / 0)
    assert result is None
    assert "ZeroDivisionError" not in message
    assert "ZeroDivisionError" in caplog.text


def test_a_visitor_who_has_left_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    def work() -> None:
        raise Abandoned

    assert attempt(work) == (None, "")
    assert caplog.text == ""
