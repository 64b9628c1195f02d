import json
from dataclasses import replace
from pathlib import Path

from recognition.training.options import TrainingOptions
from recognition.training.train import train
from recognition.training.trainer import Trainer

#: Four steps per epoch, the first epoch on smaller images, with dropout, which draws random numbers. The
#: network is no narrower because the backward pass of convolutions with fewer than eight channels crashes
#: some builds.
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


#: One epoch of one or two steps on small images.
SHORT = replace(OPTIONS, epochs=1, batch_size=12, start_size=32, image_size=32, dropout=0.0, scale=16.0)


def run(data: Path, out: Path, options: TrainingOptions = OPTIONS, **rest) -> Path:
    return train(data, out, options, device="cpu", precision="float32", workers=0, **rest)


def log_of(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def stop_at(monkeypatch, epoch: int, step: int, error: BaseException) -> None:
    whole = Trainer.step

    def step_or_stop(self, *arguments):
        if arguments[:2] == (epoch, step):
            raise error
        return whole(self, *arguments)

    monkeypatch.setattr(Trainer, "step", step_or_stop)
