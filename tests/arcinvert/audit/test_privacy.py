"""What an audit writes: nothing in the report resolves a pseudonym, and the rest is for its owner alone."""

import base64
import contextlib
import io
import json
import os
import re
import shutil
import stat
import threading
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from arcinvert.audit.cache import Cache
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.pseudonyms import Pseudonyms
from arcinvert.audit.runner import run_audit
from recognition.errors import InputError
from recognition.images import atomic_path, remove_leftovers

pytestmark = pytest.mark.usefixtures("cheap_judge")


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def texts_of(folder: Path) -> dict[str, bytes]:
    """Return all bytes of a folder's files by name, with what is packed in them.

    That is the compressed streams of a PDF, the files in base64 of a page, and the metadata of a PNG.
    """
    return {path.name: unpacked(path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def unpacked(data: bytes) -> bytes:
    parts = [data]
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", data, re.DOTALL):
        with contextlib.suppress(zlib.error):
            parts.append(zlib.decompressobj().decompress(stream))
    for packed in re.findall(rb"base64,([A-Za-z0-9+/=]+)", data):
        parts.append(unpacked(base64.b64decode(packed)))
    if data.startswith(b"\x89PNG"):
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            parts.append(repr([image.info, dict(image.getexif())]).encode())
    return b"\n".join(parts)


def test_what_is_packed_is_searched_too(tmp_path: Path) -> None:
    metadata = PngInfo()
    metadata.add_text("Comment", "Ann Able", zip=True)
    file = io.BytesIO()
    Image.new("L", (2, 2)).save(file, "PNG", pnginfo=metadata)
    assert b"Ann Able" not in file.getvalue()
    (tmp_path / "page.html").write_bytes(
        b'<img src="data:image/png;base64,' + base64.b64encode(file.getvalue())
    )
    (tmp_path / "page.pdf").write_bytes(b"stream\n" + zlib.compress(b"(Ann Able) Tj") + b"\nendstream")
    assert all(b"Ann Able" in content for content in texts_of(tmp_path).values())


def test_nothing_in_a_report_resolves_a_pseudonym(
    options: AuditOptions, people: Path, tmp_path: Path
) -> None:
    seen: dict[str, Any] = {}

    def look(done: int, steps: int) -> None:
        work = tmp_path / "out-work"
        seen["modes"] = {mode_of(path) for path in work.iterdir()}
        seen["folder"] = mode_of(work)
        seen["names"] = {path.name for path in work.iterdir()}
        seen["templates"] = dict(np.load(work / "people-00000.npz"))["templates"]

    (tmp_path / "groups.csv").write_text(
        "identity,alias\n" + "".join(f"{path.name},alias of {path.name}\n" for path in people.iterdir())
    )
    broken = tmp_path / "secret folder" / "people"
    for folder in people.iterdir():
        (broken / folder.name).mkdir(parents=True)
        for file in folder.iterdir():
            (broken / folder.name / file.name).write_bytes(file.read_bytes())
    (broken / "Person 03" / "1.png").write_bytes(b"torn")
    options = replace(
        options,
        images=broken,
        people=12,
        steps=1,
        pictures="reconstructions",
        subgroups=tmp_path / "groups.csv",
        variants=(f"other={options.judges[0]}",) if options.judges else (),
        defence_people=2,
    )
    run_audit(options, tmp_path / "out", progress=look)
    key = json.loads((tmp_path / "out-key.json").read_text())
    secrets = {name.encode() for name in key["names"].values()}
    assert len(secrets) >= 12
    secrets |= {str(place).encode() for place in (tmp_path, people.parent, Path(options.model).parent)}
    secrets |= {b"secret folder", b"alias of", os.fsencode(Path.home())}
    templates = seen["templates"]
    assert templates.shape[1] == 32
    secrets |= {row[:4].astype(kind).tobytes() for row in templates for kind in ("<f4", "<f8")}
    secrets |= {f"{number:.6f}"[:8].lstrip("-").encode() for row in templates for number in row[:2]}
    files = texts_of(tmp_path / "out")
    assert sorted(files) == ["audit.json", "report.html", "report.md", "report.pdf"]
    for name, content in files.items():
        for secret in secrets:
            assert secret not in content, (name, secret)
    assert b"\x89PNG" in files["report.html"], "the pictures of a page are searched too"
    # The pages themselves are searched, and not only their envelopes.
    assert key["salt"].encode() not in b"".join(files.values())
    assert all(b"tiny" in content for content in files.values())
    assert seen["folder"] == 0o700
    assert seen["modes"] == {0o600}
    assert {"README.txt", "plan.json", "people-00000.npz"} <= seen["names"]
    assert mode_of(tmp_path / "out-key.json") == 0o600
    # Not needed any more.
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "groups.csv",
        "out",
        "out-key.json",
        "secret folder",
    ]


def test_work_is_kept_if_that_is_wanted(options: AuditOptions, tmp_path: Path) -> None:
    run_audit(replace(options, steps=1), tmp_path / "out", keep_work=True)
    work = tmp_path / "out-work"
    assert "Never pass it on" in (work / "README.txt").read_text()
    assert mode_of(work) == 0o700
    assert {mode_of(path) for path in work.iterdir()} == {0o600}


def test_a_folder_of_other_things_is_neither_used_nor_removed(tmp_path: Path) -> None:
    work = tmp_path / "out-work"
    work.mkdir()
    (work / "thesis.txt").write_text("ten years of work")
    with pytest.raises(InputError, match="other files in it"):
        Cache(work, {})
    (work / "thesis.txt").unlink()
    cache = Cache(work, {})
    (work / "thesis.txt").write_text("ten years of work")
    cache.remove()
    assert [path.name for path in work.iterdir()] == ["thesis.txt"]


def test_secrets_are_never_readable_by_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "umask", None)
    with atomic_path(tmp_path / "key.json", mode=0o600) as temporary:
        assert mode_of(temporary) == 0o600
    assert mode_of(tmp_path / "key.json") == 0o600
    ordinary, made = tmp_path / "ordinary", tmp_path / "made"
    ordinary.touch()
    with atomic_path(made):
        pass
    assert mode_of(made) == mode_of(ordinary)


