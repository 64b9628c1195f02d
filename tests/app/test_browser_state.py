"""What stands on the page in a real browser: whose result, and whose name."""

import re
from typing import Any

from tests.app.conftest import Server, Visitor


def test_the_list_of_identities_chooses_nobody_in_silence(profile: Any, server: Server) -> None:
    someone = Visitor(profile, server, "?tab=identity&person=nobody+here&seed=1e9&network=gone.onnx")
    someone.see(".ai-problem:has-text('gone.onnx')")
    someone.see(".ai-problem:has-text('does not know nobody here')")
    field = someone.page.locator("#identity input")
    someone.expect(field).to_have_value("nobody here")
    someone.expect(someone.page).to_have_url(re.compile(r"person=nobody\+here&seed=0&network=lfw-distilled"))
    field.fill("")
    field.press("Enter")
    someone.expect(field).to_have_value("")
    someone.expect(someone.page).not_to_have_url(re.compile("person="))
    someone.button("Reconstruct").click()
    someone.see(".ai-problem:has-text('Choose a person from the list')")
    # With the arrows, somebody is chosen.
    field.fill("")
    field.press("ArrowDown")
    field.press("Enter")
    someone.expect(field).to_have_value(re.compile(r"^\d+: "))
    assert someone.errors == []
    someone.close()


#: JavaScript: keeps what the page writes into its address.
KEEP = """window.written = []; for (const name of ["replaceState", "pushState"]) {
  const write = history[name].bind(history);
  history[name] = (state, title, url) => { window.written.push(url); write(state, title, url); };
}"""


def test_of_two_tabs_the_newest_result_is_there_again(profile: Any, server: Server) -> None:
    someone = Visitor(profile, server, "?tab=photograph&network=tiny.safetensors&person=1", script=KEEP)
    someone.see("#photograph")
    someone.page.wait_for_function("window.written.length > 0")
    assert not [url for url in someone.page.evaluate("window.written") if "tab=photograph" not in url]
    # A start that fails says so in sight, and the message goes with the photograph.
    someone.button("Reconstruct").click()
    problem = someone.see(".ai-problem")
    someone.expect(problem).to_be_in_viewport(ratio=1)
    someone.button("Use the example").click()
    someone.see(".ai-photo img")
    someone.expect(".ai-problem:visible").to_have_count(0)
    someone.advanced()
    someone.set_number("Samples", 1)
    someone.set_number("Steps", 2)
    someone.button("Reconstruct").click()
    someone.see("[data-result]")
    someone.tab("From an identity")
    someone.page.wait_for_function("document.querySelector('#identity input').value == '1: Bob Baker'")
    someone.advanced()
    someone.set_number("Samples", 1)
    someone.set_number("Steps", 2)
    someone.button("Reconstruct").click()
    someone.see(".ai-target:has-text('Bob Baker')")
    someone.see("[data-result]")
    someone.page.reload()
    someone.see("[data-result] .ai-target:has-text('Bob Baker')")
    # Another person's name is never above these faces.
    someone.page.locator("#identity input").fill("2")
    someone.page.locator("#identity input").press("Enter")
    someone.expect("[data-result]:visible").to_have_count(0)
    assert someone.errors == []
    someone.close()


def test_a_second_person_takes_the_place_of_the_first(visitor: Visitor) -> None:
    visitor.tab("From an identity")
    visitor.advanced()
    visitor.set_number("Samples", 1)
    visitor.set_number("Steps", 500)
    people = visitor.page.locator("#people button")
    for number in (1, 2):
        visitor.tab("See it")
        people.nth(number).click()
        name = str(people.nth(number).locator("b").text_content())
        visitor.expect(visitor.see(".ai-target")).to_have_text(name)
    visitor.button("Stop and keep").click()
    visitor.expect(visitor.see("[data-result] .ai-target")).to_have_text(name)
