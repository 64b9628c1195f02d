import json
import math
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from recognition.checkpoint import load_extra, load_notes, load_recogniser
from recognition.data.folders import read_folders
from recognition.errors import InputError
from recognition.heads import HEADS
from recognition.images import read_image, to_tensor, write_png
from recognition.losses import AUXILIARY_LOSSES
from recognition.options import TrainingOptions
from recognition.recogniser import embed
from recognition.training import trainer as training
from recognition.training.trainer import learning_rate, train
from tests.recognition.conftest import write_people

#: Four steps an epoch, the first epoch on smaller images; dropout draws random numbers. Backward
#: convolutions of fewer than eight channels end processes on some builds, so that this is no narrower.
OPTIONS = TrainingOptions(
    network="iresnet18",
    width=1 / 8,
    embedding_size=16,
    epochs=3,
    batch_size=6,
    learning_rate=0.1,
    margin=0.2,
    scale=16.0,
    dropout=0.1,
    held_out=2,
    start_size=48,
    seed=3,
)


def run(data: Path, out: Path, options: TrainingOptions = OPTIONS) -> Path:
    return train(data, out, options, device="cpu", precision="float32", workers=0)


def log_of(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def stop_at(monkeypatch, epoch: int, step: int, error: BaseException) -> None:
    whole = training._Run._step

    def step_or_stop(self, *arguments):
        if arguments[:2] == (epoch, step):
            raise error
        return whole(self, *arguments)

    monkeypatch.setattr(training._Run, "_step", step_or_stop)


@pytest.fixture(scope="module")
def trained(people, tmp_path_factory) -> Path:
    """The results of an uninterrupted training."""
    out = tmp_path_factory.mktemp("trained") / "run"
    torch.manual_seed(123)
    assert run(people, out) == out / "model.safetensors"
    return out


def test_a_training_leaves_its_four_files(trained):
    assert {path.name for path in trained.iterdir()} == {
        "model.safetensors",
        "log.jsonl",
        "split.json",
        "state.pt",
        "angles.json",
        "tensorboard",
    }


def test_the_log_has_one_line_an_epoch(trained):
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


def test_a_resumed_training_is_bit_identical(trained, people, tmp_path):
    out = tmp_path / "run"
    with pytest.MonkeyPatch.context() as monkeypatch:
        stop_at(monkeypatch, 1, 2, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            run(people, out)
    assert [line["epoch"] for line in log_of(out)] == [1]
    torch.manual_seed(987)
    run(people, out)
    whole, resumed = load_file(trained / "model.safetensors"), load_file(out / "model.safetensors")
    assert whole.keys() == resumed.keys()
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    timed = {"seconds", "images_per_second"}
    logs = [[{k: v for k, v in line.items() if k not in timed} for line in log_of(o)] for o in (trained, out)]
    assert logs[0] == logs[1]
    assert (out / "split.json").read_text() == (trained / "split.json").read_text()
    assert not list(out.glob(".*"))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_training_that_was_killed_goes_on_bit_identically(trained, people, tmp_path):
    out = tmp_path / "run"
    code = (
        "import sys; from tests.recognition.test_train import run; from pathlib import Path; "
        "run(Path(sys.argv[1]), Path(sys.argv[2]))"
    )
    root = Path(__file__).parents[3]
    process = subprocess.Popen([sys.executable, "-c", code, people, out], cwd=root, stderr=subprocess.DEVNULL)
    try:
        # Whenever the first epoch is told: often in the middle of the second, or of a file.
        while process.poll() is None and not (out / "log.jsonl").exists():
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    assert len(log_of(out)) < 3
    run(people, out)
    whole, resumed = load_file(trained / "model.safetensors"), load_file(out / "model.safetensors")
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    assert not list(out.glob(".*"))


def test_a_finished_training_is_left_alone(trained, people, monkeypatch):
    before = (trained / "model.safetensors").read_bytes()
    stop_at(monkeypatch, 0, 0, AssertionError("trained again"))
    assert run(people, trained) == trained / "model.safetensors"
    assert (trained / "model.safetensors").read_bytes() == before


def test_a_lost_log_is_written_anew(trained, people, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(trained, out)
    (out / "log.jsonl").unlink()
    run(people, out)
    assert log_of(out) == log_of(trained)


def test_a_training_that_was_told_to_stop_goes_on_bit_identically(trained, people, tmp_path):
    out = tmp_path / "run"
    for last in (1, 2):
        train(people, out, OPTIONS, device="cpu", precision="float32", stop_after=last)
        assert len(log_of(out)) == last
    run(people, out)
    whole, resumed = load_file(trained / "model.safetensors"), load_file(out / "model.safetensors")
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


@pytest.mark.parametrize("stop_after", [0, -1])
def test_stopping_before_the_first_epoch_is_refused(stop_after, people, tmp_path):
    options = replace(OPTIONS, epochs=1)
    with pytest.raises(InputError, match=r"stop.after"):
        train(people, tmp_path / "run", options, device="cpu", precision="float32", stop_after=stop_after)


def test_a_finished_training_may_be_lengthened(trained, people, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(trained, out)
    run(people, out, replace(OPTIONS, epochs=4))
    assert log_of(out)[:3] == log_of(trained)
    assert [line["epoch"] for line in log_of(out)] == [1, 2, 3, 4]
    assert load_notes(out / "model.safetensors")["training"]["epochs"] == 4


@pytest.mark.parametrize("change", [{"batch_size": 5}, {"seed": 4}, {"margin": 0.3}, {"width": 1 / 4}])
def test_resuming_with_other_options_is_refused(change, trained, people):
    before = (trained / "state.pt").read_bytes()
    with pytest.raises(InputError, match=r"state\.pt: expected the state of a training with these options"):
        run(people, trained, replace(OPTIONS, **change))
    assert (trained / "state.pt").read_bytes() == before


def test_resuming_with_other_data_is_refused(trained, tmp_path):
    # As many people, by other names.
    others = write_people(tmp_path / "others", [f"Other_{index:02}" for index in range(14)], 2, seed=1)
    with pytest.raises(InputError, match=r"expected the state of a training with these options and data"):
        run(others, trained)


@pytest.mark.parametrize("content", [b"", b"no state", None])
def test_a_damaged_state_is_refused(content, trained, people, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    if content is None:
        content = (trained / "state.pt").read_bytes()[:5000]
    (out / "state.pt").write_bytes(content)
    with pytest.raises(InputError, match=r"state\.pt: "):
        run(people, out)


def test_a_loss_that_is_no_number_is_told_with_its_step(people, tmp_path):
    with pytest.raises(
        InputError, match=r"loss: expected a finite number, got nan at epoch 1, step 2; lower --learning-rate"
    ):
        run(people, tmp_path / "run", replace(OPTIONS, learning_rate=1e30))


def test_a_loss_that_is_no_number_keeps_the_last_good_epoch(people, tmp_path, monkeypatch):
    rate = training._Run._learning_rate
    monkeypatch.setattr(
        training._Run,
        "_learning_rate",
        lambda self, epoch, step: 1e30 if epoch == 1 else rate(self, epoch, step),
    )
    out = tmp_path / "run"
    with pytest.raises(InputError, match=r"at epoch 2, step 2.*the last good epoch is kept in .*run"):
        run(people, out)
    assert [line["epoch"] for line in log_of(out)] == [1]
    tensors = load_file(out / "model.safetensors")
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    assert load_notes(out / "model.safetensors")["last_epoch"]["epoch"] == 1


def test_a_last_step_that_diverges_saves_no_broken_network(people, tmp_path):
    # One step an epoch: its loss is finite, the weights after it are not.
    options = replace(OPTIONS, batch_size=24, learning_rate=1e30, epochs=2, start_size=32)
    out = tmp_path / "run"
    with pytest.raises(InputError, match="finite"):
        run(people, out, options)
    if (out / "model.safetensors").exists():
        tensors = load_file(out / "model.safetensors")
        assert all(torch.isfinite(tensor).all() for tensor in tensors.values())


def test_few_held_out_people_end_no_training(people, tmp_path):
    # Twelve people make folds, but too few comparisons for a false match rate of 1e-3.
    options = replace(OPTIONS, epochs=1, batch_size=4, held_out=12, start_size=112)
    path = run(people, tmp_path / "run", options)
    assert len(load_recogniser(path).class_names) == 2
    assert len(log_of(tmp_path / "run")) == 1


def test_figures_of_the_held_out_people_are_logged(tmp_path):
    data = write_people(tmp_path / "data", [f"P{index:02}" for index in range(42)], 2)
    options = replace(OPTIONS, epochs=1, batch_size=4, held_out=40, start_size=112)
    run(data, tmp_path / "run", options)
    (line,) = log_of(tmp_path / "run")
    assert 0 <= line["accuracy"] <= 1
    assert line["identities"] == 40
    assert line["nonmated"] == 80 * 79 // 2 - 40
    assert {"tar_at_fmr_0.01", "tar_at_fmr_0.001", "realised_fmr_0.001"} <= line.keys()


def test_a_mobilefacenet_is_trained(people, tmp_path):
    options = replace(OPTIONS, network="mobilefacenet", epochs=1, batch_size=12, start_size=112, dropout=0.0)
    recogniser = load_recogniser(run(people, tmp_path / "run", options))
    assert recogniser.source.architecture["network"] == "mobilefacenet"
    assert recogniser(torch.rand(2, 3, 112, 112)).shape == (2, 16)


@pytest.mark.slow
def test_the_narrowest_network_is_trained(people, tmp_path):
    # In a process of its own: convolutions this narrow have ended processes with a memory error.
    code = (
        "import sys; from recognition.options import TrainingOptions; "
        "from recognition.training.trainer import train; "
        "options = TrainingOptions(width=1 / 64, embedding_size=8, epochs=1, batch_size=12, held_out=2); "
        "train(sys.argv[1], sys.argv[2], options, device='cpu', precision='float32', workers=0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, people, tmp_path / "run"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert load_recogniser(tmp_path / "run/model.safetensors").backbone.conv1.out_channels == 1


def test_reserved_photographs_are_not_trained_on(tmp_path):
    data = write_people(tmp_path / "data", ["Ann", "Bob"], 10)
    options = replace(OPTIONS, epochs=1, batch_size=9, held_out=0, start_size=112)
    seen = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        read = training.AlignedFaces.__getitem__

        def watch(self, index):
            seen.append(self.samples[index][0].name)
            return read(self, index)

        monkeypatch.setattr(training.AlignedFaces, "__getitem__", watch)
        run(data, tmp_path / "run", options)
    split = json.loads((tmp_path / "run/split.json").read_text())
    assert split["reserved"] == {"Ann": "Ann_0010.png", "Bob": "Bob_0010.png"}
    assert sorted(seen) == sorted(f"{name}_{n:04}.png" for name in ("Ann", "Bob") for n in range(1, 10))


def test_a_batch_larger_than_the_data_is_refused(people, tmp_path):
    with pytest.raises(InputError, match="batch size: expected at most the 24 training images, got 25"):
        run(people, tmp_path / "run", replace(OPTIONS, batch_size=25))


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="expected one folder per identity with images in it"):
        run(tmp_path / "empty", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_photographs_that_are_not_aligned_are_refused(tmp_path):
    data = write_people(tmp_path / "data", ["Ann", "Bob"], 2)
    write_png(data / "Ann" / "Ann_0002.png", np.zeros((250, 250, 3), dtype=np.uint8))
    with pytest.raises(InputError, match=r"Ann_0002\.png: expected an aligned 112x112 crop, got 250x250"):
        run(data, tmp_path / "run", replace(OPTIONS, batch_size=4, held_out=0))


def test_an_output_that_is_no_folder_is_refused(people, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be made"):
        run(people, tmp_path / "file" / "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs: expected at least 1, got 0"),
        ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
        ({"embedding_size": -1}, "embedding_size: expected at least 1, got -1"),
        ({"learning_rate": 0.0}, "learning rate: expected a positive number, got 0"),
        ({"learning_rate": math.nan}, "learning rate: expected a positive number, got nan"),
        ({"start_size": 31}, "start size: expected 32 to 112 pixels, got 31"),
        ({"start_size": 113}, "start size: expected 32 to 112 pixels, got 113"),
        ({"network": "mobilefacenet"}, "start size: only IResNets train on smaller images"),
        ({"network": "vgg", "start_size": 112}, "network: expected one of"),
        ({"width": 0.0}, "width: expected"),
        ({"margin": 4.0}, "margin: expected"),
        ({"scale": 0.0}, "scale: expected"),
        ({"held_out": 13}, "held-out identities: expected 0 to 12 of 14"),
        ({"held_out": -1}, "held-out identities: expected 0 to 12 of 14"),
        ({"dropout": 1.5}, "dropout"),
        ({"dropout": -0.5}, "dropout"),
        ({"weight_decay": -1.0}, "weight.decay"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"seed": 2**62}, "seed"),
        ({"image_size": 31}, "image size: expected 32 to 112 pixels, got 31"),
        ({"schedule": "step"}, "schedule: expected one of cosine, polynomial, got 'step'"),
        ({"label_smoothing": 1.0}, "label smoothing: expected more than -1 and less than 1, got 1.0"),
        ({"augmentation": "none"}, "augmentation: expected one of full, flip, got 'none'"),
        ({"warm_up": 1.0}, "warm up: expected a share of the steps below 1, got 1"),
        ({"accumulate": 4}, "accumulate: expected a divisor of the batch size 6, got 4"),
        ({"accumulate": 0}, "accumulate: expected a divisor"),
        ({"images_per_identity": -1}, "images per identity: expected 0 or more, got -1"),
        ({"head": "cosface"}, "margin: expected it with arcface or subcentre alone, got it with cosface"),
        ({"head": "none", "margin": 0.4}, "head: expected one of"),
        ({"terms": ("none",)}, "term: expected one of"),
    ],
    ids=str,
)
def test_options_out_of_range_are_refused(change, message, people, tmp_path):
    def configure_and_run():
        run(people, tmp_path / "run", replace(OPTIONS, **{"epochs": 1, **change}))

    with pytest.raises(InputError, match=message):
        configure_and_run()


def test_an_absent_device_is_refused(people, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="expected one that this machine has"):
        train(people, tmp_path / "run", OPTIONS, device="cuda", workers=0)


#: One epoch of one or two steps on small images.
SHORT = replace(OPTIONS, epochs=1, batch_size=12, start_size=32, image_size=32, dropout=0.0, scale=16.0)


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


def test_every_term_at_once_and_its_state_resumed(people, tmp_path):
    terms = tuple(AUXILIARY_LOSSES)
    options = replace(SHORT, epochs=2, terms=terms, images_per_identity=2, accumulate=2)
    whole = run(people, tmp_path / "whole", options)
    for last in (1, 2):
        halves = train(
            people, tmp_path / "halves", options, device="cpu", precision="float32", stop_after=last
        )
    first, second = load_file(whole), load_file(halves)
    assert all(torch.equal(first[key], second[key]) for key in first)
    state = torch.load(tmp_path / "whole/state.pt", weights_only=True)
    assert float(state["terms"]["0.own_centres"].abs().sum()) > 0
    plain = load_file(run(people, tmp_path / "plain", replace(options, terms=())))
    assert not torch.equal(first["centres"], plain["centres"])


def test_a_state_from_before_an_option_is_resumed(trained, people, tmp_path):
    """States written before heads could be chosen have none of the later options, terms and angles."""
    out = tmp_path / "run"
    shutil.copytree(trained, out)
    state = torch.load(out / "state.pt", weights_only=True)
    for name in (
        "head",
        "terms",
        "schedule",
        "warm_up",
        "accumulate",
        "image_size",
        "augmentation",
        "label_smoothing",
    ):
        del state["options"][name]
    for name in ("terms", "scaler", "angles"):
        del state[name]
    torch.save(state, out / "state.pt")
    run(people, out, replace(OPTIONS, epochs=4))
    assert len(log_of(out)) == 4


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_half_precision_trains(precision, people, tmp_path):
    path = train(people, tmp_path / "run", SHORT, device="cpu", precision=precision)
    assert math.isfinite(log_of(tmp_path / "run")[0]["loss"])
    state = torch.load(tmp_path / "run/state.pt", weights_only=True)
    assert bool(state["scaler"]) == (precision == "float16")
    assert all(value.isfinite().all() for value in load_file(path).values())


def test_the_parts_of_a_step_are_the_steps_gradient(people):
    """Without batch statistics, which are a part's own, four parts of a step are the whole step."""
    gradients = []
    for accumulate in (1, 4):
        options = replace(SHORT, batch_size=8, accumulate=accumulate, learning_rate=1e-9)
        whole = training._Run(people, options, device="cpu", precision="float32", workers=0)
        whole.backbone.eval()
        whole.histogram = np.zeros(180, dtype=np.int64)
        images, labels = next(iter(whole._batches(0)))
        loss = whole._step(0, 0, images, labels)
        gradients.append((loss, [p.grad.clone() for p in whole.head.parameters()]))
        assert whole.histogram.sum() == 8
    assert gradients[0][0] == pytest.approx(gradients[1][0], rel=1e-5)
    for first, second in zip(gradients[0][1], gradients[1][1], strict=True):
        torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("schedule", "half"), [("cosine", 0.5), ("polynomial", 0.25)])
def test_the_learning_rate_rises_and_falls(schedule, half):
    options = replace(OPTIONS, learning_rate=0.2, schedule=schedule, warm_up=0.1)
    rates = [learning_rate(options, step, 110) for step in range(110)]
    assert rates[:11] == pytest.approx([0.2 * (n + 1) / 11 for n in range(11)])
    assert rates[11] == pytest.approx(0.2)
    assert learning_rate(options, 60, 109) == pytest.approx(0.2 * half, rel=0.05)
    assert rates[11:] == sorted(rates[11:], reverse=True)
    assert rates[-1] < 0.002


def test_the_angles_of_all_images_are_counted(trained):
    told = json.loads((trained / "angles.json").read_text())
    assert [sum(counts) for counts in told["epochs"]] == [24, 24, 24]
    assert len(told["epochs"][0]) == told["bins"] == 180


def test_tensorboard_has_every_step_once(trained, people, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    out = tmp_path / "run"
    with pytest.MonkeyPatch.context() as monkeypatch:
        stop_at(monkeypatch, 1, 2, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            run(people, out)
    run(people, out)
    events = EventAccumulator(str(out / "tensorboard")).Reload()
    assert {"loss", "learning_rate", "images_per_second"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("loss")] == list(range(12))
    rates = [event.value for event in events.Scalars("learning_rate")]
    assert rates == pytest.approx([learning_rate(OPTIONS, step, 12) for step in range(12)], rel=1e-5)


def test_leftovers_of_a_killed_training_are_removed(trained, people, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(trained, out)
    (out / ".state.pt.abc.part").write_bytes(b"half")
    run(people, out)
    assert not list(out.glob(".*.part"))


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files")
def test_a_disk_that_fills_is_one_line_and_leaves_nothing_half_written(people, tmp_path):
    code = (
        "import resource, signal, sys\n"
        "from recognition.cli import main as cli\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
        "cli.main(sys.argv[1:])\n"
    )
    arguments = ["train", people, "--out", tmp_path / "run", "--width", "0.125", "--embedding-size", "8"]
    arguments += ["--epochs", "1", "--batch-size", "12", "--held-out", "2", "--image-size", "32"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr[-2000:]
    assert "error: " in done.stderr.splitlines()[-1]
    assert "cannot be written" in done.stderr.splitlines()[-1]
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert left == {"split.json", "tensorboard"}


def test_a_dry_run_tells_the_cost_and_writes_nothing(people, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    told = training.dry_run(people, replace(OPTIONS, start_size=32, image_size=48), device="cpu")
    assert told.images_per_second > 0
    assert told.seconds > 0
    assert told.memory > 1 << 20
    assert not list(tmp_path.iterdir())


def test_a_term_of_pairs_needs_identities_with_two_images(tmp_path):
    data = write_people(tmp_path / "data", ["Ann", "Bob", "Cat"], 1)
    options = replace(SHORT, batch_size=2, held_out=0, terms=("triplet",), images_per_identity=2)
    with pytest.raises(InputError, match="term triplet: expected an identity with two training images"):
        run(data, tmp_path / "run", options)
    assert not (tmp_path / "run").exists()


def test_a_term_of_pairs_needs_batches_with_pairs(people, tmp_path):
    with pytest.raises(InputError, match=r"term contrastive: .* got --images-per-identity 0; use 2 or more"):
        run(people, tmp_path / "run", replace(SHORT, terms=("contrastive",)))
