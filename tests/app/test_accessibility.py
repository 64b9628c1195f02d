"""Each tab against the rules of axe-core for WCAG 2.2 AA, wide and narrow, light and dark."""

from typing import Any

import pytest

from tests.app.conftest import Server, Visitor

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe, of the extra 'dev'")

#: The levels of WCAG that hold, and rules of good practice.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
#: An element of each tab, by the tab's name in the address.
TABS = {
    "start": "#people",
    "identity": "#start-identity",
    "photograph": "#start-photograph",
    "compare": "#start-compare",
    "audit": "#report-answer svg",
    "learn": "#toys svg",
}


def violations(page: Any) -> list[str]:
    """The violations on the page, each with its rule, its element and what is wrong."""
    found = axe.Axe().run(page, options={"runOnly": RULES}).response["violations"]
    return [
        f"{one['id']}: {node['html'][:200]}: {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_no_rule_is_violated(chromium: Any, server: Server, width: int, scheme: str) -> None:
    look = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme, "reduced_motion": "reduce"}
    for tab, element in TABS.items():
        someone = Visitor(chromium, server, f"?tab={tab}", **look)
        someone.see(element)
        assert violations(someone.page) == [], tab
        assert someone.page.evaluate("document.documentElement.scrollWidth") <= width, tab
        someone.close()


def test_the_rules_find_something(chromium: Any) -> None:
    page = chromium.new_page()
    page.set_content('<main><img src="data:,"><p style="color:#aaa">Hardly legible</p></main>')
    assert {one.split(":")[0] for one in violations(page)} >= {"image-alt", "color-contrast", "html-has-lang"}
    page.close()


def test_each_tab_stop_has_a_name_and_shows_its_focus(chromium: Any, server: Server) -> None:
    someone = Visitor(chromium, server, "?tab=learn", viewport={"width": 390, "height": 900})
    someone.see("#toys svg")
    seen = []
    for _ in range(30):
        someone.page.keyboard.press("Tab")
        seen.append(
            someone.page.evaluate(
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
    someone.close()


def test_a_phone_reaches_every_tab(chromium: Any, server: Server) -> None:
    someone = Visitor(chromium, server, viewport={"width": 390, "height": 900})
    for name, element in (("Learn", "#toys svg"), ("Audit", "#report-answer svg"), ("See it", "#people")):
        someone.tab(name)
        someone.see(element)
    someone.close()
