"""Each tab against the rules of axe-core for WCAG 2.2 AA, wide and narrow, light and dark."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.app.conftest import Server, Visitor

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe, of the extra 'dev'")

#: The levels of WCAG that hold, and rules of good practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: An element of each tab, by the tab's name on the page.
TABS = {
    "See it": "#people",
    "From an identity": "#start-identity",
    "From a photograph": "#start-photograph",
    "Compare recipes": "#start-compare",
    "Audit": "#report-answer svg",
    "Learn": "#toys svg",
}


@pytest.fixture(scope="module")
def still(chromium: Any, server: Server) -> Iterator[Visitor]:
    """A visitor who wants no motion; each test leaves the window as wide as it was."""
    profile = chromium.new_context(reduced_motion="reduce", viewport={"width": 1280, "height": 900})
    someone = Visitor(profile, server)
    yield someone
    profile.close()


def violations(page: Any) -> list[str]:
    """The violations on the page, each with its rule, its element and what is wrong."""
    found = axe.Axe().run(page, options={"runOnly": RULES}).response["violations"]
    return [
        f"{one['id']}: {node['html'][:200]}: {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


@pytest.mark.slow
@pytest.mark.parametrize("tab", TABS)
def test_no_rule_is_violated(still: Visitor, tab: str) -> None:
    page = still.page
    still.tab(tab)
    still.see(TABS[tab])
    if tab == "From a photograph":
        # With every control of a black box.
        still.button("What the attacker has").click()
        page.locator("#access-photograph input[type=radio]").nth(1).check()
        still.see("#queries-photograph")
    for width in (390, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(
                "dark => document.body.classList.contains('dark') == dark", arg=scheme == "dark"
            )
            # In the middle of a transition colours are of neither scheme.
            page.wait_for_function(
                "!document.getAnimations()"
                ".some(one => one instanceof CSSTransition && one.playState == 'running')"
            )
            assert violations(page) == [], (width, scheme)
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_rules_find_something(chromium: Any) -> None:
    page = chromium.new_page()
    page.set_content('<main><img src="data:,"><p style="color:#aaa">Hardly legible</p></main>')
    assert {one.split(":")[0] for one in violations(page)} >= {"image-alt", "color-contrast", "html-has-lang"}
    page.close()


def test_each_tab_stop_has_a_name_and_shows_its_focus(still: Visitor) -> None:
    page = still.page
    still.tab("Learn")
    still.see("#toys svg")
    page.set_viewport_size({"width": 390, "height": 900})
    seen = []
    for _ in range(30):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate(
                """() => {
                  const one = document.activeElement, style = getComputedStyle(one);
                  const name = one.getAttribute('aria-label') || one.innerText || one.title
                    || [...(one.labels || [])].map(label => label.innerText).join(' ');
                  return [one.tagName, name.trim(), style.outlineStyle, parseFloat(style.outlineWidth)];
                }"""
            )
        )
    stops = [stop for stop in seen if stop[0] != "BODY"]
    assert len(stops) > 10
    assert [stop for stop in stops if not stop[1]] == []
    assert [stop for stop in stops if stop[2] == "none" or stop[3] < 2] == []
    page.set_viewport_size({"width": 1280, "height": 900})


def test_a_phone_reaches_every_tab(still: Visitor) -> None:
    still.page.set_viewport_size({"width": 390, "height": 900})
    for name in ("Learn", "Audit", "See it"):
        still.tab(name)
        still.see(TABS[name])
    still.page.set_viewport_size({"width": 1280, "height": 900})
