"""Classes in the order of their training photographs, in training and in files of earlier versions."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from recognition.backbones import build_backbone
from recognition.checkpoint import load_notes, load_recogniser, save_recogniser
from recognition.class_order import order_classes
from recognition.data.folders import by_photographs
from recognition.errors import InputError
from recognition.recogniser import Recogniser
from recognition.source import Source
from recognition.training.options import TrainingOptions
from recognition.training.trainer import Trainer
from tests.recognition.conftest import write_people
from tests.recognition.test_checkpoint import rewrite

ARCHITECTURE = {"network": "iresnet18", "width": 1 / 32, "embedding_size": 8}
#: Bob and Dan have equally many photographs and stay in the order of their names.
PHOTOGRAPHS = {"Ann": 1, "Bob": 3, "Cat": 7, "Dan": 3}
ORDERED = ("Cat", "Bob", "Dan", "Ann")


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """A network whose classes are in the order of their names, with sub-centres."""
    torch.manual_seed(0)
    recogniser = Recogniser(
        build_backbone("iresnet18", width=1 / 32, embedding_size=8).eval(),
        name="by name",
        centres=torch.randn(4, 8),
        class_names=tuple(PHOTOGRAPHS),
        source=Source(architecture=ARCHITECTURE),
    )
    path = tmp_path / "network.safetensors"
    # As many rows in another tensor as there are classes: it is not one of them.
    extra = {"subcentres": torch.randn(4, 2, 8), "mean_face": torch.rand(4, 3)}
    save_recogniser(path, recogniser, extra=extra, notes={"epochs": 3})
    return path


def test_most_photographs_come_first():
    assert tuple(by_photographs(PHOTOGRAPHS)) == ORDERED


def test_each_class_keeps_its_centre(network, tmp_path):
    out = tmp_path / "ordered.safetensors"
    order = order_classes(network, out, PHOTOGRAPHS | {"Eve": 9})
    assert order == [2, 1, 3, 0]
    before, after = load_file(network), load_file(out)
    old, new = load_recogniser(network), load_recogniser(out)
    assert old.class_photographs is None
    assert (new.class_names, new.class_photographs) == (ORDERED, (7, 3, 3, 1))
    for key, value in before.items():
        moved = key in ("centres", "extra.subcentres")
        assert torch.equal(after[key], torch.stack([value[row] for row in order]) if moved else value), key
    for name in PHOTOGRAPHS:
        assert torch.equal(new.centres[new.class_names.index(name)], old.centres[old.class_names.index(name)])
    assert load_notes(out) == {"epochs": 3}


def test_a_class_without_photographs_is_refused(network, tmp_path):
    out = tmp_path / "ordered.safetensors"
    with pytest.raises(InputError, match=r"none of 1, such as Cat"):
        order_classes(network, out, {name: 1 for name in PHOTOGRAPHS if name != "Cat"})
    assert not out.exists()


@pytest.mark.parametrize("numbers", ["[1, 2]", "[1, 2, 3, -1]", '["1", 2, 3, 4]', "7", "[1, 2, 3, true]"])
def test_damaged_numbers_are_refused(network, tmp_path, numbers):
    path = rewrite(network, tmp_path / "damaged.safetensors", class_photographs=numbers)
    with pytest.raises(InputError, match="damaged network file"):
        load_recogniser(path)


def test_training_orders_its_classes(tmp_path):
    data = tmp_path / "people"
    for name, images in PHOTOGRAPHS.items():
        write_people(data, [name], images)
    options = TrainingOptions(
        width=1 / 32, embedding_size=8, held_out=0, batch_size=4, start_size=32, image_size=32
    )
    trainer = Trainer(data, options, device="cpu", precision="float32")
    recogniser = trainer.recogniser()
    assert recogniser.class_names == ORDERED
    assert recogniser.class_photographs == (7, 3, 3, 1)
    labels = {path.parent.name: label for path, label in trainer.data.dataset.samples}
    assert labels == {name: label for label, name in enumerate(ORDERED)}
