"""How the page is started, and what its answers forbid."""

import argparse
import socket
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from app.server import check_port, check_share, private_folder
from app.settings import Settings
from arcinvert.cli import app as command
from arcinvert.cli.main import main
from recognition.errors import InputError
from recognition.loading import BUNDLED
from tests.app.conftest import Server


def test_a_share_needs_a_password() -> None:
    check_share(False, "")
    check_share(True, "secret")
    with pytest.raises(InputError, match="ARCINVERT_APP_PASSWORD, found none"):
        check_share(True, "")


def test_share_without_a_password_ends_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("ARCINVERT_APP_PASSWORD", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["app", "--share"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines() == [
        "error: share: expected a password in the variable ARCINVERT_APP_PASSWORD, found none; set one"
    ]


def test_a_taken_port_is_told() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(InputError, match="cannot be had"):
            check_port(holder.getsockname()[1])
    with pytest.raises(InputError, match="expected 1 to 65535, got 0"):
        check_port(0)


def test_without_gradio_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install 'arcinvert\\[app\\]'"):
        command.run(argparse.Namespace())


def test_uploads_go_to_a_folder_of_this_user_alone() -> None:
    folder = private_folder()
    try:
        assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        folder.rmdir()


def test_the_browser_may_ask_nobody_else(server: Server) -> None:
    with urllib.request.urlopen(server.address) as answer:  # noqa: S310  (our own server)
        policy = answer.headers["content-security-policy"]
    assert "connect-src 'self' data: blob:;" in policy
    assert "https:" not in policy
    assert "frame-ancestors 'none'" in policy


def test_another_name_for_this_machine_is_refused(server: Server) -> None:
    request = urllib.request.Request(server.address, headers={"Host": "evil.example"})  # noqa: S310
    with pytest.raises(urllib.error.HTTPError, match="400") as refused:
        urllib.request.urlopen(request)  # noqa: S310
    refused.value.close()


def test_networks_come_from_the_folder_alone(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "b.onnx").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("")
    settings = Settings(models=tmp_path)
    assert settings.model_names() == [BUNDLED, "b.onnx"]
    assert settings.model("b.onnx") == str(tmp_path / "b.onnx")
    assert settings.model(BUNDLED) == BUNDLED
    for wrong in (str(tiny_model), "../b.onnx", "notes.txt", ""):
        with pytest.raises(InputError, match="it has gone"):
            settings.model(wrong)
    assert Settings().model_names() == [BUNDLED]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"models": Path("/no/such/folder")}, "expected a folder of networks"),
        ({"time_limit": 0.0}, "positive number of seconds, got 0.0"),
        ({"time_limit": float("nan")}, "positive number of seconds"),
        ({"queue": 0}, "expected at least 1, got 0"),
    ],
)
def test_settings_out_of_range(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings(**given)
