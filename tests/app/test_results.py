"""A finished attack: cards and downloads."""

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

from app.results import cards, downloads, finished
from arcinvert import Run, generate
from arcinvert.evaluation.calibration import thresholds


@pytest.fixture(scope="module")
def run(tiny_model: Path) -> Run:
    return generate(1, model=tiny_model, steps=1, samples=2)


def test_results_and_downloads(run: Run) -> None:
    shown = cards(run, thresholds()[0].fmr, original=run.images[0])
    assert shown.count("<article") == 2
    assert shown.count("The photograph that the template came from") == 4
    assert "200,233 pairs of different people" in shown
    assert all('alt="' in tag for tag in re.findall("<img[^>]*>", shown))
    links = downloads(run)
    data = re.search(r'download="arcinvert.zip" href="data:application/zip;base64,([^"]+)"', links)
    assert data is not None
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(data[1]))) as archive:
        assert json.loads(archive.read("result.json")) == run.result
        with Image.open(io.BytesIO(archive.read("class1_sample1.png"))) as image:
            assert np.array_equal(np.asarray(image), run.images[1])
    assert "Done: 2 reconstructions" in finished(run, timed_out=False)
    assert "time limit" in finished(run, timed_out=True)
    assert "Stopped" in finished(dataclasses.replace(run, interrupted=True), timed_out=False)
