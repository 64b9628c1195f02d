import json

from tests.recognition.cli.helpers import TRAINING, run


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
    splits = [json.loads((tmp_path / name / "split.json").read_text()) for name in ("k2", "k1")]
    assert splits[0]["held_out"] == splits[1]["held_out"]
    assert splits[1]["train_images"] == 12
