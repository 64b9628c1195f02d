import json
import math
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from recognition.checkpoint import load_extra, load_notes, load_recogniser
from recognition.data.dataset import AlignedFaces
from recognition.data.folders import read_folders
from recognition.errors import InputError, InputWarning, NotFiniteError
from recognition.heads import HEADS
from recognition.images import read_image, to_tensor
from recognition.recogniser import embed
from recognition.training.options import TrainingOptions
from recognition.training.train import train
from recognition.training.trainer import Trainer
from tests import forked
from tests.recognition.conftest import write_people
from tests.recognition.training.helpers import OPTIONS, SHORT, log_of, run


def test_a_training_leaves_its_four_files(trained):
    assert {path.name for path in trained.iterdir()} == {
        "model.safetensors",
        "log.jsonl",
        "split.json",
        "state.pt",
        "angles.json",
        "tensorboard",
    }


def test_the_log_has_one_line_per_epoch(trained):
    log = log_of(trained)
    assert [line["epoch"] for line in log] == [1, 2, 3]
    for line in log:
        assert math.isfinite(line["loss"])
        assert 0 <= line["learning_rate"] <= OPTIONS.learning_rate
        assert line["images_per_second"] > 0
    assert log[-1]["learning_rate"] < log[0]["learning_rate"]


def test_the_network_has_its_classes_and_notes(trained, people):
    recogniser = load_recogniser(trained / "model.safetensors")
    split = json.loads((trained / "split.json").read_text())
    names = set(read_folders(people))
    assert len(split["held_out"]) == 2
    assert set(recogniser.class_names) == names - set(split["held_out"])
    assert list(recogniser.class_names) == sorted(recogniser.class_names)
    assert recogniser.centres.shape == (12, 16)
    assert (recogniser.scale, recogniser.margin) == (16.0, 0.2)
    assert recogniser.source.architecture == {
        "network": "iresnet18",
        "width": 1 / 8,
        "embedding_size": 16,
    }
    notes = load_notes(trained / "model.safetensors")
    assert notes["split"] == split
    assert notes["training"]["seed"] == 3
    assert notes["last_epoch"] == log_of(trained)[-1]
    assert (split["train_identities"], split["train_images"], split["reserved"]) == (12, 24, {})


def test_the_mean_face_is_that_of_the_training_split(trained, people):
    recogniser = load_recogniser(trained / "model.safetensors")
    paths = [path for name in recogniser.class_names for path in sorted((people / name).iterdir())]
    total = sum(to_tensor(read_image(path)).double() for path in paths) / len(paths)
    mean_face = load_extra(trained / "model.safetensors", "mean_face")
    torch.testing.assert_close(mean_face, ((total + total.flip(2)) / 2).float(), atol=1e-3, rtol=0)


def test_the_loss_falls_and_classes_are_learnt(tmp_path):
    data = write_people(tmp_path / "data", [f"P{index}" for index in range(6)], 4)
    options = replace(
        OPTIONS,
        epochs=8,
        batch_size=8,
        learning_rate=0.03,
        margin=0.0,
        dropout=0.0,
        held_out=0,
        start_size=32,
        seed=2,
    )
    recogniser = load_recogniser(run(data, tmp_path / "run", options))
    losses = [line["loss"] for line in log_of(tmp_path / "run")]
    assert losses[-1] < 0.6 * losses[0]
    paths = [path for name in recogniser.class_names for path in (data / name).iterdir()]
    images = [to_tensor(read_image(path)) for path in paths]
    embeddings = embed(recogniser, [torch.stack(images)], flip="none")
    nearest = (embeddings @ recogniser.centres.numpy().T).argmax(1)
    # Chance is one in six.
    assert (nearest == np.arange(6).repeat(4)).mean() > 0.5


def test_a_loss_that_is_not_finite_is_reported_with_its_step(people, tmp_path):
    with pytest.raises(
        InputError, match=r"loss: expected a finite number, got nan at epoch 1, step 2; lower --learning-rate"
    ):
        run(people, tmp_path / "run", replace(OPTIONS, learning_rate=1e30))


