"""Pieces of HTML."""

import numpy as np

from app.html import figure, table


def test_text_is_never_markup() -> None:
    wicked = '"><script>alert(1)</script>'
    image = np.zeros((2, 2, 3), np.uint8)
    for html in (figure(image, wicked, wicked), table([wicked], [[wicked]], wicked)):
        assert "<script" not in html
