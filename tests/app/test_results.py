"""A finished attack: its faces and downloads."""

import base64
import dataclasses
import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.results import Shown, before_and_after, downloads, finished, result_view
from arcinvert import Run, generate


@pytest.fixture(scope="module")
def run(tiny_model: Path) -> Run:
    return generate(1, model=tiny_model, steps=1, samples=2)


def test_the_faces_and_one_plot(run: Run) -> None:
    mean_face = np.zeros((112, 112, 3), np.uint8)
    shown = result_view(Shown(run, mean_face))
    # The mean face first, then the reconstructions, each with its badge, and one plot for all.
    assert re.findall("<span>([^<]*)</span></figcaption>", shown)[0].startswith("Mean face")
    assert shown.count("<figure") == 3
    assert shown.count("ai-badge") == 3
    assert shown.count('class="ai-plot"') == 1
    assert "200,233 pairs of different people" in shown
    assert all('alt="' in tag for tag in re.findall("<img[^>]*>", shown))
    beside = result_view(Shown(run, mean_face, original=run.images[0]))
    assert "The photograph that the template came from" in beside
    assert before_and_after(run.images[0], run.images[0]) in beside
    assert 'type="range"' not in shown


def test_downloads(run: Run) -> None:
    shown = Shown(run, run.images[0], film=b"a film")
    links = downloads(shown)
    assert "film.webp" not in downloads(Shown(run, run.images[0]))
    film = re.search(r'download="film.webp" href="data:image/webp;base64,([^"]+)"', links)
    assert film is not None
    assert base64.b64decode(film[1]) == b"a film"
    data = re.search(r'download="arcinvert.zip" href="data:application/zip;base64,([^"]+)"', links)
    assert data is not None
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(data[1]))) as archive:
        assert json.loads(archive.read("result.json")) == run.result
        with Image.open(io.BytesIO(archive.read("class1_sample1.png"))) as image:
            assert np.array_equal(np.asarray(image), run.images[1])
        assert archive.read("film.webp") == b"a film"
    assert "Done: 2 reconstructions" in finished(shown)
    assert "time limit" in finished(dataclasses.replace(shown, timed_out=True))
    stopped = dataclasses.replace(run, interrupted=True)
    assert "Stopped" in finished(dataclasses.replace(shown, run=stopped))
