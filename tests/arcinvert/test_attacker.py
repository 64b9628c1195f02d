"""The loaded attacker: what it takes, and that it can be used many times."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import arcinvert
from arcinvert import Attacker, InputError, Run
from recognition.backbones import build_backbone
from recognition.images import read_image, write_png
from recognition.loading import ModelChoice, load
from recognition.recogniser import Preprocessing, Recogniser
from tests.arcinvert.support import STEPS, leave_out_judge


@pytest.fixture
def _unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_judge(monkeypatch)


@pytest.fixture(scope="module")
def attacker(tiny_model: Path) -> Attacker:
    return Attacker(tiny_model, device="cpu")


def alike(first: Run, second: Run) -> bool:
    """Return whether two runs have the same images."""
    return len(first.images) == len(second.images) and all(
        np.array_equal(*pair) for pair in zip(first.images, second.images, strict=True)
    )


@pytest.mark.usefixtures("_unjudged")
def test_many_attacks_are_those_of_the_one_shot_functions(
    attacker: Attacker, tiny_model: Path, photograph: Path
) -> None:
    template = np.random.default_rng(0).normal(size=32)
    crop = np.random.default_rng(1).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    calls: list[tuple[str, Any, dict[str, Any]]] = [
        ("generate", 1, {"steps": 2, "samples": 2}),
        ("from_embedding", template, {"steps": 3, "seed": 4}),
        ("generate", 1, {"steps": 2, "recipe": "paper"}),
        ("from_image", photograph, {"steps": 2}),
        ("from_crops", crop, {"steps": 2}),
        ("from_embedding", template, {"steps": 3, "initialisation": "noise"}),
        ("generate", 1, {"steps": 2, "samples": 2}),
    ]
    many = [getattr(attacker, name)(given, **options) for name, given, options in calls]
    for (name, given, options), run in zip(calls, many, strict=True):
        alone = getattr(arcinvert, name)(given, model=tiny_model, device="cpu", **options)
        assert alike(run, alone)
        assert run.result["command"] == alone.result["command"] == name.replace("_", "-")
        assert run.result["plan"] == alone.result["plan"]


@pytest.mark.usefixtures("_unjudged")
def test_an_attack_leaves_the_network_as_it_was(tiny_model: Path) -> None:
    recogniser = load(tiny_model)
    before = {name: value.clone() for name, value in recogniser.state_dict().items()}
    kinds = [type(module) for module in recogniser.modules()]
    images = torch.rand(2, 3, 112, 112)
    embeddings = recogniser(images)
    Attacker(recogniser, device="cpu").generate(0, steps=2)
    assert [type(module) for module in recogniser.modules()] == kinds
    assert torch.equal(recogniser(images), embeddings)
    after = recogniser.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(value, before[name]) for name, value in after.items())


@pytest.mark.usefixtures("_unjudged")
@pytest.mark.parametrize(
    "wanted",
    [
        3,
        np.int64(3),
        np.uint8(3),
        [3],
        (np.int32(3),),
        range(3, 4),
        np.array([3]),
        np.array(3),
        torch.tensor([3]),
        torch.tensor(3),
    ],
    ids=repr,
)
def test_class_ids_of_every_kind(attacker: Attacker, wanted: Any) -> None:
    run = attacker.generate(wanted, steps=1)
    assert [sample["class_id"] for sample in run.samples] == [3]
    assert run.result["inputs"]["classes"] == [3]


@pytest.mark.usefixtures("_unjudged")
def test_classes_by_name(attacker: Attacker) -> None:
    run = attacker.generate(class_name="Cat Charlie", class_id=0, steps=1)
    assert [(sample["class_id"], sample["input"]) for sample in run.samples] == [
        (0, "Ann Able"),
        (2, "Cat Charlie"),
    ]
    both = attacker.generate(class_name=("Bob Baker", "Dan Dog"), steps=1)
    assert [sample["class_id"] for sample in both.samples] == [1, 3]


@pytest.mark.usefixtures("_unjudged")
def test_templates_of_every_kind(attacker: Attacker, tmp_path: Path) -> None:
    template = np.random.default_rng(0).normal(size=32).astype(np.float32)
    np.save(tmp_path / "template.npy", template)
    kinds: list[Any] = [
        template,
        template[None],
        template.astype(np.float64) * 7,
        torch.from_numpy(template),
        torch.from_numpy(template).requires_grad_(),
    ]
    runs = [attacker.from_embedding(given, steps=2, parametrisation="pixels") for given in kinds]
    assert all(alike(runs[0], run) for run in runs[1:])
    assert runs[0].result["inputs"] == {"templates": "in memory"}
    for path in (tmp_path / "template.npy", str(tmp_path / "template.npy")):
        run = attacker.from_embedding(path, steps=2)
        assert run.result["inputs"] == {"templates": "template.npy"}
    several = attacker.from_embedding(torch.randn(3, 32), steps=1)
    assert several.summary["identities"] == 3


@pytest.mark.usefixtures("_unjudged")
def test_photographs_of_every_kind(attacker: Attacker, photograph: Path) -> None:
    pixels = read_image(photograph)
    by_path = attacker.from_image(photograph, steps=2)
    assert by_path.result["inputs"]["photographs"] == [photograph.name]
    assert alike(by_path, attacker.from_image(str(photograph), steps=2))
    picture = Image.fromarray(pixels)
    # Sideways, with the tag that says so, as cameras write it.
    turned = picture.transpose(Image.Transpose.ROTATE_90)
    turned.getexif()[0x0112] = 6
    in_memory = [
        attacker.from_image(given, steps=2)
        for given in (pixels, picture, picture.convert("RGBA"), torch.from_numpy(pixels.copy()), turned)
    ]
    assert all(alike(in_memory[0], run) for run in in_memory[1:])
    assert in_memory[0].samples[0]["input"] == "image 1"
    together = attacker.from_image([photograph, picture, pixels], steps=1)
    names = [sample["image"] for sample in together.samples]
    assert names == ["first_sample0.png", "image_2_sample0.png", "image_3_sample0.png"]


@pytest.mark.usefixtures("_unjudged")
def test_crops_of_every_kind(attacker: Attacker, astronaut_crop: np.ndarray, tmp_path: Path) -> None:
    write_png(tmp_path / "crop.png", astronaut_crop)
    run = attacker.from_crops(astronaut_crop, steps=2)
    assert run.result["inputs"] == {"crops": ["image 1"]}
    for given in (Image.fromarray(astronaut_crop), torch.from_numpy(astronaut_crop.copy()), [astronaut_crop]):
        assert alike(run, attacker.from_crops(given, steps=2))
    stacked = attacker.from_crops(np.stack([astronaut_crop, astronaut_crop[:, ::-1]]), steps=1)
    assert stacked.summary["identities"] == 2
    for path in (tmp_path / "crop.png", str(tmp_path / "crop.png"), [tmp_path / "crop.png"] * 2):
        written = attacker.from_crops(path, steps=1)
        assert [sample["image"] for sample in written.samples] == ["crop_sample0.png"]


@pytest.mark.usefixtures("_unjudged")
def test_networks_of_every_kind(tiny_model: Path) -> None:
    loaded = load(tiny_model)
    runs = [
        Attacker(model, device="cpu").generate(0, steps=2)
        for model in (tiny_model, str(tiny_model), ModelChoice(tiny_model), loaded)
    ]
    assert all(alike(runs[0], run) for run in runs[1:])
    assert {run.result["attacked"]["sha256"] for run in runs} == {loaded.source.sha256}


class Embedder(nn.Module):
    """A network of another project: BatchNorm, and no idea of this one."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 5, 4), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten()
        )

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.body(images)


