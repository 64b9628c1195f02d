"""A finished run in a notebook: its contact sheet, its HTML, and its images read one by one."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from arcinvert import Attacker, Run
from recognition.images import read_image, write_png

#: Elements of HTML that have no end tag.
VOID = {"img", "br", "hr", "meta", "link", "input"}


class Checker(HTMLParser):
    """Parses HTML strictly: every element is closed in its order. Collects cells, and sources of images."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.text = ""
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "td":
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] == "td":
            self.cells[-1] += data


@pytest.fixture(scope="module")
def run(tiny_model: Path) -> Run:
    return Attacker(tiny_model, device="cpu").generate([0, 1], steps=1)


def test_show_is_the_contact_sheet_for_notebooks(run: Run) -> None:
    picture = run.show()
    assert isinstance(picture, Image.Image)
    assert np.array_equal(np.asarray(picture), run.sheet)


def test_the_html_has_sheet_summary_and_a_row_for_each_sample(run: Run) -> None:
    checked = Checker(run._repr_html_())
    names = [tag for tag, _ in checked.attributes]
    assert names.count("img") == 1
    assert names.count("tr") == 3
    image = next(attributes for tag, attributes in checked.attributes if tag == "img")
    assert str(image["src"]).startswith("data:image/png;base64,")
    assert image["alt"] == "Contact sheet of 2 reconstructions"
    assert {attributes["scope"] for tag, attributes in checked.attributes if tag == "th"} == {"col"}
    columns = names.count("th")
    assert len(checked.cells) == 2 * columns
    assert checked.cells[:2] == ["class0_sample0.png", f"{run.samples[0]['attacked_similarity']:.3f}"]
    # Nothing to judge by: dashes, and it is said.
    assert checked.cells[2:5] == ["-", "-", "-"]
    assert checked.cells[5] == "not judged"
    assert "No photograph to judge by" in checked.text


def test_names_are_escaped(run: Run) -> None:
    nasty = "<script>alert('x')</script>&amp;\"_sample0.png"
    samples: list[dict[str, Any]] = [{**run.samples[0], "image": nasty}]
    checked = Checker(replace(run, samples=samples)._repr_html_())
    assert "script" not in {tag for tag, _ in checked.attributes}
    assert checked.cells[0] == nasty


def test_verdicts_are_in_the_table(run: Run) -> None:
    verdict = {
        "type_1": None,
        "type_2": 0.61,
        "accepted": {"0.01": True, "0.001": False},
        "floor_type_1": None,
        "floor_type_2": 0.2,
        "ceiling": 0.7,
        "face_detected": True,
    }
    checked = Checker(replace(run, samples=[{**run.samples[0], "judge": verdict}])._repr_html_())
    assert checked.cells[2:] == ["-", "0.610", "0.700", "1 in 100", "yes"]
    refused = verdict | {"accepted": {"0.01": False, "0.001": False}, "face_detected": False}
    checked = Checker(replace(run, samples=[{**run.samples[0], "judge": refused}])._repr_html_())
    assert checked.cells[5:] == ["none", "no"]


def test_a_long_table_is_cut(run: Run) -> None:
    checked = Checker(replace(run, samples=[run.samples[0]] * 1300)._repr_html_())
    rows = sum(tag == "tr" for tag, _ in checked.attributes) - 1
    assert 10 <= rows < 100
    assert f"and {1300 - rows:,} more" in checked.text


def test_written_images_are_read_when_they_are_accessed(tiny_model: Path, tmp_path: Path) -> None:
    run = Attacker(tiny_model, device="cpu").generate([0, 1, 2], steps=1, out=tmp_path / "out")
    names = [sample["image"] for sample in run.samples]
    assert len(run.images) == 3
    for index in (0, 2, -1):
        assert np.array_equal(run.images[index], read_image(tmp_path / "out" / names[index]))
    part = run.images[1:]
    assert len(part) == 2
    assert np.array_equal(part[0], run.images[1])
    write_png(tmp_path / "out" / names[1], np.zeros((112, 112, 3), np.uint8))
    assert not run.images[1].any()
    with pytest.raises(IndexError):
        _ = run.images[3]