def test_threads_do_not_change_each_others_permissions(tmp_path: Path) -> None:
    def write(number: int) -> None:
        for _ in range(50):
            with atomic_path(tmp_path / f"{number}", mode=0o600 if number % 2 else 0o666):
                pass

    (tmp_path / "ordinary").touch()
    threads = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {mode_of(tmp_path / f"{number}") for number in (1, 3, 5)} == {0o600}
    ordinary = mode_of(tmp_path / "ordinary")
    assert {mode_of(tmp_path / f"{number}") for number in (0, 2, 4)} == {ordinary}


def test_leftovers_of_the_living_stay(tmp_path: Path) -> None:
    parent = os.getppid()
    for name in (
        ".a.999999999-01234567.part",
        f".a.{parent}-01234567.part",
        f".a.{os.getpid()}-01234567.part",
    ):
        (tmp_path / name).touch()
    with atomic_path(tmp_path / "a") as temporary:
        remove_leftovers(tmp_path, "a")
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
            [f".a.{parent}-01234567.part", temporary.name]
        )


def test_two_audits_share_a_key_file(tmp_path: Path) -> None:
    first, second = Pseudonyms(tmp_path / "key.json"), Pseudonyms(tmp_path / "key.json")
    first.write(["Ann"])
    second.write(["Bob", "Zo\udceb"])
    names = json.loads((tmp_path / "key.json").read_bytes().decode("utf-8"))["names"]
    assert set(names.values()) == {"Ann", "Bob", "Zo\\xeb"}
    (tmp_path / "key.json").write_text(json.dumps({"salt": "other", "names": {}}))
    with pytest.raises(InputError, match="that another audit made meanwhile"):
        first.write(["Cat"])
    for content in ("[1]", '{"salt": 1, "names": {}}', '{"salt": "a", "names": 3}', "{" * 1000, "\0"):
        (tmp_path / "key.json").write_text(content)
        with pytest.raises(InputError, match="expected a key file of an audit"):
            Pseudonyms(tmp_path / "key.json")


def test_names_of_any_bytes_and_length(options: AuditOptions, people: Path, tmp_path: Path) -> None:
    names = ["f\udcff", "n" * 255, "中" * 80, *(f"Person {number}" for number in range(6))]
    for name, folder in zip(names, sorted(people.iterdir()), strict=False):
        shutil.copytree(folder, tmp_path / "people" / name)
    out = tmp_path / ("o" * 255)
    small = replace(options, images=tmp_path / "people", people=6, steps=1, seed=0)
    run_audit(small, out)
    json.loads((out / "audit.json").read_bytes().decode("utf-8"))
    (key,) = tmp_path.glob("*-key.json")
    shown = set(json.loads(key.read_bytes().decode("utf-8"))["names"].values())
    assert len(shown) == 6
    assert shown <= {"f\\xff", *names[1:]}
    assert {path.name for path in tmp_path.iterdir()} == {"people", out.name, key.name}
