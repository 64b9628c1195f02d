"""The pictures of the page and of a report in README.md and docs/, taken from the page as it is.

python -m benchmarks.page_pictures

It needs the extras app and dev, and a Chromium. The report is the example's, app/data/audit.json.
"""

import argparse
import io
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from app.tabs.audit import example
from arcinvert.audit.report import read_audit
from arcinvert.audit.report.html import to_html
from arcinvert.audit.report.sections import audit_blocks
from benchmarks.app import launched, reconstruct, start, visit

DOCS = Path(__file__).parents[1] / "docs"
#: WebP quality at which neither faces nor letters show blocks.
QUALITY = 90
#: Pixels of a picture for each of the page's: letters are sharp where it is shown smaller.
SHARPNESS = 1.25
#: A window and a phone, pixels.
WINDOW, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}


def write(screenshot: bytes, name: str) -> None:
    """Write a screenshot to docs/ in all its colours."""
    Image.open(io.BytesIO(screenshot)).convert("RGB").save(DOCS / f"{name}.webp", quality=QUALITY, method=6)


def above(page: Any, selector: str, margin: int = 8) -> dict[str, float]:
    """Return the rectangle of the page from its top to the end of an element."""
    # An attack scrolls to its first frame, and boxes are measured from what is in sight.
    page.evaluate("scrollTo(0, 0)")
    box = page.locator(selector).last.bounding_box()
    width = page.viewport_size["width"]
    return {"x": 0, "y": 0, "width": width, "height": box["y"] + box["height"] + margin}


def take(browser: Any, port: int) -> None:
    """Take the pictures of the page that a port serves."""
    wide = browser.new_context(viewport=WINDOW, device_scale_factor=SHARPNESS, reduced_motion="reduce")
    page, _ = visit(wide, port)
    page.locator("#people img").nth(7).wait_for()
    write(page.screenshot(full_page=True, clip=above(page, "#people")), "app-opening")
    reconstruct(page)
    yaw = page.locator("#yaw-photograph input[type=number]")
    yaw.fill("25")
    yaw.press("Tab")
    page.locator(".ai-turning input[aria-label=Expression]:visible").click()
    page.get_by_role("option", name="smile", exact=True).click()
    page.locator(".ai-turning figcaption:visible", has_text="smile").first.wait_for()
    write(page.screenshot(full_page=True, clip=above(page, ".ai-downloads:visible")), "app-photograph")
    phone = browser.new_context(viewport=PHONE, device_scale_factor=SHARPNESS, color_scheme="dark")
    page, _ = visit(phone, port)
    write(page.screenshot(), "app-phone")


def take_report(browser: Any) -> None:
    """Take the picture of the first page of the example's report."""
    page = browser.new_context(
        viewport={"width": 820, "height": 735}, device_scale_factor=SHARPNESS
    ).new_page()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.html"
        report.write_text(to_html(audit_blocks(read_audit(example()[0].data))))
        page.goto(report.as_uri())
        write(page.screenshot(), "audit-report")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=7862)
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    process, _ = start(options.port)
    try:
        with sync_playwright() as playwright:
            browser = launched(playwright)
            take(browser, options.port)
            take_report(browser)
            browser.close()
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
