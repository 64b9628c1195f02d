"""The first use of a network: measured once, cached by all that decides it, and never in the way."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import torch

from arcinvert.inversion.result import StopInversion
from arcinvert.knowledge import first_use
from arcinvert.knowledge.calibrate import measure_synthetic
from arcinvert.knowledge.first_use import cache_folder, cached_path, synthetic_statistics
from arcinvert.knowledge.knowledge import load_knowledge
from arcinvert.knowledge.statistics_file import load_statistics, save_statistics
from recognition.recogniser import Preprocessing, Recogniser
from recognition.source import Source
from tests.arcinvert.knowledge.networks import Tokens

FACES = 5


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """The names of the networks that are measured, on a few faces, with an empty cache."""
    names: list[str] = []

    def few(recogniser: Recogniser, count: int, **options: Any) -> Any:
        names.append(recogniser.name)
        return measure_synthetic(recogniser, FACES, **options)

    monkeypatch.setattr(first_use, "measure_synthetic", few)
    monkeypatch.setenv("ARCINVERT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("ARCINVERT_NO_CALIBRATE")
    return names


def test_a_network_is_measured_once(measured: list[str], recogniser: Recogniser) -> None:
    first, second = synthetic_statistics(recogniser), synthetic_statistics(recogniser)
    assert measured == ["tokens"]
    assert first.note is second.note is None
    for found in (first.statistics, second.statistics):
        assert found is not None
        assert (found.faces, found.images, found.model_name) == ("synthetic faces", FACES, "tokens")
    assert first.statistics is not None
    assert second.statistics is not None
    neighbours = [one.nearest_neighbours for one in (first.statistics, second.statistics)]
    assert neighbours[0] is not None
    assert neighbours[1] is not None
    assert torch.equal(neighbours[0].templates, neighbours[1].templates)
    path = cached_path(recogniser)
    assert path is not None
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_callback_gets_the_progress_and_can_end_the_measurement(
    measured: list[str], recogniser: Recogniser, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        calls.append((done, total))
        raise StopInversion

    with pytest.raises(StopInversion):
        synthetic_statistics(recogniser, stop)
    # In the middle of the first batch, and nothing is kept.
    assert calls == [(0, FACES)]
    path = cached_path(recogniser)
    assert path is not None
    assert not path.exists()
    calls.clear()
    assert synthetic_statistics(recogniser, lambda done, of: calls.append((done, of))).statistics is not None
    assert calls[0] == (0, FACES)
    assert calls[-1] == (FACES, FACES)
    # The command line's bar is for whoever gives no callback.
    assert "synthetic faces" not in capsys.readouterr().err
    path.unlink()
    synthetic_statistics(recogniser)
    assert "measure on synthetic faces" in capsys.readouterr().err


def test_what_decides_the_templates_decides_the_file(recogniser: Recogniser, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARCINVERT_CACHE", str(tmp_path))
        names = {cached_path(recogniser)}
        for changes in (
            {"source": Source(sha256="cd" * 32)},
            {"preprocessing": replace(recogniser.preprocessing, channels="BGR")},
            {"output": "0"},
        ):
            given: dict[str, Any] = {
                "source": recogniser.source,
                "preprocessing": recogniser.preprocessing,
            } | changes
            names.add(cached_path(Recogniser(Tokens(), name="other", **given)))
        for name in ("VERSION", "COUNT", "SEED"):
            with pytest.MonkeyPatch.context() as constants:
                constants.setattr(first_use, name, 7)
                names.add(cached_path(recogniser))
    assert len(names) == 7
    assert None not in names


def test_a_network_in_memory_is_measured_and_not_cached(measured: list[str], tmp_path: Path) -> None:
    network = Recogniser(Tokens(), name="memory", preprocessing=Preprocessing(input_size=9)).freeze()
    assert cached_path(network) is None
    found = synthetic_statistics(network)
    assert found.statistics is not None
    assert (measured, found.note) == (["memory"], None)
    assert not (tmp_path / "cache").exists()


def test_a_cache_that_cannot_be_written_is_a_note(
    measured: list[str], recogniser: Recogniser, tmp_path: Path
) -> None:
    (tmp_path / "cache").write_text("a file in its place")
    found = synthetic_statistics(recogniser)
    assert found.statistics is not None
    assert found.note is not None
    assert found.note.startswith("What was measured on synthetic faces is not kept")
    assert str(tmp_path) not in found.note
    known = load_knowledge(recogniser).with_synthetic_faces(recogniser)
    assert known.notes == (found.note,)
    assert known.at("weights").notes == ()


@pytest.mark.parametrize("content", [b"", b"damaged", b"\x00" * 400])
def test_a_damaged_file_is_replaced(measured: list[str], recogniser: Recogniser, content: bytes) -> None:
    path = cached_path(recogniser)
    assert path is not None
    path.parent.mkdir()
    path.write_bytes(content)
    found = synthetic_statistics(recogniser)
    assert found.note is None
    assert found.statistics is not None
    assert load_statistics(path).faces == "synthetic faces"


def test_a_file_of_another_network_is_replaced(measured: list[str], recogniser: Recogniser) -> None:
    path = cached_path(recogniser)
    assert path is not None
    path.parent.mkdir()
    other = replace(measure_synthetic(recogniser, 2), model_sha256="cd" * 32)
    save_statistics(path, other)
    found = synthetic_statistics(recogniser).statistics
    assert found is not None
    assert (found.model_sha256, found.images) == ("ab" * 32, FACES)


def test_two_at_once_leave_one_whole_file(measured: list[str], recogniser: Recogniser) -> None:
    threads = [Thread(target=synthetic_statistics, args=(recogniser,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    path = cached_path(recogniser)
    assert path is not None
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    # Each thread measured its own passes only.
    assert load_statistics(path).layers[0].count == measure_synthetic(recogniser, FACES).layers[0].count


def test_a_network_with_nothing_to_measure_is_attacked_without(measured: list[str]) -> None:
    class Bare(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images.mean((2, 3))

    network = Recogniser(Bare(), name="bare", preprocessing=Preprocessing(input_size=9)).freeze()
    found = synthetic_statistics(network)
    assert found.statistics is None
    assert found.note is not None
    assert found.note.startswith("bare is attacked without synthetic faces: layers: expected convolutions")


def test_the_environment_switches_it_off(
    measured: list[str], recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = load_knowledge(recogniser)
    monkeypatch.setenv("ARCINVERT_NO_CALIBRATE", "1")
    assert known.with_synthetic_faces(recogniser) is known
    monkeypatch.delenv("ARCINVERT_NO_CALIBRATE")
    now = known.with_synthetic_faces(recogniser)
    assert now.statistics is not None
    assert now.with_synthetic_faces(recogniser) is now
    assert measured == ["tokens"]


@pytest.mark.parametrize(
    ("environment", "platform", "expected"),
    [
        ({"ARCINVERT_CACHE": "/a/b", "XDG_CACHE_HOME": "/x"}, "linux", "/a/b"),
        ({"XDG_CACHE_HOME": "/x"}, "linux", "/x/arcinvert"),
        ({"XDG_CACHE_HOME": "relative"}, "linux", "HOME/.cache/arcinvert"),
        ({}, "linux", "HOME/.cache/arcinvert"),
        ({}, "darwin", "HOME/Library/Caches/arcinvert"),
        ({"LOCALAPPDATA": "/local"}, "win32", "/local/arcinvert"),
        ({}, "win32", "HOME/AppData/Local/arcinvert"),
    ],
)
def test_the_cache_is_the_systems(
    environment: dict[str, str],
    platform: str,
    expected: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert cache_folder(environment, platform) == Path(expected.replace("HOME", str(tmp_path)))


def test_without_a_home_there_is_no_cache(
    monkeypatch: pytest.MonkeyPatch, measured: list[str], recogniser: Recogniser
) -> None:
    def homeless() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", homeless)
    assert cache_folder({}, "linux") is None
    monkeypatch.setattr(first_use, "cache_folder", lambda: None)
    assert synthetic_statistics(recogniser).statistics is not None
