"""The pictures of the page: in all their colours, and up to the end of an element."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks import page_pictures


def test_a_picture_keeps_its_colours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_pictures, "DOCS", tmp_path)
    ramp = np.add.outer(np.arange(256), np.zeros(256)).astype(np.uint8)
    picture = np.stack([ramp, ramp.T, np.full_like(ramp, 128)], -1)
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "PNG")
    page_pictures.write(stream.getvalue(), "page")
    with Image.open(tmp_path / "page.webp") as found:
        pixels = np.asarray(found.convert("RGB"))
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 1000
    assert np.abs(pixels.astype(int) - picture).mean() < 4


def test_a_picture_ends_below_an_element() -> None:
    class Element:
        last: Any

        def bounding_box(self) -> dict[str, float]:
            return {"x": 5, "y": 100, "width": 10, "height": 50}

    class Page:
        viewport_size = {"width": 1280, "height": 900}  # noqa: RUF012  (as Playwright has it)
        scrolled: str | None = None

        def evaluate(self, script: str) -> None:
            self.scrolled = script

        def locator(self, selector: str) -> Element:
            element = Element()
            element.last = element
            return element

    page = Page()
    assert page_pictures.above(page, "#people", 8) == {"x": 0, "y": 0, "width": 1280, "height": 158}
    assert page.scrolled == "scrollTo(0, 0)"
