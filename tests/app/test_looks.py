"""How the page looks in a real browser: sizes on a phone, colours, the keyboard's focus, Back, and motion."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.folder_audit import report_files
from app.tabs.audit import example
from arcinvert.audit.report import read_audit
from arcinvert.audit.report.html import to_html
from arcinvert.audit.report.sections import audit_blocks
from tests.app.conftest import Server, Visitor

#: The width of a face, and the height of the letters in a plot, that a phone shows at least, pixels.
FACE, LETTERS = 224, 12

#: Texts of the visible plots below an element: letters that are too small, texts that are cut off or that
#: cover another.
BAD_TEXTS = """([root, least]) => {
  const bad = [];
  for (const svg of document.querySelectorAll(root + ' .ai-plot')) {
    if (!svg.checkVisibility()) continue;
    const texts = [...svg.querySelectorAll('text')], boxes = texts.map(one => one.getBoundingClientRect());
    texts.forEach((text, place) => {
      const size = parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a, box = boxes[place];
      if (size < least && !text.classList.contains('number')) bad.push([text.textContent, 'small', size]);
      if (box.left < 0 || box.right > innerWidth) bad.push([text.textContent, 'cut off', box.right]);
      texts.forEach((other, number) => {
        const that = boxes[number];
        if (number > place && box.left < that.right && that.left < box.right
            && box.top + 3 < that.bottom && that.top + 3 < box.bottom)
          bad.push([text.textContent, 'covers', other.textContent]);
      });
    });
  }
  return bad;
}"""
#: Whether something of the focus ring of the focused element is cut off by an element around it.
CLIPPED = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const out = parseFloat(style.outlineOffset) + parseFloat(style.outlineWidth) - 0.6;
  for (let above = one.parentElement; above && above !== document.body; above = above.parentElement) {
    const around = getComputedStyle(above), edge = above.getBoundingClientRect();
    const across = box.left - out < edge.left || box.right + out > edge.right;
    const down = box.top - out < edge.top || box.bottom + out > edge.bottom;
    if (around.overflowX !== 'visible' && across || around.overflowY !== 'visible' && down) return true;
  }
  return false;
}"""


@pytest.fixture(scope="module")
def phone(chromium: Any, server: Server) -> Iterator[Visitor]:
    """A visitor with a phone who wants no motion."""
    profile = chromium.new_context(reduced_motion="reduce", viewport={"width": 390, "height": 844})
    someone = Visitor(profile, server)
    yield someone
    profile.close()


def widths(visitor: Visitor, selector: str) -> list[float]:
    return [picture.bounding_box()["width"] for picture in visitor.page.locator(selector).all()]


def attack(visitor: Visitor, samples: int, steps: int) -> None:
    visitor.tab("From an identity")
    visitor.advanced()
    visitor.set_number("Samples", samples)
    visitor.set_number("Steps", steps)
    visitor.button("Reconstruct").click()


def test_a_phone_shows_a_result_large(phone: Visitor) -> None:
    phone.expect("#people img").to_have_count(8)
    assert min(widths(phone, ".ai-hero img:visible")) >= FACE
    assert min(widths(phone, "#people img")) >= FACE
    # The reconstruction is in sight without scrolling, and the network's choice is below all of it.
    seen = phone.page.locator(".ai-hero .ai-face").nth(2).bounding_box()
    assert seen["y"] + FACE / 2 < 844
    assert (
        phone.page.locator("#network").bounding_box()["y"] > phone.page.locator("#people").bounding_box()["y"]
    )
    attack(phone, 3, 2)
    phone.see("[data-result]")
    assert len(widths(phone, "[data-result] .ai-faces img")) == 4
    assert min(widths(phone, "[data-result] .ai-faces img")) >= FACE
    assert phone.page.evaluate(BAD_TEXTS, ["[data-result]", LETTERS]) == []
    # Every column of the table is in sight, and the last line is not at the frame's edge.
    phone.page.get_by_text("What do these numbers mean?").click()
    table = phone.see("[data-result] .ai-table")
    assert table.evaluate("one => one.scrollWidth <= one.clientWidth")
    details = phone.see("[data-result] .ai-details")
    assert (
        details.evaluate(
            "one => one.getBoundingClientRect().bottom - one.lastElementChild.getBoundingClientRect().bottom"
        )
        >= 10
    )


def test_a_tablet_shows_a_result_over_its_whole_width(chromium: Any, server: Server) -> None:
    profile = chromium.new_context(viewport={"width": 1100, "height": 800})
    tablet = Visitor(profile, server)
    assert tablet.see(".ai-hero").bounding_box()["width"] > 900
    # The three pictures and the mean face stand in one row.
    tops = {round(one.bounding_box()["y"]) for one in tablet.page.locator(".ai-hero .ai-face").all()}
    assert len(tops) == 1
    profile.close()


