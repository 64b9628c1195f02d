"""The command `arcinvert app`, and `python -m app`."""

import argparse
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from app import __main__, command
from arcinvert import InputError
from arcinvert.cli import main as arcinvert_main

UNPROTECTED = "error: share: expected a password in the variable ARCINVERT_APP_PASSWORD, found none; set one"


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command's entry point, as an installation has it, for the folder of the repository."""
    entry = EntryPoint("app", "app.command:add_parser", "arcinvert.commands")
    monkeypatch.setattr(arcinvert_main, "entry_points", lambda group: [entry] if group == entry.group else [])


@pytest.mark.usefixtures("installed")
def test_a_shared_page_without_a_password_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ARCINVERT_APP_PASSWORD", raising=False)
    for run in (lambda: arcinvert_main.main(["app", "--share"]), lambda: __main__.main(["--share"])):
        with pytest.raises(SystemExit) as ended:
            run()
        assert ended.value.code == 2
        assert capsys.readouterr().err.splitlines() == [UNPROTECTED]


@pytest.mark.usefixtures("installed")
def test_without_gradio_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit) as ended:
        arcinvert_main.main(["app"])
    assert ended.value.code == 2
    error = "error: app: expected the package gradio, found none; pip install 'arcinvert[app]'"
    assert capsys.readouterr().err.splitlines() == [error]


def test_an_option_out_of_range() -> None:
    with pytest.raises(InputError, match=r"port: expected .* 65535, got 0"):
        command.run(argparse.Namespace(port=0))


def test_the_command_is_listed_without_torch_and_gradio() -> None:
    code = "import sys, app.command; sys.exit(' '.join({'torch', 'gradio'} & set(sys.modules)) or 0)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
