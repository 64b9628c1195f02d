import json
import shutil

from recognition.checkpoint import load_recogniser
from recognition.terminal import LEFT_OUT
from tests.recognition.cli.helpers import TRAINING, run


def splits_of(folder):
    return json.loads((folder / "split.json").read_text())


def test_clean_writes_a_list_that_train_reads(people, tmp_path, capsys):
    small = ("--image-size", "32", "--precision", "float32", *TRAINING)
    head = ("--head", "subcentre:subcentres=2")
    assert run(capsys, "train", people, "--out", tmp_path / "k2", *small, *head)[0] == 0
    model = tmp_path / "k2/model.safetensors"
    code, out, err = run(
        capsys,
        *("clean", people, "--model", model, "--out", tmp_path / "cleaned.csv"),
        *("--max-angle", "0.1", "--sheets", "1", "--device", "cpu"),
    )
    assert code == 0, err
    assert out.splitlines()[0] == "Dropped 12 of 24 images, of 12 identities"
    assert len(list((tmp_path / "cleaned").glob("*.png"))) == 1
    code, _, err = run(capsys, "train", tmp_path / "cleaned.csv", "--out", tmp_path / "k1", *small)
    assert code == 0, err
    damaged = tmp_path / "damaged"
    shutil.copytree(people, damaged)
    name = load_recogniser(model).class_names[0]
    crop = damaged / name / f"{name}_0002.png"
    crop.write_bytes(crop.read_bytes()[:3000])
    arguments = ("clean", damaged, "--model", model, "--out", tmp_path / "some.csv", "--sheets", "0")
    code, out, err = run(capsys, *arguments, "--max-angle", "0.1", "--device", "cpu", "--strict")
    assert code == LEFT_OUT
    assert out.splitlines()[0] == "Dropped 11 of 23 images, of 11 identities"
    assert err.splitlines()[-1] == f"warning: 1 photographs were left out: {crop}"
    # The list keeps the image, so that the identity stays; training leaves it out again.
    (row,) = (line for line in (tmp_path / "some.csv").read_text().splitlines() if crop.name in line)
    assert row.endswith(f"{name},,,,yes")
    splits = [splits_of(tmp_path / name) for name in ("k2", "k1")]
    assert splits[0]["held_out"] == splits[1]["held_out"]
    assert splits[1]["train_images"] == 12