def test_a_loss_that_is_not_finite_keeps_the_last_finished_epoch(people, tmp_path, monkeypatch):
    rate = Trainer.learning_rate
    monkeypatch.setattr(
        Trainer,
        "learning_rate",
        lambda self, epoch, step: 1e30 if epoch == 1 else rate(self, epoch, step),
    )
    out = tmp_path / "run"
    with pytest.raises(InputError, match=r"at epoch 2, step 2.*the last finished epoch is kept in .*run"):
        run(people, out)
    assert [line["epoch"] for line in log_of(out)] == [1]
    tensors = load_file(out / "model.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    assert load_notes(out / "model.safetensors")["last_epoch"]["epoch"] == 1


def test_embeddings_that_are_not_finite_are_a_warning_and_no_verification(people, tmp_path, monkeypatch):
    def broken(self, keys):
        raise NotFiniteError("tiny: expected embeddings of finite numbers, got 4 of 4 with others")

    monkeypatch.setattr(Trainer, "embed", broken)
    with pytest.warns(
        InputWarning, match="no verification in this epoch: tiny: expected embeddings of"
    ) as all_:
        run(people, tmp_path / "run", SHORT)
    assert len([one for one in all_ if one.category is InputWarning]) == 1
    assert "accuracy" not in log_of(tmp_path / "run")[0]


def test_a_last_step_that_diverges_saves_no_broken_network(people, tmp_path):
    # One step per epoch: its loss is finite, the weights after it are not.
    options = replace(OPTIONS, batch_size=24, learning_rate=1e30, epochs=2, start_size=32)
    out = tmp_path / "run"
    with pytest.raises(InputError, match="finite"):
        run(people, out, options)
    if (out / "model.safetensors").exists():
        tensors = load_file(out / "model.safetensors")
        assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


def test_too_few_held_out_identities_to_measure_do_not_end_the_training(people, tmp_path):
    # Twelve people make folds, but are too few for any false match rate.
    options = replace(OPTIONS, epochs=1, batch_size=4, held_out=12, start_size=112)
    path = run(people, tmp_path / "run", options)
    assert len(load_recogniser(path).class_names) == 2
    assert len(log_of(tmp_path / "run")) == 1


def test_results_on_the_held_out_identities_are_logged(tmp_path):
    data = write_people(tmp_path / "data", [f"P{index:02}" for index in range(48)], 2)
    options = replace(OPTIONS, epochs=1, batch_size=4, held_out=46, start_size=112)
    run(data, tmp_path / "run", options)
    (line,) = log_of(tmp_path / "run")
    assert 0 <= line["accuracy"] <= 1
    assert line["identities"] == 46
    assert line["nonmated"] == 92 * 91 // 2 - 46
    # 46 people are enough for a false match rate of 0.01, and too few for 0.001.
    assert {"tar_at_fmr_0.01", "realised_fmr_0.01"} <= line.keys()
    assert "tar_at_fmr_0.001" not in line


def test_a_mobilefacenet_is_trained(people, tmp_path):
    options = replace(OPTIONS, network="mobilefacenet", epochs=1, batch_size=12, start_size=112, dropout=0.0)
    recogniser = load_recogniser(run(people, tmp_path / "run", options))
    assert recogniser.source.architecture["network"] == "mobilefacenet"
    assert recogniser(torch.rand(2, 3, 112, 112)).shape == (2, 16)


@pytest.mark.slow
def test_the_narrowest_network_is_trained(people, tmp_path):
    # In a separate process: convolutions this narrow have crashed processes with a memory error.
    options = TrainingOptions(width=1 / 64, embedding_size=8, epochs=1, batch_size=12, held_out=2)
    done = forked.run(run, people, tmp_path / "run", options)
    assert done.returncode == 0, done.stderr[-2000:]
    assert load_recogniser(tmp_path / "run/model.safetensors").backbone.conv1.out_channels == 1


def test_reserved_photographs_are_not_trained_on(tmp_path):
    data = write_people(tmp_path / "data", ["Ann", "Bob"], 10)
    options = replace(OPTIONS, epochs=1, batch_size=9, held_out=0, start_size=112)
    seen = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        read = AlignedFaces.__getitem__

        def watch(self, index):
            seen.append(self.samples[index][0].name)
            return read(self, index)

        monkeypatch.setattr(AlignedFaces, "__getitem__", watch)
        run(data, tmp_path / "run", options)
    split = json.loads((tmp_path / "run/split.json").read_text())
    assert split["reserved"] == {"Ann": "Ann_0010.png", "Bob": "Bob_0010.png"}
    assert sorted(seen) == sorted(f"{name}_{n:04}.png" for name in ("Ann", "Bob") for n in range(1, 10))


@pytest.mark.parametrize("head", HEADS)
def test_every_head_is_trained_and_saved(head, people, tmp_path):
    margin = 0.2 if head in ("arcface", "subcentre") else TrainingOptions.margin
    path = run(people, tmp_path / "run", replace(SHORT, head=head, margin=margin))
    recogniser = load_recogniser(path)
    assert recogniser.centres.shape == (12, 16)
    assert recogniser.margin == (0.2 if head in ("arcface", "subcentre") else 0.0)
    assert recogniser.input_size == 32
    assert load_notes(path)["training"]["head"] == head
    assert load_extra(path, "mean_face").shape == (3, 32, 32)


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_trains(precision, people, tmp_path):
    path = train(people, tmp_path / "run", SHORT, device="cpu", precision=precision)
    assert math.isfinite(log_of(tmp_path / "run")[0]["loss"])
    state = torch.load(tmp_path / "run/state.pt", weights_only=True)
    assert bool(state["optimiser"]["scaler"]) == (precision == "float16")
    assert all(value.isfinite().all() for value in load_file(path).values())


def test_the_parts_of_a_step_are_the_steps_gradient(people):
    """Without batch statistics, which each part has its own of, four parts give the step's gradient."""
    gradients = []
    for accumulate in (1, 4):
        options = replace(SHORT, batch_size=8, accumulate=accumulate, learning_rate=1e-9)
        trainer = Trainer(people, options, device="cpu", precision="float32")
        trainer.backbone.eval()
        images, labels, indices = next(trainer.batches(0))
        loss = trainer.step(0, 0, images, labels, indices)
        gradients.append((loss, [p.grad.clone() for p in trainer.head.parameters()]))
        assert trainer.angles.counts.sum() == 8
    assert gradients[0][0] == pytest.approx(gradients[1][0], rel=1e-5)
    for first, second in zip(gradients[0][1], gradients[1][1], strict=True):
        torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-4)


