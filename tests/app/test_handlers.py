"""What the page shows, without a browser: inputs read, scores in words, reports walked, files wiped."""

import dataclasses
import io
import json
import re
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.context import Context, told
from app.html import figure, table
from app.learn import MARGINS, Margin
from app.panel import checked
from app.recipes import VARIANTS
from app.report import SECTIONS, read_report
from app.results import cards, downloads, finished
from app.scores import decisive, meaning, similarity_bar
from app.settings import Settings
from app.tabs import audit, photograph
from app.tabs.identity import class_choices, identity_attack, wanted_class
from app.tabs.ingredients import Comparison, side_by_side
from app.tabs.learn import curves, decision
from app.upload import Upload, decode, photograph_input, report_input
from arcinvert.api import Run, generate
from arcinvert.evaluation.calibration import Histogram, Threshold, histogram, thresholds
from arcinvert.options import AttackOptions
from arcinvert.recipes import RECIPES
from recognition.errors import InputError
from tests.conftest import TINY_NAMES

LENIENT, STRICT = thresholds()


def verdict(**given: Any) -> dict[str, Any]:
    return {
        "type_1": None,
        "type_2": None,
        "accepted": None,
        "floor_type_1": None,
        "floor_type_2": None,
        "ceiling": None,
        "face_detected": True,
    } | given


@pytest.fixture(scope="module")
def run(tiny_model: Path) -> Run:
    return generate(1, model=tiny_model, steps=1, samples=2)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("123", 123),
        (" 7 ", 7),
        ("123: Alex Ferguson", 123),
        ("Alex Ferguson", "Alex_Ferguson"),
        ("Alex_Ferguson", "Alex_Ferguson"),
        ("-1", "-1"),
    ],
)
def test_an_identity_by_name_or_number(text: str, wanted: int | str) -> None:
    assert wanted_class(text) == wanted


@pytest.mark.parametrize("text", ["", "  ", None])
def test_no_identity(text: str | None) -> None:
    with pytest.raises(InputError, match="expected a name or a number, got nothing"):
        wanted_class(text)


def test_the_list_of_identities(tiny_model: Path) -> None:
    assert class_choices(str(tiny_model)) == [f"{label}: {name}" for label, name in enumerate(TINY_NAMES)]


def test_an_unknown_identity_is_told(tiny_model: Path) -> None:
    attack = identity_attack(Context(Settings()), str(tiny_model), "99")
    job: Any = SimpleNamespace(progress=lambda *step: None)
    result, message = told(lambda: attack(job, steps=1))
    assert result is None
    assert "expected 0 to 4, got 99" in message
    assert 'role="alert"' in message


def test_a_bug_is_not_told_in_detail(caplog: pytest.LogCaptureFixture) -> None:
    result, message = told(lambda: 1 / 0)
    assert result is None
    assert "ZeroDivisionError" not in message
    assert "ZeroDivisionError" in caplog.text


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


def test_what_counts_is_type_2_where_there_is_one() -> None:
    both = verdict(type_1=0.9, floor_type_1=0.1, type_2=0.5, floor_type_2=0.2)
    assert decisive(both) == (0.5, 0.2)
    assert decisive(verdict(type_1=0.9, floor_type_1=0.1)) == (0.9, 0.1)


def test_meaning_in_words() -> None:
    accepted = meaning(verdict(type_2=0.5, floor_type_2=0.2), STRICT)
    assert "takes this picture and another photograph of the person for the same person" in accepted
    assert "1 in 1,000 pairs" in accepted
    near = meaning(verdict(type_1=0.42, floor_type_1=0.2), STRICT)
    assert "does not take this picture and the very photograph" in near
    assert near.endswith("Yet it is nearer to the person than the mean face is.")
    assert "takes this picture" in meaning(verdict(type_1=0.42, floor_type_1=0.2), LENIENT)
    assert "no nearer" in meaning(verdict(type_1=0.1, floor_type_1=0.2), LENIENT)
    assert "no photograph to compare with" in meaning(verdict(), LENIENT)
    assert meaning(verdict(face_detected=False), LENIENT).endswith("The detector finds no face in it.")


