"""The package as a user meets it: what it exports, what `help` says, what importing it costs and prints."""

import inspect
import json
import logging
import re
import subprocess
import sys
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

import arcinvert
from arcinvert import Attacker, AttackOptions, InputError
from recognition import errors

ONE_SHOT = ("generate", "from_image", "from_crops", "from_embedding")


def modules_after(program: str) -> set[str]:
    """Return the names of the modules that are loaded after a program in a process of its own."""
    program += "\nimport sys, json\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_the_version_is_that_of_the_distribution() -> None:
    assert arcinvert.__version__ == version("arcinvert")
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", arcinvert.__version__)


def test_the_package_exports_little_and_all_of_it_is_there() -> None:
    assert set(arcinvert.__all__) == {
        "AccessOptions",
        "AttackOptions",
        "Attacker",
        "BlackBoxAttacker",
        "InputError",
        "Run",
        "Step",
        "StopInversion",
        "__version__",
        *ONE_SHOT,
        "open_workers",
    }
    assert sorted(dir(arcinvert)) == sorted(arcinvert.__all__)
    assert all(getattr(arcinvert, name) is not None for name in arcinvert.__all__)
    assert arcinvert.InputError is errors.InputError
    with pytest.raises(AttributeError, match="no attribute 'steal'"):
        _ = arcinvert.steal


def test_importing_the_package_imports_no_numerics() -> None:
    heavy = {"torch", "numpy", "dlib", "PIL", "onnx", "safetensors"}
    assert not modules_after("import arcinvert; dir(arcinvert); arcinvert.__version__") & heavy


def test_the_options_import_no_torch() -> None:
    assert "torch" not in modules_after("import arcinvert; arcinvert.AttackOptions(steps=3)")


def test_the_bundled_network_needs_no_onnx_and_no_compiler() -> None:
    loaded = modules_after("import arcinvert; arcinvert.Attacker(device='cpu')")
    assert "torch" in loaded
    assert "onnx" not in loaded
    assert "torch._dynamo" not in loaded


@pytest.mark.parametrize("name", ONE_SHOT)
def test_signatures_list_every_option(name: str) -> None:
    options = {entry.name for entry in fields(AttackOptions)}
    own = inspect.signature(getattr(Attacker, name)).parameters
    one_shot = inspect.signature(getattr(arcinvert, name)).parameters
    assert options <= set(own)
    assert options | {"model", "preprocessing", "statistics", "device", "precision"} <= set(one_shot)
    assert set(own) - {"self"} <= set(one_shot)
    assert one_shot["model"].default == "lfw-distilled"
    for parameters in (own, one_shot):
        assert parameters["steps"].default is None
        assert parameters["samples"].default == 1
        assert not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values())
    text = inspect.getdoc(getattr(arcinvert, name))
    assert text is not None
    assert all(f"{option}: " in text for option in options)


def test_the_library_prints_nothing(
    tiny_model: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        arcinvert.generate(
            [0, 1], model=tiny_model, device="cpu", steps=2, batch_size=1, out=tmp_path / "out"
        )
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


def test_errors_of_input_are_value_errors() -> None:
    assert issubclass(InputError, ValueError)
    with pytest.raises(ValueError, match="steps: expected a whole number"):
        AttackOptions(steps=np.float64(3))
