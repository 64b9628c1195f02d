"""The page in a real browser: each tab, bad uploads, two visitors, and no requests to other servers."""

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.folder_audit import recognised
from app.tabs.audit import example, read_report
from arcinvert.audit.report import read_audit
from recognition.images import write_png
from tests.app.conftest import Server, Visitor


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def portrait(tmp_path: Path, astronaut: NDArray[np.uint8]) -> Path:
    """The astronaut's head: a photograph with one face."""
    write_png(tmp_path / "portrait.png", astronaut[:260, 80:360])
    return tmp_path / "portrait.png"


def upload(visitor: Visitor, path: Path, where: str = "photograph") -> None:
    visitor.page.locator(f"#{where} input[type=file]").first.set_input_files(str(path))


def test_the_page_opens_with_a_finished_result(visitor: Visitor) -> None:
    pictures = visitor.page.locator(".ai-hero img:visible")
    visitor.expect(pictures).to_have_count(3)
    for box in [picture.bounding_box() for picture in pictures.all()]:
        assert min(box["width"], box["height"]) >= 224
    visitor.expect(visitor.see(".ai-headline")).to_contain_text("From the numbers alone")
    template = re.compile("^The template: 128 numbers")
    visitor.expect(visitor.see(".ai-hero svg")).to_have_attribute("aria-label", template)
    people = visitor.page.locator("#people button")
    visitor.expect(people).to_have_count(8)
    visitor.expect(people.first).to_contain_text("photographs")
    # Clicking one starts the attack on the tab of identities.
    people.nth(2).click()
    visitor.see("[data-result]")
    visitor.expect("#identity input").to_have_value(people.nth(2).get_attribute("data-person"))


def test_an_identity(visitor: Visitor, tmp_path: Path) -> None:
    visitor.tab("From an identity")
    visitor.advanced()
    visitor.set_number("Samples", 2)
    visitor.set_number("Steps", 3)
    visitor.page.locator("#identity input").fill("125")
    visitor.page.locator("#identity input").press("Enter")
    visitor.button("Reconstruct").click()
    visitor.see("[data-result]")
    visitor.expect_faces("Mean face", "Reconstruction 1", "Reconstruction 2")
    visitor.expect(visitor.see(".ai-status")).to_contain_text("Done: 2 reconstructions")
    headline = visitor.see("[data-result] .ai-headline")
    visitor.expect(headline).to_contain_text("recogniser that had no part")
    plots = visitor.page.locator("[data-result] .ai-plot")
    visitor.expect(plots).to_have_count(1)
    marks = r"reconstruction 1 at -?0\.\d\d, reconstruction 2 at -?0\.\d\d, 1 in 100 strangers pass: 0\.39"
    visitor.expect(plots).to_have_attribute("aria-label", re.compile(marks))
    visitor.page.get_by_text("What do these numbers mean?").click()
    visitor.expect(".ai-details tbody tr:visible").to_have_count(2)
    # The faces turn without another attack.
    visitor.set_number("Yaw", 20)
    turned = visitor.see(".ai-turning .ai-faces")
    captions = ["Reconstruction 1, yaw +20", "Reconstruction 2, yaw +20"]
    visitor.expect(turned.locator("figcaption")).to_have_text(captions)
    for image in visitor.page.locator("img:visible").all():
        assert image.get_attribute("alt")
    with visitor.page.expect_download() as download:
        visitor.page.locator("a[download='arcinvert.zip']").click()
    download.value.save_as(tmp_path / "arcinvert.zip")
    with zipfile.ZipFile(tmp_path / "arcinvert.zip") as archive:
        result = json.loads(archive.read("result.json"))
        assert set(archive.namelist()) == {
            "result.json",
            "sheet.png",
            "film.webp",
            "class125_sample0.png",
            "class125_sample1.png",
        }
    assert result["options"]["steps"] == 3
    assert [sample["class_id"] for sample in result["samples"]] == [125, 125]
    # The result and the state are there again after a refresh.
    visitor.page.reload()
    visitor.see("[data-result]")
    visitor.expect("[data-result] .ai-faces img").to_have_count(3)
    visitor.expect(visitor.page).to_have_url(re.compile(r"tab=identity.*person=125|person=125.*tab=identity"))


