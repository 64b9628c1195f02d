"""The wheel: the packages it owns, the files in it, and the command of the page."""

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
#: The packages of the wheel, and their folders in the repository.
PACKAGES = {"arcinvert": "arcinvert", "arcinvert_app": "app", "recognition": "recognition"}

pytestmark = pytest.mark.slow


def repository_files() -> list[str]:
    """The files of the packages in git, and new ones that git does not ignore."""
    pytest.importorskip("build", reason="needs build, of the extra 'dev'")
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("needs a clone of the repository")
    command = [git, "ls-files", "-co", "--exclude-standard", *PACKAGES.values()]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [name for name in listed if (ROOT / name).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The wheel of a copy of the repository, built without network."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ["pyproject.toml", "setup.py", "README.md", "LICENSE", *repository_files()]:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    # What earlier runs leave behind stays out.
    (copy / "app" / "__pycache__").mkdir()
    (copy / "app" / "__pycache__" / "left.pyc").write_bytes(b"")
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(copy / "dist"),
        ".",
    ]
    built = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (path,) = (copy / "dist").iterdir()
    yield path
    shutil.rmtree(copy)


def test_the_wheel_has_the_packages_files_and_no_others(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    installed = {name for name in names if ".dist-info/" not in name}
    expected = set()
    for package, folder in PACKAGES.items():
        expected |= {
            f"{package}/{name.removeprefix(f'{folder}/')}"
            for name in repository_files()
            if name.startswith(f"{folder}/")
        }
    assert installed == expected
    assert {f"{package}/py.typed" for package in PACKAGES} <= installed
    assert {name.split("/")[0] for name in names} - set(PACKAGES) == {
        next(name for name in names if ".dist-info/" in name).split("/")[0]
    }


def test_the_installed_command_serves_the_page(wheel: Path, tmp_path: Path) -> None:
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # A package `app` of the user's own.
    (elsewhere / "app").mkdir(parents=True)
    (elsewhere / "app" / "__init__.py").write_text("OWN = True\n")
    environment = os.environ | {"PYTHONPATH": str(site)}
    environment.pop("ARCINVERT_APP_PASSWORD", None)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=elsewhere,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    code = "import app, arcinvert_app.command as c; assert app.OWN; print(c.__file__)"
    assert run("-c", code).stdout.strip() == str(site / "arcinvert_app" / "command.py")
    refused = run("-m", "arcinvert", "app", "--share")
    assert refused.returncode == 2
    assert refused.stderr.startswith("error: share: expected a password")
    # Everything that the page needs is found in the wheel.
    code = "from arcinvert_app.page import build_page, look; from arcinvert_app.settings import Settings; "
    code += "from arcinvert_app.context import Context; from arcinvert_app.tabs.audit import example; "
    code += "build_page(Context(Settings())); "
    code += "assert example()[0].data and '.ai-face' in look()['css']"
    built = run("-c", code)
    assert built.returncode == 0, built.stderr
