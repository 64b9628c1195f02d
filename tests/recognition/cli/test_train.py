import re
import subprocess
import sys
from dataclasses import fields

import pytest

from recognition.checkpoint import load_recogniser
from recognition.training.options import TrainingOptions
from tests.recognition.cli.helpers import TRAINING, run


def test_train_writes_a_network_with_the_options(people, tmp_path, capsys):
    code, out, err = run(
        capsys, "train", people, "--out", tmp_path / "run", "--precision", "float32", *TRAINING
    )
    assert code == 0, err
    path = tmp_path / "run/model.safetensors"
    assert out.splitlines()[-1] == f"Wrote {path}"
    assert load_recogniser(path).source.architecture == {
        "network": "iresnet18",
        "width": 0.125,
        "embedding_size": 8,
    }
    assert len((tmp_path / "run/log.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--weight-decay", "-1"],
        ["--dropout", "2"],
        ["--seed", "-1"],
        ["--width", "nan"],
        ["--workers", "-1"],
        ["--stop-after", "0"],
        ["--start-from", "nothing.safetensors"],
        ["--start-from", "lfw-iresnet18"],
    ],
    ids="".join,
)
def test_training_options_out_of_range_are_one_line_and_code_2(arguments, people, tmp_path, capsys):
    code, _, err = run(capsys, "train", people, "--out", tmp_path / "run", *TRAINING, *arguments)
    assert code == 2
    assert err.startswith("error: ")


def test_every_training_option_has_its_default_on_the_command_line(monkeypatch, capsys):
    called = []
    monkeypatch.setattr(
        "recognition.training.train.train",
        lambda data, out, options, **rest: called.append((data, out, options, rest)),
    )
    code, _, err = run(capsys, "train", "data", "--out", "out")
    assert code == 0, err
    ((data, out, options, rest),) = called
    assert (data, out, options) == ("data", "out", TrainingOptions())
    assert (rest["device"], rest["precision"], rest["start_from"]) == ("auto", "auto", None)
    called.clear()
    changed = {"network": "iresnet34", "seed": 9, "learning_rate": 0.5, "start_size": 64}
    flags = [part for name, value in changed.items() for part in (f"--{name.replace('_', '-')}", value)]
    assert run(capsys, "train", "data", "--out", "out", *flags)[0] == 0
    assert called[0][2] == TrainingOptions(**changed)
    assert run(capsys, "train", "data", "--out", "out", "--start-from", "net.pt")[0] == 0
    assert called[1][3]["start_from"] == "net.pt"


def test_help_lists_every_training_option(capsys):
    code, out, _ = run(capsys, "train", "--help")
    assert code == 0
    for option in fields(TrainingOptions):
        flag = option.metadata["flag"] or f"--{option.name.replace('_', '-')}"
        assert re.search(rf"^  {flag} ", out, re.MULTILINE), flag


def test_help_needs_no_torch():
    code = (
        "import atexit, sys; from recognition.cli import main as cli; "
        "atexit.register(lambda: print('torch' in sys.modules)); cli.main(['train', '--help'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--learning-rate" in done.stdout
    assert done.stdout.splitlines()[-1] == "False"


def test_a_dry_run_prints_one_line(people, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "train", people, "--dry-run", "--image-size", "32", *TRAINING)
    assert code == 0, err
    assert re.fullmatch(
        r"\d+\.\d images/s, peak memory \d+\.\d\d GiB \(0\.00 GiB for the class centres, computed\), "
        r"estimated duration 0 h 0\d min",
        out.strip(),
    )
    assert not list(tmp_path.iterdir())


def test_arguments_override_a_config_file(tmp_path, monkeypatch, capsys):
    called = []
    monkeypatch.setattr(
        "recognition.training.train.train", lambda data, out, options, **rest: called.append(options)
    )
    config = tmp_path / "training.toml"
    config.write_text(
        'epochs = 3\nhead = "cosface:margin=0.3"\naux-losses = ["intra", "inter"]\nscale = 16\n'
    )
    code, _, err = run(capsys, "train", "data", "--out", "out", "--config", config, "--epochs", "4")
    assert code == 0, err
    expected = TrainingOptions(epochs=4, head="cosface:margin=0.3", aux_losses=("intra", "inter"), scale=16.0)
    assert called == [expected]
    code, _, err = run(capsys, "train", "data", "--out", "out", "--aux-loss", "intra", "triplet:margin=0.2")
    assert code == 0, err
    assert called[1].aux_losses == ("intra", "triplet:margin=0.2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch = 3", "expected a known option, got 'epoch'; the nearest is 'epochs'"),
        ("epochs = 1.5", "epochs: expected a whole number, got 1.5"),
        ("epochs =", "expected TOML"),
        ('head = "vggface"', "head: expected one of softmax, .* got 'vggface'"),
        ('aux-losses = "intra"', "aux_losses: expected several values, got 'intra'"),
    ],
)
def test_a_config_file_that_cannot_be_used_is_one_line_and_code_2(text, message, tmp_path, capsys):
    config = tmp_path / "training.toml"
    config.write_text(text)
    code, out, err = run(capsys, "train", "data", "--out", tmp_path / "run", "--config", config)
    assert (code, out) == (2, "")
    assert re.match(rf"error: .*{message}", err)
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "run").exists()