def test_marks_lie_where_they_belong() -> None:
    shares = np.array([0.0, 1.0])
    known = Histogram(np.array([-0.1, 0.4, 0.9]), shares[::-1], shares)
    threshold = Threshold(0.01, 0.4, 0.01, 0.9, 100, 50, 10)
    bar = similarity_bar(verdict(type_2=0.9, floor_type_2=-0.1, ceiling=0.65), threshold, known)
    # The axis goes from -0.1 at 10 to 0.9 at 370 pixels.
    dashed = [float(x) for x in re.findall(r'x1="([\d.]+)" x2="\1" [^>]*stroke-dasharray', bar)]
    assert dashed == [190.0, 10.0, 280.0]
    assert '<path d="M363.0,' in bar
    assert "this reconstruction at 0.90, threshold 0.40: 1 in 100 pass, floor -0.10" in bar


def test_the_shipped_distributions() -> None:
    known = histogram()
    middles = (known.edges[:-1] + known.edges[1:]) / 2
    for shares in (known.nonmated, known.mated):
        assert shares.sum() == pytest.approx(1, abs=1e-5)
        assert len(shares) == len(known.edges) - 1
    # They are of the pairs that the thresholds rest on: their tails agree, to a bin.
    for threshold in thresholds():
        for shares, tail in ((known.nonmated, threshold.realised_fmr), (known.mated, threshold.tar)):
            above = [shares[middles > threshold.similarity + shift].sum() for shift in (0.02, -0.02)]
            assert above[0] <= tail <= above[1]


def test_results_and_downloads(run: Run) -> None:
    shown = cards(run, LENIENT.fmr, original=run.images[0])
    assert shown.count("<article") == 2
    assert shown.count("The photograph that the template came from") == 4
    assert "200,233 pairs of different people" in shown
    assert all('alt="' in tag for tag in re.findall("<img[^>]*>", shown))
    links = downloads(run)
    data = re.search(r'download="arcinvert.zip" href="data:application/zip;base64,([^"]+)"', links)
    assert data is not None
    import base64

    with zipfile.ZipFile(io.BytesIO(base64.b64decode(data[1]))) as archive:
        assert json.loads(archive.read("result.json")) == run.result
        with Image.open(io.BytesIO(archive.read("class1_sample1.png"))) as image:
            assert np.array_equal(np.asarray(image), run.images[1])
    assert "Done: 2 reconstructions" in finished(run, timed_out=False)
    assert "time limit" in finished(run, timed_out=True)
    assert "Stopped" in finished(dataclasses.replace(run, interrupted=True), timed_out=False)


def test_text_is_never_markup() -> None:
    wicked = '"><script>alert(1)</script>'
    image = np.zeros((2, 2, 3), np.uint8)
    for html in (figure(image, wicked, wicked), table([wicked], [[wicked]], wicked)):
        assert "<script" not in html


def uploaded(folder: Path, name: str, content: bytes) -> Any:
    """A file as Gradio hands it over: in a folder of its own."""
    path = folder / "0123" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return SimpleNamespace(path=str(path), orig_name=f"../{name}")


def test_an_upload_is_read_and_wiped(tmp_path: Path) -> None:
    taken = photograph_input().preprocess(uploaded(tmp_path, "me.jpg", b"pixels"))
    assert taken == Upload("me.jpg", b"pixels")
    assert list(tmp_path.iterdir()) == []
    files = SimpleNamespace(root=[uploaded(tmp_path, "a.json", b"{}"), uploaded(tmp_path, "b.html", b"")])
    assert [file.name for file in report_input().preprocess(files)] == ["a.json", "b.html"]
    assert list(tmp_path.iterdir()) == []


def test_an_upload_that_has_gone(tmp_path: Path) -> None:
    gone = uploaded(tmp_path, "me.jpg", b"")
    Path(gone.path).unlink()
    with pytest.raises(gr.Error, match="did not arrive whole"):
        photograph_input().preprocess(gone)
    assert photograph_input().preprocess(None) is None


