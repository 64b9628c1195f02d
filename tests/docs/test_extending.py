"""Each worked example of docs/extending, applied to a copy of the project, works: one file and one line."""

import contextlib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import forked
from tests.docs.project import DOCS, ROOT, docs_commands

PAGES = sorted(page for page in (DOCS / "extending").glob("*.md") if page.name != "index.md")


def apply(page: Path, project: Path) -> list[str]:
    """Apply a page's titled blocks to a copy of the project; the files that they change."""
    changed = []
    for block in docs_commands().blocks(page):
        if not (title := re.search(r'title="(.*?)"', block.info)):
            continue
        path = project / title[1]
        changed.append(title[1])
        if not block.info.startswith("diff"):
            assert not path.exists(), f"{page.name}: {title[1]} exists already"
            path.write_text(block.text, encoding="utf-8")
            continue
        context = "".join(f"{line[1:]}\n" for line in block.text.splitlines() if line.startswith(" "))
        added = "".join(f"{line[1:]}\n" for line in block.text.splitlines() if line.startswith("+"))
        text = path.read_text(encoding="utf-8")
        assert text.count(context) == 1, f"{page.name}: expected this line in {title[1]}: {context}"
        path.write_text(text.replace(context, context + added), encoding="utf-8")
    return changed


def commands(page: Path, folder: Path) -> Iterator[tuple[Callable[..., None], tuple[str, list[str]]]]:
    """Yield what the blocks of a page run, in their order: commands, and scripts written to a folder."""
    for number, block in enumerate(docs_commands().blocks(page)):
        path = folder / f"block{number}.py"
        if block.info == "python":
            path.write_text(block.text, encoding="utf-8")
            yield forked.script, (str(path), [])
        if block.info != "sh":
            continue
        for name, *arguments in split_commands(block.text):
            assert name in ("python", "arcinvert"), f"{page.name}: a test of the command {name} is missing"
            if name == "arcinvert":
                yield forked.module, ("arcinvert", arguments)
                continue
            flag, code = arguments
            assert flag == "-c", f"{page.name}: a test of python {flag} is missing"
            path.write_text(code, encoding="utf-8")
            yield forked.script, (str(path), [])


def split_commands(text: str) -> Iterator[list[str]]:
    """Yield the words of each command of a shell block; quotations and ends with a backslash span lines."""
    pending = ""
    for line in text.splitlines(keepends=True):
        pending = pending.removesuffix("\\\n") + line
        if pending.endswith("\\\n"):
            continue
        with contextlib.suppress(ValueError):
            if words := shlex.split(pending, comments=True):
                yield words
            pending = ""
    assert not pending, f"expected an end of the quotation in {pending!r}"


def test_commands_of_a_block_are_split_as_a_shell_does() -> None:
    text = "python -c \"\nprint('a b')\n\"  # why\narcinvert inspect \\\n  'toy net.pt'\n"
    assert list(split_commands(text)) == [
        ["python", "-c", "\nprint('a b')\n"],
        ["arcinvert", "inspect", "toy net.pt"],
    ]


def test_all_four_kinds_have_a_page() -> None:
    assert [page.stem for page in PAGES] == ["defence", "head", "loader", "penalty"]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_worked_example_changes_two_files_and_works(page: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    for package in ("arcinvert", "recognition"):
        shutil.copytree(ROOT / package, project / package)
    shutil.copy(ROOT / "pyproject.toml", project)
    changed = apply(page, project)
    assert len(changed) == 2
    assert len(set(changed)) == 2

    style = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--quiet", *changed],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert style.returncode == 0, style.stdout

    work = tmp_path / "work"
    work.mkdir()
    ran = 0
    for program, arguments in commands(page, tmp_path):
        done = forked.run(program, *arguments, str(project), cwd=work)
        assert done.returncode == 0, done.stderr
        ran += 1
    assert ran > 0
