"""How long visitors of the page wait: for a result, for a reconstruction, and for a control during an attack.

python -m benchmarks.app

It needs the extras app and dev, and a Chromium.
"""

import argparse
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import Any

#: Seconds after which the benchmark fails.
PATIENCE = 180
#: The number of moves of a control that are measured while an attack runs.
MOVES = 10


def start(port: int) -> tuple[subprocess.Popen[bytes], float]:
    """Start a server, and return its process and the seconds until its page was served."""
    begin = time.monotonic()
    command = [sys.executable, "-m", "app", "--port", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while time.monotonic() - begin < PATIENCE:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE).close()
            return process, time.monotonic() - begin
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    process.kill()
    raise SystemExit("the server did not start")


def visit(browser: Any, port: int) -> tuple[Any, float]:
    """Open the page in a new window, and return it with the seconds until the first result is visible."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE * 1000)
    begin = time.monotonic()
    page.goto(f"http://127.0.0.1:{port}/")
    page.locator(".ai-hero img").nth(2).wait_for()
    return page, time.monotonic() - begin


def reconstruct(page: Any) -> tuple[float, float]:
    """Choose the example photograph and reconstruct its face; return the seconds until it is shown, and until
    the reconstruction is finished."""
    page.get_by_role("tab", name="From a photograph").click()
    begin = time.monotonic()
    page.locator("button:visible", has_text="Use the example").click()
    page.locator(".ai-source img:visible").wait_for()
    shown = time.monotonic() - begin
    page.locator("#start-photograph").click()
    page.locator("[data-result]:visible").wait_for()
    return shown, time.monotonic() - begin


def launched(playwright: Any) -> Any:
    """Return this machine's Chromium, started."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    return playwright.chromium.launch(
        executable_path=chromium, args=["--no-sandbox"], timeout=PATIENCE * 1000
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=7861)
    options = parser.parse_args()
    from playwright.sync_api import sync_playwright

    process, seconds = start(options.port)
    print(f"The page is served after {seconds:.1f} s.")
    try:
        with sync_playwright() as playwright:
            browser = launched(playwright)
            first, opened = visit(browser, options.port)
            print(f"The first result is visible {opened:.1f} s after the page is opened, without a click.")
            second, opened = visit(browser, options.port)
            print(f"For the next visitor, {opened:.1f} s after.")
            shown, finished = reconstruct(first)
            print(
                f"The face of a photograph and its template are shown after {shown:.1f} s, and three "
                f"reconstructions are finished {finished:.1f} s after the photograph was chosen."
            )
            begin = time.monotonic()
            first.locator("#start-photograph").click()
            first.locator(".ai-live img:visible").first.wait_for()
            print(f"The first frame of three samples appears after {time.monotonic() - begin:.1f} s.")
            second.get_by_role("tab", name="Learn").click()
            waits = []
            for angle in range(30, 30 + 5 * MOVES, 5):
                field = second.locator("input[type=number][aria-label*='Angle between']")
                begin = time.monotonic()
                field.fill(str(angle))
                field.press("Tab")
                second.locator(f"#decision .ai-note:has-text('centres {angle} degrees')").wait_for()
                waits.append(time.monotonic() - begin)
            running = first.locator(".ai-progress").count() == 1
            print(
                f"A control of a second visitor responds in {sorted(waits)[MOVES // 2]:.2f} s "
                f"(median of {MOVES}), {max(waits):.2f} s at most"
                + (", while the attack runs." if running else "; the attack ended meanwhile.")
            )
            browser.close()
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    main()
