"""The list of public networks, and downloads from a local server."""

import hashlib
import http.server
import io
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from recognition.errors import InputError
from recognition.loading import PRESETS
from recognition.model_zoo import KnownModel, fetch, find, model_zoo

CONTENT = bytes(range(256)) * 4000


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `content`, with ranges or without, and records the requested ranges."""

    content = CONTENT
    ranges = True
    requested: list[str | None] = []  # noqa: RUF012

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.requested.append(asked)
        begin = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.ranges else 0
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(self.content) - begin))
        self.end_headers()
        self.wfile.write(self.content[begin:])

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
        """Nothing is printed."""


@pytest.fixture
def address(monkeypatch) -> Iterator[str]:
    monkeypatch.setattr(Server, "requested", [])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/model.onnx"
    server.shutdown()
    thread.join()
    server.server_close()


def known(url: str | None, content: bytes = CONTENT) -> KnownModel:
    digest = hashlib.sha256(content).hexdigest()
    return KnownModel(
        "test", "n", "l", "https://page", "insightface", "model.onnx", len(content), digest, url
    )


def test_every_entry_is_complete():
    models = model_zoo()
    assert len(models) >= 8
    for model in models.values():
        assert model.licence
        assert model.page.startswith("https://")
        assert model.preset in PRESETS
        if model.url:
            assert model.url.startswith("https://")
            assert len(bytes.fromhex(model.sha256)) == 32
            assert model.size > 1_000_000
            assert Path(model.file).name == model.file
        if model.member:
            assert len(bytes.fromhex(model.archive_sha256)) == 32
            assert model.archive_size > 1_000_000


def test_a_network_is_fetched_and_not_twice(address, tmp_path):
    path = fetch(known(address), tmp_path / "models")
    assert path.read_bytes() == CONTENT
    assert fetch(known(address), tmp_path / "models") == path
    assert Server.requested == [None]
    assert [file.name for file in path.parent.iterdir()] == ["model.onnx"]


@pytest.mark.parametrize("ranges", [True, False])
def test_an_interrupted_download_is_resumed(ranges, address, tmp_path, monkeypatch):
    monkeypatch.setattr(Server, "ranges", ranges)
    (tmp_path / "model.onnx.part").write_bytes(CONTENT[:1000])
    assert fetch(known(address), tmp_path).read_bytes() == CONTENT
    assert Server.requested == ["bytes=1000-"]


def test_another_file_than_the_known_one_is_deleted(address, tmp_path):
    with pytest.raises(InputError, match=r"expected the known file .*got another; it was deleted"):
        fetch(known(address, CONTENT[::-1]), tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_longer_file_is_not_read_completely(address, tmp_path):
    with pytest.raises(InputError, match="got another"):
        fetch(known(address, CONTENT[:1000]), tmp_path)


def test_a_member_of_an_archive_is_extracted(address, tmp_path, monkeypatch):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("pack/model.onnx", b"weights")
        archive.writestr("../outside", b"")
    monkeypatch.setattr(Server, "content", buffer.getvalue())
    archive_digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    model = replace(
        known(address, b"weights"),
        member="pack/model.onnx",
        archive_size=len(buffer.getvalue()),
        archive_sha256=archive_digest,
    )
    assert fetch(model, tmp_path).read_bytes() == b"weights"
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
    with pytest.raises(InputError, match="expected pack/other in it"):
        fetch(replace(model, member="pack/other", file="other"), tmp_path)


def test_no_network_is_one_line(tmp_path):
    with pytest.raises(InputError, match=r"cannot be downloaded \(.*\); check the network and try again"):
        fetch(known("http://127.0.0.1:9/model.onnx"), tmp_path)


def test_a_network_without_a_download_has_a_page(tmp_path):
    with pytest.raises(InputError, match="has no direct download; see https://page for how"):
        fetch(known(None), tmp_path)
    with pytest.raises(InputError, match=r"expected one of insightface-r50.*got 'vgg'"):
        find("vgg")
