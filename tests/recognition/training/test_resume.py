import shutil
import sys
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from recognition.checkpoint import load_notes
from recognition.errors import InputError
from recognition.losses import AUXILIARY_LOSSES
from recognition.training.schedule import learning_rate
from recognition.training.train import train
from recognition.training.trainer import Trainer
from tests import forked
from tests.recognition.conftest import write_people
from tests.recognition.training.helpers import OPTIONS, SHORT, log_of, run, stop_at


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
def test_a_killed_training_resumes_bit_identically(trained, people, tmp_path):
    out = tmp_path / "run"
    killed = forked.start(run, people, out, output=tmp_path)
    # As soon as the first epoch is logged: often in the middle of the second, or of a file.
    forked.kill_once(killed, (out / "log.jsonl").exists)
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


def test_a_lost_log_is_written_again(trained, people, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(trained, out)
    (out / "log.jsonl").unlink()
    run(people, out)
    assert log_of(out) == log_of(trained)


def test_a_stopped_training_resumes_bit_identically(trained, people, tmp_path):
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


def test_a_state_of_another_format_is_refused(trained, people, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(trained, out)
    state = torch.load(out / "state.pt", weights_only=True)
    for other in ({**state, "format": "arcinvert-training-3"}, {"backbone": state["backbone"]}):
        torch.save(other, out / "state.pt")
        with pytest.raises(
            InputError, match=r"state\.pt: expected a training state of format arcinvert-training-4, got a"
        ):
            run(people, out, replace(OPTIONS, epochs=4))


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


def test_all_auxiliary_losses_together_resume_with_their_state(people, tmp_path):
    options = replace(
        SHORT, epochs=2, aux_losses=tuple(AUXILIARY_LOSSES), images_per_identity=2, accumulate=2
    )
    whole = run(people, tmp_path / "whole", options)
    for last in (1, 2):
        halves = train(
            people, tmp_path / "halves", options, device="cpu", precision="float32", stop_after=last
        )
    first, second = load_file(whole), load_file(halves)
    assert all(torch.equal(first[key], second[key]) for key in first)
    state = torch.load(tmp_path / "whole/state.pt", weights_only=True)
    assert float(state["aux_losses"]["0.own_centres"].abs().sum()) > 0
    plain = load_file(run(people, tmp_path / "plain", replace(options, aux_losses=())))
    assert not torch.equal(first["centres"], plain["centres"])


def test_a_training_resumes_from_the_middle_of_an_epoch(trained, people, tmp_path):
    """Steps that were saved are not trained again, and the result is bit-identical, log included."""
    out = tmp_path / "run"
    with pytest.MonkeyPatch.context() as monkeypatch:
        stop_at(monkeypatch, 1, 3, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            run(people, out, save_every=2)
    torch.manual_seed(987)
    steps: list[tuple[int, int]] = []
    with pytest.MonkeyPatch.context() as monkeypatch:
        step = Trainer.step
        monkeypatch.setattr(
            Trainer, "step", lambda self, *given: (steps.append(given[:2]), step(self, *given))[1]
        )
        run(people, out)
    assert steps == [(1, 2), (1, 3), (2, 0), (2, 1), (2, 2), (2, 3)]
    whole, resumed = load_file(trained / "model.safetensors"), load_file(out / "model.safetensors")
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)
    timed = {"seconds", "images_per_second"}
    logs = [[{k: v for k, v in line.items() if k not in timed} for line in log_of(o)] for o in (trained, out)]
    assert logs[0] == logs[1]
    assert (out / "angles.json").read_text() == (trained / "angles.json").read_text()


def test_saving_every_no_steps_is_refused(people, tmp_path):
    with pytest.raises(InputError, match="save every: expected a number of steps, 1 or more, got 0"):
        run(people, tmp_path / "run", save_every=0)


def test_a_training_of_other_images_is_refused(trained, tmp_path, people):
    """The same people with one image more."""
    out, more = tmp_path / "run", tmp_path / "more"
    shutil.copytree(trained, out)
    shutil.copytree(people, more)
    held_out = load_notes(out / "model.safetensors")["split"]["held_out"]
    other = next(folder for folder in sorted(more.iterdir()) if folder.name not in held_out)
    shutil.copy(next(iter(other.iterdir())), other / "zzz.png")
    with pytest.raises(InputError, match="expected the state of a training with these options and data"):
        run(more, out)