@pytest.mark.usefixtures("_unjudged")
@pytest.mark.parametrize("make", [Embedder, lambda: build_backbone("iresnet18", width=1 / 16)])
def test_any_torch_module_with_its_preprocessing(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(0)
    module = make()
    preprocessing = Preprocessing(mean=0.5, std=0.25, channels="BGR", input_size=112)
    attacker = Attacker(module, preprocessing=preprocessing, device="cpu", precision="float32")
    size = attacker.recogniser.embedding_size
    template = torch.randn(size)
    run = attacker.from_embedding(template, steps=3, penalty={"bn": 1.0})
    assert run.result["attacked"]["name"] == type(module).__name__
    assert run.result["attacked"]["preprocessing"]["channels"] == "BGR"
    assert "bn" in run.result["plan"]["penalties"]
    # Its own mean face is not known: the bundled network's stands in, and the result says so.
    assert "bundled" in run.result["attacker_knowledge"]["mean_face"]
    # The figure is that of the module itself, fed as it wants to be.
    pixels = torch.from_numpy(run.images[0].copy()).movedim(-1, 0)[None] / 255
    with torch.no_grad():
        embedding = module.eval()((pixels.flip(1) - 0.5) / 0.25)
    cosine = float(torch.cosine_similarity(embedding, template[None]))
    assert run.samples[0]["attacked_similarity"] == pytest.approx(cosine, abs=0.02)
    with pytest.raises(InputError, match="class centres"):
        attacker.generate(0)


def test_preprocessing_is_for_torch_modules(tiny_model: Path) -> None:
    with pytest.raises(InputError, match=r"^preprocessing: expected it with a torch module, got none; say"):
        Attacker(Embedder(), device="cpu")
    with pytest.raises(InputError, match=r"^preprocessing: expected it with a torch module only"):
        Attacker(tiny_model, preprocessing=Preprocessing(), device="cpu")


@pytest.mark.usefixtures("_unjudged")
def test_a_backbone_without_centres(tiny: Recogniser, tmp_path: Path) -> None:
    torch.save(tiny.backbone.state_dict(), tmp_path / "backbone.pt")
    attacker = Attacker(tmp_path / "backbone.pt", device="cpu")
    with pytest.raises(InputError, match="class centres"):
        attacker.generate(0)
    run = attacker.from_embedding(np.ones(32), steps=1)
    assert run.result["attacked"]["classes"] is None
    assert "bundled" in run.result["attacker_knowledge"]["mean_face"]


@pytest.mark.usefixtures("_unjudged")
def test_a_network_without_statistics_is_attacked_without_the_penalty() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 5, 16), nn.Flatten())
    attacker = Attacker(module, preprocessing=Preprocessing(), device="cpu")
    template = torch.randn(attacker.recogniser.embedding_size)
    assert attacker.from_embedding(template, steps=1).result["notes"] == []
    run = attacker.from_embedding(template, steps=1, parametrisation="pixels")
    assert "bn" not in run.result["plan"]["penalties"]
    (note,) = run.result["notes"]
    assert note.startswith("Sequential is attacked without the penalty bn: ")
    with pytest.raises(InputError, match=r"^penalty bn: "):
        attacker.from_embedding(template, steps=1, penalty={"bn": 1.0})


@pytest.mark.usefixtures("_unjudged")
def test_options_may_be_numbers_of_numpy(attacker: Attacker) -> None:
    plain = attacker.generate(0, steps=STEPS, seed=2, learning_rate=0.5, flip=False)
    other = attacker.generate(
        0, steps=np.int16(STEPS), seed=np.uint64(2), learning_rate=np.float64(0.5), flip=np.bool_(False)
    )
    assert alike(plain, other)
    assert plain.result["options"] == other.result["options"]