def test_a_phone_shows_plots_whole(phone: Visitor) -> None:
    phone.tab("Learn")
    phone.see("#curves svg")
    assert phone.page.evaluate(BAD_TEXTS, ["#curves", LETTERS]) == []
    assert phone.page.evaluate(BAD_TEXTS, ["#decision", LETTERS]) == []
    legends = phone.page.locator(".ai-legend:visible").evaluate_all(
        "all => all.map(one => one.scrollWidth <= one.clientWidth)"
    )
    assert legends == [True, True]


def test_a_phone_shows_the_answer_of_an_audit_first(phone: Visitor) -> None:
    phone.tab("Audit")
    answer, form = phone.see("#report-answer .ai-figures").bounding_box(), phone.see("#report").bounding_box()
    assert answer["y"] + answer["height"] < form["y"]


def test_a_report_of_the_command_line_fits_a_phone(phone: Visitor, tmp_path: Path) -> None:
    report = tmp_path / "report.html"
    report.write_text(to_html(audit_blocks(read_audit(example()[0].data))))
    page = phone.page.context.new_page()
    page.goto(report.as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # Its plots keep letters that can be read, and scroll.
    plot = page.locator("svg").first
    assert plot.evaluate("one => 12 * one.getScreenCTM().a") >= LETTERS
    # No name of a person or of a tick is cut off.
    cut = page.evaluate(
        "[...document.querySelectorAll('svg')].flatMap(svg => "
        "[...svg.querySelectorAll('text')].filter(text => {"
        "const box = text.getBoundingClientRect(), edge = svg.getBoundingClientRect();"
        "return box.left < edge.left - 1 || box.right > edge.right + 1; }).map(text => text.textContent))"
    )
    assert cut == []
    # What is above a table is read without scrolling the table.
    captions = page.locator("caption > span").evaluate_all(
        "all => all.map(one => one.getBoundingClientRect().right <= innerWidth)"
    )
    assert captions
    assert all(captions)

    def scrolling(columns: int) -> list[str]:
        """Return the captions of the tables of at most so many columns that are wider than what is seen."""
        found: list[str] = page.locator(".scroll").evaluate_all(
            "(all, most) => all.filter(one => one.scrollWidth > one.clientWidth && "
            "one.querySelectorAll('thead th').length <= most).map(one => one.getAttribute('aria-label'))",
            columns,
        )
        return found

    assert scrolling(2) == []
    # A window shows all tables whole, also the widest, of attributes.
    page.set_viewport_size({"width": 1280, "height": 900})
    assert scrolling(99) == []
    page.close()


def test_a_phone_shows_sliders_below_each_other(phone: Visitor) -> None:
    phone.tab("Learn")
    phone.see("#curves svg")
    ends = phone.page.locator("input[type=number]:visible").evaluate_all(
        "all => all.map(one => Math.round(one.getBoundingClientRect().right))"
    )
    assert len(ends) == 5
    assert len(set(ends)) == 1


def test_what_is_empty_takes_no_room(visitor: Visitor) -> None:
    visitor.tab("Compare recipes")
    words = visitor.see(".ai-results .ai-details").bounding_box()
    assert words["y"] - visitor.see(".ai-controls").bounding_box()["y"] < 30
    visitor.tab("From an identity")
    attack(visitor, 1, 2)
    files = visitor.see("[data-result]") and visitor.see(".ai-downloads").bounding_box()
    sliders = visitor.see(".ai-results .form").bounding_box()
    assert files["y"] - sliders["y"] - sliders["height"] < 50


def test_cards_of_people_are_aligned(visitor: Visitor) -> None:
    visitor.expect("#people img").to_have_count(8)
    for one in (".ai-person", ".ai-person .ai-badge"):
        ends = visitor.page.locator(one).evaluate_all(
            "all => all.map(one => Math.round(one.getBoundingClientRect().bottom))"
        )
        assert len(set(ends)) == 1


def test_the_check_marks_of_an_audit_are_seen(phone: Visitor) -> None:
    phone.tab("Audit")
    phone.see("#report-answer .marked")
    colours = phone.page.evaluate(
        "[...document.querySelector('#report-answer .marked').querySelectorAll('path')]"
        ".map(one => getComputedStyle(one)).map(style => [style.fill, style.stroke])"
    )
    (body, _), (fill, check) = colours
    assert fill == "none"
    assert check != body


def test_a_command_is_whole_and_can_be_copied(phone: Visitor) -> None:
    words = "arcinvert audit --images people --model lfw-distilled --budget quick --seed 0 --out report"
    phone.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    html = report_files(read_audit(example()[0].data), b"", words)
    phone.page.evaluate(
        "html => { const main = document.querySelector('main'), place = document.createElement('div');"
        "place.innerHTML = html; place.id = 'placed'; main.prepend(place); }",
        html,
    )
    command = phone.see("#placed .ai-command")
    assert command.evaluate("one => one.scrollWidth <= one.clientWidth")
    phone.see("#placed .ai-copy").click()
    phone.expect("#placed .ai-copy").to_have_text("Copied")
    assert phone.page.evaluate("navigator.clipboard.readText()") == words
    phone.page.evaluate("document.getElementById('placed').remove()")


def test_the_buttons_of_a_job_have_room(visitor: Visitor) -> None:
    attack(visitor, 1, 500)
    stop = visitor.button("Stop and keep")
    visitor.expect(stop).to_be_enabled()
    visitor.see(".ai-progress progress")
    start = visitor.page.locator("#start-identity")
    for button in (start, stop):
        # Two lines of letters at most, and room beside them.
        assert button.bounding_box()["height"] < 70
        assert button.bounding_box()["width"] > 180
    bar = "getComputedStyle(document.querySelector('.ai-progress progress')).appearance"
    assert visitor.page.evaluate(bar) == "none"
    # A focus that a button loses as it is disabled or hidden goes to the other one.
    stop.focus()
    visitor.page.keyboard.press("Enter")
    visitor.see("[data-result]")
    visitor.page.wait_for_function("document.activeElement.id == 'start-identity'")


def test_the_keyboard_goes_along_with_a_chosen_person(visitor: Visitor) -> None:
    visitor.tab("From an identity")
    visitor.advanced()
    visitor.set_number("Samples", 1)
    visitor.set_number("Steps", 20)
    visitor.tab("See it")
    visitor.page.locator("#people button").nth(1).focus()
    visitor.page.keyboard.press("Enter")
    visitor.see("#start-identity")
    visitor.see("[data-result], .ai-live img[alt^='Reconstruction']")
    assert visitor.page.evaluate("document.activeElement.tagName") == "BUTTON"
    visitor.see("[data-result]")
    visitor.page.wait_for_timeout(200)
    assert visitor.page.evaluate("document.activeElement.tagName") == "BUTTON"


def test_back_returns_to_the_tab_before(visitor: Visitor) -> None:
    shown = "document.querySelector('[role=tab][aria-selected=true]').dataset.tabId"
    for name in ("From a photograph", "Learn", "Audit"):
        visitor.tab(name)
        visitor.page.wait_for_function(f"location.search.includes({shown})")
    for tab in ("learn", "photograph", "start"):
        visitor.page.go_back()
        visitor.page.wait_for_function(f"{shown} == '{tab}'")
        assert f"tab={tab}" in visitor.page.url
    visitor.page.go_forward()
    visitor.page.wait_for_function(f"{shown} == 'photograph'")


def test_focus_rings_are_whole(phone: Visitor) -> None:
    clipped = []
    for name in ("Learn", "See it"):
        phone.tab(name)
        phone.page.wait_for_timeout(300)
        for _ in range(32):
            phone.page.keyboard.press("Tab")
            # The page scrolls to it, and its ring grows, which takes a busy machine longer.
            for _ in range(20):
                phone.page.wait_for_timeout(60)
                if not phone.page.evaluate(CLIPPED):
                    break
            else:
                clipped.append(phone.page.evaluate("document.activeElement.outerHTML.slice(0, 120)"))
    assert clipped == []


def test_a_training_plays_unless_motion_is_unwanted(visitor: Visitor, phone: Visitor) -> None:
    moving = "Number(document.querySelector('#toy output')?.textContent ?? 200)"
    for someone in (phone, visitor):
        someone.tab("Learn")
        someone.button("Train it with this margin").click()
        someone.see("#toy .ai-scrubber")
    visitor.page.locator("#toy").scroll_into_view_if_needed()
    visitor.page.wait_for_function(f"{moving} < 190")
    before = visitor.page.locator("#toy .face").first.get_attribute("transform")
    visitor.page.wait_for_function(f"{moving} == 200")
    assert visitor.page.locator("#toy .face").first.get_attribute("transform") != before
    # Who wants no motion sees the end, and can play it.
    assert phone.page.evaluate(moving) == 200
    phone.expect("#toy .ai-scrubber button").to_have_text("Play")
