"""The commands that are killed, with inputs so small that each takes a second or two."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import skimage.data
import torch
import torch.nn.functional as F
from PIL import Image

from recognition.backbones import build_backbone
from recognition.checkpoint import save_recogniser
from recognition.images import read_image, to_tensor, write_png
from recognition.loading import load
from recognition.recogniser import Recogniser
from recognition.source import Source
from tests.kills.killing import Scenario, of_recognition

_ARCHITECTURE: dict[str, Any] = {"network": "iresnet18", "width": 1 / 16, "embedding_size": 32}
#: People that have crops, and how many classes the attacked network has.
_PEOPLE, _CLASSES = 12, 8
#: A measured precision would take a second of each run, and could be another one in the next.
_CPU = ("--device", "cpu", "--precision", "float32")
#: One short epoch costs little; two have a resumed one.
_TRAINING = (
    *("--width", "0.125", "--embedding-size", "8", "--epochs", "2", "--batch-size", "8", "--held-out", "2"),
    *("--image-size", "32", *_CPU),
)


def scenario_of(name: str, folder: Path) -> Scenario:
    """Write what a command needs to a folder, and return the command."""
    return SCENARIOS[name](folder)


def _attack(folder: Path) -> tuple[str, ...]:
    model = _model(folder / "tiny.safetensors", 0)
    steps = ("--steps", "2", "--batch-size", "1", *_CPU, "--resume")
    return ("--model", model, "--no-calibrate", *steps)


def _generate(folder: Path) -> Scenario:
    classes = map(str, range(_CLASSES))
    return Scenario("generate", ("generate", "--class-id", *classes, *_attack(folder), "--out", "{out}"))


def _from_embedding(folder: Path) -> Scenario:
    np.save(folder / "templates.npy", np.random.default_rng(0).normal(size=(6, 32)))
    templates = str(folder / "templates.npy")
    return Scenario("from-embedding", ("from-embedding", templates, *_attack(folder), "--out", "{out}"))


def _synthesise(folder: Path) -> Scenario:
    model = _model(folder / "tiny.safetensors", 0)
    arguments = ("--identities", "8", "--per-identity", "2", "--batch-size", "2", "--steps", "1")
    apart = ("--angle", "30", "--known-angle", "30", *_CPU, "--no-calibrate")
    return Scenario("synthesise", ("synthesise", "--model", model, *arguments, *apart, "--out", "{out}"))


def _audit(folder: Path) -> Scenario:
    return Scenario(
        "audit",
        (
            *("audit", "--images", _people(folder), "--model", _model(folder / "tiny.safetensors", 0)),
            *("--judges", _model(folder / "judge.safetensors", 1), "--people", "8", "--samples", "4"),
            *("--steps", "2", "--calibration-images", "12", "--fmr", "0.1", "--policy-fmr", "0.1"),
            *("--no-calibrate", *_CPU, "--out", "{out}"),
        ),
        key_file="out-key.json",
    )


#: Among eight of the people is the one whose photograph `changes` alters: a report of six would not show it.
_SMALL_AUDIT = (
    *("--people", "8", "--samples", "2", "--steps", "2", "--fmr", "0.1", "--policy-fmr", "0.1"),
    # What is kept on disk is of whole batches, whatever an image was chosen from.
    *("--attack", "restarts=1"),
    *("--calibration-images", "12", "--no-calibrate", *_CPU, "--out", "{out}"),
)


def folder_audit(folder: Path) -> Scenario:
    """Return an audit of photographs with every file that can be given: all are in the folder."""
    from tests.kills.killing import run

    people, model = _people(folder), _model(folder / "tiny.safetensors", 0)
    outside = _people(folder, "outside", first=_PEOPLE)
    work = folder / "work"
    work.mkdir()
    measured = ("calibrate", "--images", outside, "--model", model, "--device", "cpu", "--out", "{out}")
    code = run(Scenario("calibrate", measured, ending=".safetensors"), work)
    assert code == 0, (work / "log.txt").read_text()[-2000:]
    statistics = (work / "out.safetensors").rename(folder / "statistics.safetensors")
    networks = ("--model", model, "--judges", _model(folder / "judge.safetensors", 1))
    variant = f"variant={_model(folder / 'variant.safetensors', 2)}"
    return Scenario(
        "audit",
        (
            *("audit", "--images", people, "--calibration", outside, *networks, *_SMALL_AUDIT),
            *("--statistics", str(statistics), "--allow-overlap"),
            *("--variants", variant, "--defence-people", "2"),
        ),
        key_file="out-key.json",
    )


def database_audit(folder: Path) -> Scenario:
    """Return an audit of a database of templates with photographs to judge by."""
    people, model = _people(folder), _model(folder / "tiny.safetensors", 0)
    names = [path.name for path in sorted(Path(people).iterdir())][:8]
    # Templates of other photographs than the people's would be refused.
    crops = [read_image(Path(people) / name / "1.png") for name in names]
    with torch.no_grad():
        templates = load(model)(torch.stack([to_tensor(crop) for crop in crops]))
    np.save(folder / "templates.npy", templates.numpy())
    (folder / "ids.txt").write_text("\n".join(names) + "\n")
    database = ("--templates", str(folder / "templates.npy"), "--ids", str(folder / "ids.txt"))
    networks = ("--model", model, "--judges", _model(folder / "judge.safetensors", 1))
    return Scenario(
        "audit",
        ("audit", *database, "--photos", people, *networks, *_SMALL_AUDIT),
        key_file="out-key.json",
    )


def _calibrate(folder: Path) -> Scenario:
    model = _model(folder / "tiny.safetensors", 0)
    arguments = ("--images", _people(folder), "--model", model, "--device", "cpu", "--out", "{out}")
    return Scenario("calibrate", ("calibrate", *arguments), ending=".safetensors")


def _train(folder: Path) -> Scenario:
    return of_recognition(
        "train", "train", _people(folder), "--out", "{out}", "--save-every", "1", *_TRAINING
    )


def _align(folder: Path) -> Scenario:
    portrait = Image.fromarray(skimage.data.astronaut()[:300, 60:400])
    photographs = folder / "photographs"
    for number in range(6):
        (photographs / f"Person {number}").mkdir(parents=True)
        # Each is another photograph; only those of two thirds of the size have room beside the face.
        size = (220 + 8 * number, 194 + 7 * number)
        portrait.resize(size).save(photographs / f"Person {number}" / "1.png")
    write_png(photographs / "Person 0" / "nobody.png", np.full((100, 100, 3), 180, dtype=np.uint8))
    (photographs / "Person 1" / "text.png").write_text("no photograph")
    return of_recognition("align", "align", str(photographs), "{out}", "--workers", "1")


def _clean(folder: Path) -> Scenario:
    from tests.kills.killing import run

    people = _people(folder)
    head = ("--head", "subcentre:subcentres=2")
    trained = of_recognition("train", "train", people, "--out", "{out}", *_TRAINING, *head)
    work = folder / "subcentres"
    work.mkdir()
    assert run(trained, work) == 0, (work / "log.txt").read_text()[-2000:]
    arguments = ("--model", str(work / "out" / "model.safetensors"), "--max-angle", "1", "--device", "cpu")
    return of_recognition(
        "clean", "clean", people, *arguments, "--sheets", "2", "--out", "{out}", ending=".csv"
    )


def _people(folder: Path, name: str = "people", first: int = 0) -> str:
    """Write two crops of each person, smooth patterns that differ from person to person."""
    people = folder / name
    for number in range(first, first + _PEOPLE):
        coarse = np.random.default_rng(number).random((1, 3, 6, 6))
        smooth = F.interpolate(torch.from_numpy(coarse), 112, mode="bicubic").clamp(0, 1)
        crop = (smooth[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
        (people / f"Person {number:02d}").mkdir(parents=True)
        write_png(people / f"Person {number:02d}" / "1.png", crop)
        write_png(people / f"Person {number:02d}" / "2.png", (crop * 0.9).astype(np.uint8))
    return str(people)


def _model(path: Path, seed: int) -> str:
    torch.manual_seed(seed)
    options = dict(_ARCHITECTURE)
    backbone = build_backbone(options.pop("network"), **options)
    backbone.train()
    for _ in range(10):
        backbone(2 * torch.rand(8, 3, 112, 112) - 1)
    recogniser = Recogniser(
        backbone.eval(),
        name=path.stem,
        centres=F.normalize(torch.randn(_CLASSES, 32)),
        class_names=tuple(f"Class {number}" for number in range(_CLASSES)),
        scale=16.0,
        margin=0.3,
        source=Source(architecture=_ARCHITECTURE),
    )
    save_recogniser(path, recogniser, extra={"mean_face": torch.full((3, 112, 112), 0.5)})
    return str(path)


#: The commands by name; a new one is one line.
SCENARIOS: dict[str, Callable[[Path], Scenario]] = {
    "train": _train,
    "align": _align,
    "clean": _clean,
    "calibrate": _calibrate,
    "generate": _generate,
    "from-embedding": _from_embedding,
    "synthesise": _synthesise,
    "audit": _audit,
}
