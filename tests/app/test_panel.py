"""Options of attacks within the limits of the server."""

from typing import Any

import pytest

from app.panel import checked
from arcinvert import InputError


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((9, 1, 0), "Samples: expected a number from 1 to 8, got 9"),
        ((1, 501, 0), "Steps: expected a number from 1 to 500, got 501"),
        ((0, 1, 0), "Samples: expected a number from 1 to 8, got 0"),
        ((2.5, 1, 0), "Samples: expected a whole number from 1 to 8, got 2.5"),
        ((1, None, 0), "Steps: expected a number from 1 to 500, got nothing"),
        ((1, 1, None), "Seed: expected a whole number from 0 up, got nothing"),
        ((1, 1, -1), "Seed: expected a whole number from 0 up, got -1"),
        ((1, 1, 1e20), "Seed: expected a number from 0 to 9007199254740991, got 100000000000000000000"),
        ((1, 1, 0.5), "Seed: expected a whole number from 0 up, got 0.5"),
    ],
)
def test_the_servers_limits(given: tuple[Any, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        checked(*given)