def test_a_compiled_network_trains_as_the_plain_one_and_is_saved_plain(people, tmp_path, monkeypatch):
    compiled_modules = []
    compile_module = torch.compile

    def traced(module):
        # The graph is traced but not translated to C++, which would take a minute.
        compiled_modules.append(module)
        return compile_module(module, backend="aot_eager")

    monkeypatch.setattr(torch, "compile", traced)
    plain, compiled = (
        load_file(run(people, tmp_path / str(flag), SHORT, compiled=flag)) for flag in (False, True)
    )
    assert len(compiled_modules) == 1
    assert plain.keys() == compiled.keys()
    for name, tensor in plain.items():
        torch.testing.assert_close(compiled[name].float(), tensor.float(), atol=2e-3, rtol=1e-2)


def test_the_angles_of_all_images_are_counted(trained):
    angles = json.loads((trained / "angles.json").read_text())
    assert [sum(counts) for counts in angles["epochs"]] == [24, 24, 24]
    assert len(angles["epochs"][0]) == angles["bins"] == 180


def command_on_a_full_disk(arguments: Sequence[object]) -> None:
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
    forked.command("recognition", arguments)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
def test_a_disk_that_fills_is_one_line_and_leaves_nothing_half_written(people, tmp_path):
    arguments = ["train", people, "--out", tmp_path / "run", "--width", "0.125", "--embedding-size", "8"]
    arguments += ["--epochs", "1", "--batch-size", "12", "--held-out", "2", "--image-size", "32"]
    done = forked.run(command_on_a_full_disk, arguments)
    assert done.returncode == 2, done.stderr[-2000:]
    assert "error: " in done.stderr.splitlines()[-1]
    assert "cannot be written" in done.stderr.splitlines()[-1]
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left == {"split.json", "tensorboard"}


def test_the_network_has_the_scale_that_its_head_was_trained_with(people, tmp_path):
    path = run(people, tmp_path / "run", replace(SHORT, head="arcface:scale=24", margin=None))
    assert load_recogniser(path).scale == 24