def test_an_address_restores_the_state(profile: Any, server: Server) -> None:
    query = "?tab=identity&network=tiny.safetensors&person=2%3A+Cat+Charlie&seed=7"
    someone = Visitor(profile, server, query)
    someone.see("#identity input")
    someone.page.wait_for_function("document.querySelector('#identity input').value == '2: Cat Charlie'")
    someone.expect("#network input").to_have_value("tiny.safetensors")
    someone.advanced()
    someone.expect("input[aria-label='Seed']:visible").to_have_value("7")
    someone.close()


def test_a_stopped_attack_keeps_its_result(visitor: Visitor) -> None:
    visitor.tab("From an identity")
    visitor.advanced()
    # Long enough that it still runs when it is stopped.
    visitor.set_number("Samples", 8)
    visitor.set_number("Steps", 500)
    visitor.button("Reconstruct").click()
    visitor.see(".ai-face img[alt^='Reconstruction 1 after']")
    progress = re.compile(r"^Step \d+ of 500, about \d+ s left$")
    visitor.expect(visitor.see(".ai-progress span")).to_have_text(progress)
    visitor.button("Stop and keep").click()
    visitor.see("[data-result]")
    visitor.expect(visitor.see(".ai-status")).to_contain_text("Stopped: 8 reconstructions in")
    visitor.expect(visitor.button("Reconstruct")).to_be_enabled()


