"""The options of a server."""

from pathlib import Path
from typing import Any

import pytest

from app.settings import Settings
from arcinvert import InputError
from recognition.loading import BUNDLED, NETWORKS


def test_networks_come_from_the_folder_alone(tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "b.onnx").write_bytes(b"")
    (tmp_path / "b.onnx.statistics.safetensors").write_bytes(b"")
    (tmp_path / "b.onnx.decoder.safetensors").write_bytes(b"")
    (tmp_path / "notes.txt").write_text("")
    settings = Settings(models=tmp_path)
    assert settings.model_names() == [*NETWORKS, "b.onnx"]
    assert settings.model("b.onnx") == str(tmp_path / "b.onnx")
    assert settings.model(BUNDLED) == BUNDLED
    for wrong in (str(tiny_model), "../b.onnx", "notes.txt", ""):
        with pytest.raises(InputError, match="is no longer on the server"):
            settings.model(wrong)
    assert Settings().model_names() == [*NETWORKS]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"models": Path("/no/such/folder")}, "expected a folder of networks"),
        ({"time_limit": 0.0}, "time_limit: expected .* above 0"),
        ({"time_limit": float("nan")}, "time_limit: expected"),
        ({"queue": 0}, "queue: expected .* from 1"),
        ({"port": 0}, "port: expected .* from 1 to 65535, got 0"),
    ],
)
def test_settings_out_of_range(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings(**given)
