"""Options of attacks within the limits of the server."""

from typing import Any

import pytest

from app.panel import checked
from arcinvert import InputError


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((9, 1, 0), "samples: expected 1 to 8, got 9"),
        ((1, 501, 0), "steps: expected 1 to 500, got 501"),
        ((0, 1, 0), "samples: expected 1 to 8, got 0"),
        ((1, 1, None), "seed: expected a whole number"),
    ],
)
def test_the_servers_limits(given: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked(*given)