def test_a_photograph(visitor: Visitor, server: Server, portrait: Path) -> None:
    visitor.tab("From a photograph")
    visitor.button("Use the example").click()
    visitor.see(".ai-photo img[alt*='with 1 face(s)']")
    with Image.open(portrait) as image:
        couple = Image.new("RGB", (2 * image.width, image.height))
        couple.paste(image, (0, 0))
        couple.paste(image.resize((image.width * 3 // 4, image.height * 3 // 4)), (image.width, 0))
        couple.save(portrait.with_name("couple.avif"))
    upload(visitor, portrait.with_name("couple.avif"))
    visitor.page.get_by_label("Face 2").check()
    visitor.page.get_by_label("Face 1, the largest").check()
    upload(visitor, portrait)
    visitor.see(".ai-photo img[alt*='portrait.png']")
    visitor.expect(visitor.see(".ai-leaves")).to_contain_text("128 numbers")
    visitor.page.locator("#which-face").wait_for(state="hidden")
    # From here on it is only in the server's memory.
    assert files_below(server.uploads) == []
    visitor.advanced()
    visitor.set_number("Samples", 1)
    visitor.set_number("Steps", 3)
    visitor.button("Reconstruct").click()
    visitor.see("[data-result]")
    visitor.expect_faces("Mean face", "Reconstruction 1")
    slider = visitor.see(".ai-slider input")
    slider.fill("20")
    assert visitor.see(".ai-slider").evaluate("element => element.style.getPropertyValue('--at')") == "20%"
    assert files_below(server.uploads) == []


def bad_files(folder: Path) -> list[tuple[Path, str]]:
    """Uploads that cannot be used, each with the message on the page."""
    (folder / "text.jpg").write_text("no picture\n")
    Image.new("L", (10_000, 10_000)).save(folder / "huge.png")
    Image.effect_noise((300, 300), 50).save(folder / "nobody.png")
    return [
        (folder / "text.jpg", "not a photograph that can be read"),
        (folder / "huge.png", "has more than 50,000,000 pixels"),
        (folder / "nobody.png", "No face was found"),
    ]


def test_bad_uploads_get_a_message_and_the_page_keeps_working(
    visitor: Visitor, server: Server, tmp_path: Path, portrait: Path
) -> None:
    visitor.tab("From a photograph")
    for path, message in bad_files(tmp_path):
        upload(visitor, path)
        message_shown = visitor.page.locator(".ai-problem:visible", has_text=path.name)
        message_shown.wait_for()
        assert message in message_shown.inner_text()
    assert files_below(server.uploads) == []
    with Image.open(portrait) as image:
        image.save(tmp_path / "moving.gif", save_all=True, append_images=[image.rotate(5), image.rotate(9)])
    upload(visitor, tmp_path / "moving.gif")
    visitor.see(".ai-photo img[alt*='moving.gif']")
    visitor.see(".ai-note:has-text('an animation of 3 frames')")
    # Whatever the browser takes a file for, and however large it is: the message takes the place of another.
    (tmp_path / "large.png").write_bytes(b"\0" * 70_000_000)
    (tmp_path / "notes.txt").write_text("no picture\n")
    for name, message in (("large.png", "is larger than 20 MB"), ("notes.txt", "this is not a photograph")):
        upload(visitor, tmp_path / name)
        visitor.expect(visitor.see(f".ai-problem:has-text('{name}')")).to_contain_text(message)
        visitor.expect(".ai-problem:visible").to_have_count(1)
        visitor.expect(".ai-photo:visible").to_have_count(0)
    (tmp_path / "portrait.heif-of-an-unknown-kind").write_bytes(portrait.read_bytes())
    upload(visitor, tmp_path / "portrait.heif-of-an-unknown-kind")
    visitor.see(".ai-photo img[alt*='unknown-kind']")
    visitor.expect(".toast-body").to_have_count(0)
    assert files_below(server.uploads) == []


def test_recipes_side_by_side(visitor: Visitor) -> None:
    visitor.tab("Compare recipes")
    visitor.see("#estimate p:has-text('4 recipes of 60 passes each: about')")
    visitor.advanced()
    visitor.set_number("Passes", 2)
    visitor.see("#estimate p:has-text('4 recipes of 2 passes each: about')")
    visitor.button("Start the comparison").click()
    visitor.see(".ai-scrubber")
    recipes = ["arcinvert", "weights only", "ArcFace paper", "DeepInversion"]
    visitor.expect("#side-by-side figcaption b").to_have_text(recipes)
    visitor.expect(".ai-table tbody tr:visible").to_have_count(4)
    # One slider moves all films, and one button plays them.
    visitor.see(".ai-scrubber input").fill("1")
    visitor.expect(".ai-at").to_have_text(["pass 1"] * 4)
    visitor.see(".ai-scrubber button").click()
    visitor.page.wait_for_function("document.querySelector('.ai-scrubber output').textContent == '2'")
    visitor.expect(".ai-at").to_have_text(["pass 2"] * 4)


def test_a_report(visitor: Visitor, tmp_path: Path) -> None:
    visitor.tab("Audit")
    (tmp_path / "other.json").write_text('{"schema": "<b>something</b>"}')
    upload(visitor, tmp_path / "other.json", "report")
    visitor.expect(visitor.see(".ai-problem")).to_contain_text("not '<b>something</b>'")
    visitor.button("Open the example report").click()
    visitor.see("#report-section .verdict")
    found = recognised(read_audit(example()[0].data))
    assert found is not None
    count, of = found
    visitor.expect(visitor.see("#report-answer .ai-headline")).to_have_text(
        re.compile(f"^{count} of {of} people")
    )
    visitor.expect("#report-answer .ai-figure.marked").to_have_count(count)
    with visitor.page.expect_download() as download:
        visitor.page.locator("a[download='report.pdf']").click()
    download.value.save_as(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF-")
    seen = [visitor.page.locator("#report-section").inner_text()]
    for _ in range(4):
        visitor.button("Next section").click()
        visitor.page.wait_for_function(
            "before => document.querySelector('#report-section').innerText != before", arg=seen[-1]
        )
        seen.append(visitor.page.locator("#report-section").inner_text())
    assert len(set(seen)) == 5
    # The page draws the section before it marks its button.
    visitor.page.wait_for_function(
        "title => document.querySelector('#section input:checked').value == title",
        arg=list(read_report(example()).sections)[4],
    )


def test_margins_move(visitor: Visitor) -> None:
    visitor.tab("Learn")
    visitor.expect(visitor.see("#decision .ai-note")).to_contain_text("up to 30.7 degrees")
    visitor.page.get_by_label("softmax, no margin").check()
    visitor.see("#decision .ai-note:has-text('up to 45.0 degrees')")
    visitor.button("Train it with this margin").click()
    visitor.see("#toy .ai-toy")
    visitor.expect("#toy .ai-toy").to_have_count(2)


def test_the_trainings_move_and_lead_to_an_attack(visitor: Visitor) -> None:
    visitor.page.emulate_media(reduced_motion="reduce")
    visitor.tab("Learn")
    strokes = visitor.page.locator("#toys .face")
    visitor.see("#toys svg")
    at_the_end = strokes.first.get_attribute("transform")
    slider = visitor.see("#toys input")
    slider.fill("0")
    visitor.expect(strokes.first).not_to_have_attribute("transform", str(at_the_end))
    visitor.expect("#toys output").to_have_text("0")
    visitor.see("#toys button").click()
    visitor.page.wait_for_function("document.querySelector('#toys output').textContent == '200'")
    turned = strokes.first.get_attribute("transform")
    assert [float(angle) % 360 for angle in re.findall(r"-?[\d.]+", f"{turned} {at_the_end}")] == [
        pytest.approx(float(re.findall(r"-?[\d.]+", str(at_the_end))[0]) % 360)
    ] * 2
    visitor.button("Now attack it").click()
    visitor.see("#start-identity")


def test_two_visitors_and_a_closed_tab(profile: Any, server: Server, visitor: Visitor) -> None:
    other = Visitor(profile, server)
    other.tab("From an identity")
    other.advanced()
    # Long enough that it still runs when all of the following is done.
    other.set_number("Samples", 8)
    other.set_number("Steps", 500)
    other.button("Reconstruct").click()
    other.see(".ai-face img")
    # The page answers somebody else while the job runs.
    visitor.tab("Learn")
    visitor.page.get_by_label("softmax, no margin").check()
    visitor.see("#decision .ai-note:has-text('up to 45.0 degrees')")
    other.expect(".ai-progress").to_be_visible()
    # One job at a time: the second waits, until the first visitor is gone.
    visitor.tab("From an identity")
    visitor.advanced()
    visitor.set_number("Samples", 1)
    visitor.set_number("Steps", 2)
    visitor.button("Reconstruct").click()
    waiting = re.compile(r"^1 visitor before you, about \d+ (s|minutes?)$")
    visitor.expect(visitor.see(".ai-status")).to_have_text(waiting)
    visitor.button("Cancel").click()
    visitor.see(".ai-status:has-text('Cancelled.')")
    visitor.button("Reconstruct").click()
    visitor.see(".ai-status:has-text('1 visitor before you')")
    visitor.expect(".ai-live, [data-result]").to_have_count(0)
    other.close()
    visitor.see("[data-result]")


def test_a_network_that_has_gone(visitor: Visitor, server: Server) -> None:
    tiny = server.models / "tiny.safetensors"
    kept = tiny.read_bytes()
    visitor.tab("From an identity")
    visitor.page.locator("#network input").click()
    visitor.page.get_by_role("option", name="tiny.safetensors").click()
    visitor.see(".ai-note:has-text('tell 5 people apart')")
    visitor.page.wait_for_function("document.querySelector('#identity input').value.startsWith('0: ')")
    tiny.unlink()
    try:
        visitor.button("Reconstruct").click()
        visitor.expect(visitor.see(".ai-problem")).to_contain_text("no longer on the server")
    finally:
        tiny.write_bytes(kept)
    visitor.advanced()
    visitor.set_number("Samples", 1)
    visitor.set_number("Steps", 2)
    visitor.button("Reconstruct").click()
    visitor.see("[data-result]")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone(chromium: Any, server: Server, scheme: str) -> None:
    profile = chromium.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    someone = Visitor(profile, server)
    page = someone.page
    assert page.title() == "arcinvert: what a face recogniser gives away"
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    paper = page.evaluate("getComputedStyle(document.querySelector('gradio-app')).backgroundColor")
    channels = [float(number) for number in re.findall(r"\d+", paper)[:3]]
    assert (sum(channels) / 3 > 128) == (scheme == "light")
    # The keyboard alone reaches the people who start an attack.
    for _ in range(40):
        page.keyboard.press("Tab")
        if page.evaluate("'person' in document.activeElement.dataset"):
            break
    assert page.evaluate("'person' in document.activeElement.dataset")
    profile.close()


def test_the_long_name_of_a_photograph_stays_in_its_choice(visitor: Visitor, portrait: Path) -> None:
    named = portrait.rename(portrait.with_name(f"{'a_photograph_of_' * 5}mine.png"))
    visitor.tab("From a photograph")
    upload(visitor, named)
    visitor.see(".ai-photo")
    visitor.tab("Compare recipes")
    visitor.see(f"label:has-text('{named.name}')")
    ends = visitor.page.locator("fieldset:visible").evaluate(
        "one => [one, ...one.querySelectorAll('label, label span')].map("
        "part => part.getBoundingClientRect().right)"
    )
    assert max(ends) == ends[0]
