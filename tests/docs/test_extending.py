"""Each worked example of docs/extending, applied to a copy of the project, works: one file and one line."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

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


def test_all_four_kinds_have_a_page() -> None:
    assert [page.stem for page in PAGES] == ["defence", "head", "loader", "penalty"]


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_worked_example_changes_two_files_and_works(page: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    for package in ("arcinvert", "recognition"):
        shutil.copytree(ROOT / package, project / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", project)
    changed = apply(page, project)
    assert len(changed) == 2
    assert len(set(changed)) == 2
    environment = os.environ | {"PYTHONPATH": str(project)}

    style = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--quiet", *changed],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert style.returncode == 0, style.stdout

    python = f'python() {{ \'{sys.executable}\' "$@"; }}\narcinvert() {{ python -m arcinvert "$@"; }}\n'
    work = tmp_path / "work"
    work.mkdir()
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", python + docs_commands().commands(page)],
        cwd=work,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
