"""A template as a strip."""

import re

from app.strip import template_strip
from app.svg import DIFFERENT, RECONSTRUCTION


def test_each_number_is_a_stripe() -> None:
    strip = template_strip([0.5, -0.25, 0.0])
    assert re.findall('fill="(#\\w+)" fill-opacity="([\\d.]+)"', strip) == [
        (RECONSTRUCTION, "1.00"),
        (DIFFERENT, "0.50"),
        (DIFFERENT, "0.00"),
    ]
    assert "The template: 3 numbers, 0.500, -0.250, 0.000 and so on" in strip
