"""How the page is served, and what its responses forbid."""

import socket
import urllib.error
import urllib.request

import pytest

from app.server import check_port, check_share, private_folder
from arcinvert import InputError
from tests.app.conftest import Server


def test_a_share_needs_a_password() -> None:
    check_share(False, "")
    check_share(True, "secret")
    with pytest.raises(InputError, match="ARCINVERT_APP_PASSWORD, found none"):
        check_share(True, "")


def test_a_taken_port() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        with pytest.raises(InputError, match="expected a free one"):
            check_port(holder.getsockname()[1])


def test_uploads_go_to_a_folder_of_this_user_alone() -> None:
    folder = private_folder()
    try:
        assert folder.stat().st_mode & 0o777 == 0o700
    finally:
        folder.rmdir()


def test_the_browser_is_told_to_send_no_other_requests(server: Server) -> None:
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
