"""The code blocks that CI runs are found, and name options, commands and modules that exist."""

import contextlib
import functools
import importlib.util
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from arcinvert.cli import main as arcinvert_cli
from recognition.cli import main as recognition_cli
from tests.docs.project import PAGES, ROOT, docs_commands

PAGE = """# Title
## First
```sh
echo one  ## no heading
```
```console
$ never
```
### Below
    ```python
    print("two")
    ```
## Second
```sh
echo three
```
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.md"
    path.write_text(PAGE, encoding="utf-8")
    return path


def run(text: str) -> str:
    python = f"python() {{ '{sys.executable}' \"$@\"; }}\n"
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", python + text], capture_output=True, text=True, check=True
    ).stdout


def test_commands_of_a_page_run_in_their_order(page: Path) -> None:
    assert run(docs_commands().commands(page)) == "one\ntwo\nthree\n"


def test_commands_below_a_heading_include_those_of_its_subheadings(page: Path) -> None:
    assert run(docs_commands().commands(page, under="First")) == "one\ntwo\n"
    assert run(docs_commands().commands(page, under="Below")) == "two\n"


def test_commands_of_skipped_headings_are_left_out(page: Path) -> None:
    assert run(docs_commands().commands(page, skip=["First"])) == "three\n"


@pytest.mark.parametrize("options", [{"under": "Third"}, {"skip": ["Title"]}, {"skip": ["Third"]}])
def test_a_heading_without_commands_is_refused(page: Path, options: dict[str, object]) -> None:
    with pytest.raises(SystemExit, match="expected a sh or python block"):
        docs_commands().commands(page, **options)


def test_an_open_block_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text("```sh\necho\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="line 1"):
        docs_commands().commands(path)


def test_pages_with_commands_are_listed_and_worked_examples_are_not() -> None:
    names = {str(path.relative_to(ROOT)) for path in docs_commands().pages()}
    assert {"docs/getting-started.md", "docs/attacking.md", "docs/python.md"} <= names
    assert not any(name.startswith("docs/extending/") for name in names)


def test_ci_finds_the_readme_headings_that_it_names() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for heading in ("Install", "Tests"):
        assert f"--under {heading}" in script
        assert docs_commands().commands(ROOT / "README.md", under=heading)


#: The options in the documentation that belong to other programs.
FOREIGN_OPTIONS = {"--nnodes", "--logdir", "--index-url", "--strict", "--no-cov", "--dist"}


#: The entry point of each program of the documentation.
PROGRAMS = {"arcinvert": arcinvert_cli.main, "recognition": recognition_cli.main}


@functools.cache
def help_of(*command: str) -> str:
    """Return the help text of a command, and of each command below it that its first lines list."""
    program, *below = command
    shown = io.StringIO()
    with pytest.raises(SystemExit) as ended, contextlib.redirect_stdout(shown):
        PROGRAMS[program]([*below, "--help"])
    assert ended.value.code in (0, None), command
    return shown.getvalue()


def options_in(text: str) -> set[str]:
    """Return the long options in a text; `--[no-]flip` stands for two."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", text.replace("--[no-]", "--")))


def command_lines() -> Iterator[tuple[Path, list[str], set[str]]]:
    """Yield the commands of this project in sh and console blocks: the page, command and options of each."""
    for path in PAGES:
        for block in docs_commands().blocks(path):
            if block.info not in ("sh", "console"):
                continue
            for line in re.sub(r"\\?\n(?!\$)\s+", " ", block.text).splitlines():
                called = re.match(r"(?:\$ )?(arcinvert|python -m recognition) ([a-z-]+)(?: ([a-z]+))?", line)
                if called:
                    words = [called[1].removeprefix("python -m "), called[2]]
                    if called[2] in ("models", "evaluate", "plots") and called[3]:
                        words.append(called[3])
                    yield path, words, options_in(line)


def test_commands_in_blocks_have_the_options_that_they_are_given() -> None:
    checked = 0
    for path, words, options in command_lines():
        missing = options - options_in(help_of(*words))
        assert not missing, f"{path.name}: {' '.join(words)} has no {', '.join(sorted(missing))}"
        checked += len(options)
    assert checked > 30


def test_options_in_the_text_exist() -> None:
    known = set(FOREIGN_OPTIONS)
    for program in ("arcinvert", "recognition"):
        commands = re.search(r"COMMAND\n(.*?)\n\n", help_of(program), re.DOTALL)
        assert commands is not None
        for name in re.findall(r"^    ([a-z][a-z-]*)", commands[1], re.MULTILINE):
            known |= options_in(help_of(program, name))
    for group, member in (("evaluate", "verification"), ("plots", "pairs")):
        names = re.findall(r"^    ([a-z]+)(?:  |$)", help_of("recognition", group), re.MULTILINE)
        assert member in names
        for name in names:
            known |= options_in(help_of("recognition", group, name))
    for source in (ROOT / "benchmarks").glob("*.py"):
        known |= options_in(source.read_text(encoding="utf-8"))
    known |= options_in((ROOT / ".ci" / "docs_commands.py").read_text(encoding="utf-8"))
    for command in ("fuzz", "kills"):
        known |= options_in((ROOT / "tests" / command / "__main__.py").read_text(encoding="utf-8"))
    for page in PAGES:
        text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        mentioned = set().union(*map(options_in, re.findall(r"`([^`]+)`", text)))
        assert mentioned <= known, f"{page.name}: {', '.join(sorted(mentioned - known))}"


def test_modules_of_commands_exist() -> None:
    names = set()
    for page in PAGES:
        names |= set(
            re.findall(
                r"python -m ((?:benchmarks|recognition|arcinvert|app)[\w.]*)",
                page.read_text(encoding="utf-8"),
            )
        )
    assert len(names) > 10
    for name in sorted(names):
        assert importlib.util.find_spec(name) is not None, name
