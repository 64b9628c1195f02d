"""A network whose file leaves its preprocessing open: every command that loads it says so, in one line."""

from pathlib import Path

import pytest
import torch

from tests.arcinvert.cli.commands import run
from tests.recognition.loading.files import save, state_of, tiny_body


@pytest.fixture(scope="module")
def ambiguous(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Lightning module's checkpoint with three classes."""
    state = {f"model.{key}": one for key, one in state_of(tiny_body(inner_norm=True, affine=False)).items()}
    path = tmp_path_factory.mktemp("ambiguous") / "last.ckpt"
    return save(path, {"state_dict": state | {"head.weight": torch.randn(3, 8)}})


@pytest.mark.parametrize(
    "command",
    [
        ("generate", "--class-id", "1", "--steps", "1", "--model", "MODEL", "--out", "OUT"),
        ("from-image", "PHOTOGRAPH", "--steps", "1", "--model", "MODEL", "--out", "OUT"),
        ("classes", "--model", "MODEL"),
        ("export", "MODEL", "OUT.onnx"),
    ],
    ids=lambda command: command[0],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_is_assumed_is_one_line(
    command: tuple[str, ...],
    ambiguous: Path,
    photograph: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = {"MODEL": ambiguous, "PHOTOGRAPH": photograph}
    arguments = [named.get(word, word.replace("OUT", str(tmp_path / "out"))) for word in command]
    assert run(*arguments) == 0
    printed = capsys.readouterr().err.splitlines()
    told = [line for line in printed if "how images are prepared" in line]
    assert len(told) == 1
    assert told[0].startswith(f"warning: {ambiguous}: ")
    again = [
        word.replace(str(tmp_path), str(tmp_path / "again")) if isinstance(word, str) else word
        for word in arguments
    ]
    (tmp_path / "again").mkdir()
    assert run(*again, "--preset", "insightface") == 0
    assert "how images are prepared" not in capsys.readouterr().err


def test_inspect_tells_of_it_in_its_own_words(ambiguous: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", ambiguous) == 0
    printed = capsys.readouterr()
    assert "because:    ambiguous: AdaFace" in printed.out
    assert printed.err == ""
