import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from recognition.errors import InputError
from recognition.images import write_png
from recognition.training.train import train
from tests.recognition.conftest import write_people
from tests.recognition.training.helpers import OPTIONS, SHORT, run


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
        run(data, tmp_path / "run", replace(OPTIONS, batch_size=4, held_out=0), on_unreadable="stop")


def test_an_output_that_is_no_folder_is_refused(people, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be created"):
        run(people, tmp_path / "file" / "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs: expected a whole number from 1 up, got 0"),
        ({"batch_size": 0}, "batch_size: expected a whole number from 1 up, got 0"),
        ({"batch_size": 1}, "batch size: expected at least two images in each of 1 parts, .* got 1"),
        ({"batch_size": 4, "accumulate": 4}, "expected at least two images in each of 4 parts, .* got 4"),
        ({"embedding_size": -1}, "embedding_size: expected a whole number from 1 up, got -1"),
        ({"learning_rate": 0.0}, "learning_rate: expected a finite number above 0, got 0"),
        ({"learning_rate": math.nan}, "learning_rate: expected a finite number above 0, got nan"),
        ({"start_size": 31}, "start_size: expected a whole number from 32 to 112, got 31"),
        ({"start_size": 113}, "start_size: expected a whole number from 32 to 112, got 113"),
        ({"network": "mobilefacenet"}, "dropout: expected 0 with mobilefacenet, .* got 0.1"),
        (
            {"network": "mobilefacenet", "dropout": 0.0},
            "start size: expected 112 pixels with mobilefacenet, got 48; only IResNets",
        ),
        ({"network": "vgg", "start_size": 112}, "network: expected one of"),
        ({"width": 0.0}, "width: expected"),
        ({"margin": 4.0}, "margin: expected"),
        ({"scale": 0.0}, "scale: expected"),
        ({"held_out": 13}, "held-out identities: expected 0 to 12 of 14"),
        ({"held_out": -1}, "held-out identities: expected 0 to 12 of 14"),
        ({"dropout": 1.5}, "dropout: expected a finite number from 0 to below 1, got 1.5"),
        ({"dropout": -0.5}, "dropout: expected a finite number from 0 to below 1, got -0.5"),
        ({"weight_decay": -1.0}, "weight_decay: expected a finite number from 0 up, got -1"),
        ({"seed": -1}, "seed: expected a whole number from 0 to"),
        ({"seed": 2**63}, "seed: expected a whole number from 0 to"),
        ({"seed": 2**62}, "seed: expected a whole number from 0 to"),
        ({"seed": 1.5}, "seed: expected a whole number, got 1.5"),
        ({"image_size": 31}, "image_size: expected a whole number from 32 to 112, got 31"),
        ({"schedule": "step"}, "schedule: expected one of cosine, polynomial, got 'step'"),
        ({"label_smoothing": 1.0}, "label_smoothing: expected a finite number above -1 to below 1, got 1.0"),
        ({"augmentation": "none"}, "augmentation: expected one of full, mild, flip, got 'none'"),
        ({"warm_up": 1.0}, "warm_up: expected a finite number from 0 to below 1, got 1"),
        ({"accumulate": 4}, "accumulate: expected a divisor of the batch size 6, got 4"),
        ({"accumulate": 0}, "accumulate: expected a whole number from 1 up, got 0"),
        ({"images_per_identity": -1}, "images_per_identity: expected a whole number from 0 up, got -1"),
        ({"head": "cosface"}, "margin: expected it with arcface and its variants only, got it with cosface"),
        ({"head": "none", "margin": 0.4}, "head: expected one of"),
        ({"aux_losses": ("none",)}, "auxiliary loss: expected one of"),
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


def test_a_loss_of_pairs_needs_identities_with_two_images(tmp_path):
    data = write_people(tmp_path / "data", ["Ann", "Bob", "Cat"], 1)
    options = replace(SHORT, batch_size=2, held_out=0, aux_losses=("triplet",), images_per_identity=2)
    with pytest.raises(
        InputError, match="auxiliary loss triplet: expected an identity with two training images"
    ):
        run(data, tmp_path / "run", options)
    assert not (tmp_path / "run").exists()


def test_a_loss_of_pairs_needs_batches_with_pairs(people, tmp_path):
    with pytest.raises(
        InputError, match=r"auxiliary loss contrastive: .* got --images-per-identity 0; use 2 or more"
    ):
        run(people, tmp_path / "run", replace(SHORT, aux_losses=("contrastive",)))