def test_gradio_writes_nothing_into_the_package() -> None:
    assert list(Path(photograph.__file__).parents[1].rglob("*.pyi")) == []


def test_photographs_are_checked_by_their_content(astronaut: NDArray[np.uint8]) -> None:
    buffer = io.BytesIO()
    Image.fromarray(astronaut[:260, 80:360]).save(buffer, "PNG")
    # The name lies; the content counts.
    found = decode(Upload("notes.txt", buffer.getvalue()))
    assert len(found.faces) == 1
    assert found.note == ""
    with pytest.raises(InputError, match=r"a\.jpg: expected an image"):
        decode(Upload("a.jpg", b"no picture"))
    with pytest.raises(InputError, match="expected at most 20 MB"):
        decode(Upload("a.jpg", bytes(20_000_001)))


def test_the_example_photograph_and_its_template(tiny_model: Path) -> None:
    found = decode(photograph.example())
    shown = photograph.show_choice(found, 1, str(tiny_model))
    assert re.findall(r'<rect class="(\w+)"', shown)[:2] == ["other", "chosen"]
    assert "32 numbers" in shown


def test_a_choice_of_pictures_by_step() -> None:
    pictures = [{step: np.full((2, 2, 3), step, np.uint8) for step in (1, 4, 8)} for _ in range(2)]
    comparison = Comparison(8, pictures)
    assert re.findall("step (\\d)<", side_by_side(comparison, 5)) == ["4", "4"]
    assert re.findall("step (\\d)<", side_by_side(comparison, 8)) == ["8", "8"]
    assert Comparison(100).every == 5
    assert Comparison(3).every == 1


def test_recipes_are_options_of_an_attack() -> None:
    assert len({variant.title for variant in VARIANTS}) == len(VARIANTS)
    for variant in VARIANTS:
        AttackOptions(**variant.options)
    assert AttackOptions(**VARIANTS[0].options) == AttackOptions()
    assert {AttackOptions(**variant.options).recipe for variant in VARIANTS} == set(RECIPES)


def test_the_example_report() -> None:
    sections = read_report(audit.example())
    assert tuple(sections) == SECTIONS
    assert "ai-verdict" in sections["Answer"]
    assert sections["Plots"].count("<svg") >= 2
    report = json.loads(audit.example()[0].data)
    ranked = re.findall(r'<th scope="row">(\w+)</th>', sections["People by risk"])
    people = [entry["pseudonym"] for entry in report["identities"]]
    assert ranked == people * len(report["judges"])


def test_pictures_of_a_report_are_shut_in() -> None:
    page = Upload("report.html", b'<img src="data:,"><script>alert("x")</script>')
    shown = read_report([*audit.example(), page])["Pictures"]
    assert 'sandbox=""' in shown
    assert "<script>" not in shown


def damaged() -> list[Upload]:
    report = json.loads(audit.example()[0].data)
    without = {key: value for key, value in report.items() if key != "judges"}
    wrong = report | {"identities": [{"pseudonym": "P", "risk": "high", "judges": {}}]}
    return [Upload("audit.json", json.dumps(one).encode()) for one in (without, wrong)]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ([Upload("a.json", b"{")], "got no JSON"),
        ([Upload("a.json", b"[" * 100_000)], "got no JSON"),
        ([Upload("a.json", b"[1]")], "layout arcinvert-audit-1, got 'None'"),
        ([Upload("a.json", b'{"schema": "arcinvert-result-1"}')], "got 'arcinvert-result-1'"),
        ([Upload("report.html", b"")], "expected audit.json"),
        ([Upload("a.json", b"{}"), Upload("b.json", b"{}")], "expected audit.json"),
        (damaged()[:1], "damaged report \\(KeyError"),
        (damaged()[1:], "damaged report"),
    ],
)
def test_what_is_no_report(files: list[Upload], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_report(files)


def test_learning_by_moving() -> None:
    assert "at scale 16" in curves(MARGINS["ArcFace, m2 = 0.5"], 16)
    assert "up to 30.7 degrees" in decision(Margin(m2=0.5), 16, 90)
    assert "0.0 degrees in the middle" in decision(Margin(), 16, 90)
