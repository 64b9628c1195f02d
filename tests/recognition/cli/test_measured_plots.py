"""Plots that measure a network, on made-up people: their figures, their files and what they refuse."""

import json
import shutil

import pytest
import torch
from torch.nn.functional import normalize

from recognition.checkpoint import load_recogniser, save_recogniser
from recognition.data.verification_sets import write_verification_set
from recognition.plots.toy import load_digits
from recognition.recogniser import Recogniser
from recognition.terminal import LEFT_OUT
from tests.recognition.cli.helpers import run
from tests.recognition.conftest import write_people


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """Aligned folders of 24 people with three images each."""
    names = [f"Person_{index:02}" for index in range(24)]
    return write_people(tmp_path_factory.mktemp("crowd"), names, 3, seed=3)


def test_the_angles_of_people_and_of_a_verification_set(crowd, tiny_model, tmp_path, capsys):
    images = [path.read_bytes() for path in sorted(crowd.glob("*/*_000[12].png"))]
    pairs = [(images[2 * n], images[2 * n + 1], True) for n in range(24)]
    pairs += [(images[2 * n], images[(2 * n + 2) % 48], False) for n in range(24)]
    write_verification_set(tmp_path / "small.bin", pairs)
    out = tmp_path / "pairs"
    data = (crowd, tmp_path / "small.bin")
    code, printed, err = run(capsys, "plots", "pairs", *data, "--model", tiny_model, "--out", out)
    assert code == 0, err
    people, listed = (json.loads(line) for line in printed.splitlines()[:2])
    # Three pairs of each person, and each image with all of the 23 others' three.
    assert (people["mated"], people["nonmated"], people["people"]) == (72, 72 * 69 // 2, 24)
    assert (listed["data"], listed["mated"], listed["nonmated"]) == ("small", 24, 24)
    assert 0 <= people["overlap"] < 1
    assert (tmp_path / "pairs.png").stat().st_size > 5000
    assert "overlap" in (tmp_path / "pairs.svg").read_text()


def test_mistakes_have_names_and_similarities(crowd, tiny_model, tmp_path, capsys):
    arguments = ("--model", tiny_model, "--threshold", "0.2", "--most", "2", "--out", tmp_path / "mistakes")
    code, printed, err = run(capsys, "plots", "mistakes", crowd, *arguments)
    assert code == 0, err
    matches = [line for line in printed.splitlines() if line.startswith("false match")]
    # An untrained network takes everybody for one person.
    assert len(matches) == 2
    svg = (tmp_path / "mistakes.svg").read_text()
    assert "Person 0" in svg
    assert "One person, not recognised: no false reject" in svg
    code, _, err = run(capsys, "plots", "mistakes", crowd, "--model", tiny_model, "--threshold", "2")
    assert code == 2
    assert "threshold: expected a similarity from -1 to 1, got 2" in err


def test_a_confusion_matrix_of_both_kinds(crowd, tiny_model, tmp_path, capsys):
    some = tmp_path / "some"
    shutil.copytree(crowd, some)
    # Four people with one image are the strangers.
    for number in range(4):
        for image in (2, 3):
            (some / f"Person_{number:02}" / f"Person_{number:02}_000{image}.png").unlink()
    broken = some / "Person_05/Person_05_0003.png"
    broken.write_bytes(broken.read_bytes()[:200])
    code, printed, err = run(
        capsys,
        *("plots", "confusion", some, "--model", tiny_model, "--fmr", "0.1", "--fpir", "0.75"),
        *("--shown", "3", "--strict", "--out", tmp_path / "confusion"),
    )
    assert code == LEFT_OUT, err
    assert str(broken) in err
    found = json.loads(printed.splitlines()[0])
    assert (found["gallery"], found["probes"], found["nonmated_probes"]) == (20, 39, 4)
    assert sum(found["mated"].values()) == 19 * 3 + 1
    assert found["fmr"][0] <= 0.1
    assert found["right"][0] + found["wrong"][0] <= 1


def test_pooling_prints_a_row_for_each_size(crowd, tiny_model, tmp_path, capsys):
    arguments = ("--model", tiny_model, "--fmr", "0.1", "--photographs", "1", "2", "7")
    code, printed, err = run(capsys, "plots", "pooling", crowd, *arguments, "--out", tmp_path / "pooling")
    assert code == 0, err
    rows = [json.loads(line) for line in printed.splitlines()[:2]]
    assert [(row["photographs"], row["people"], row["probes"]) for row in rows] == [(1, 24, 48), (2, 24, 24)]
    assert rows[0]["gain"][0] == 0


def test_angles_of_subclasses_of_several_centres_and_of_one(people, tiny_model, tmp_path, capsys):
    tiny = load_recogniser(tiny_model)
    names = tuple(sorted(path.name for path in people.iterdir()))[:4]
    subcentres = normalize(torch.randn(4, 2, 32, generator=torch.Generator().manual_seed(0)), dim=2)
    for name, extra in (("k2", {"subcentres": subcentres}), ("k1", {})):
        model = tmp_path / f"{name}.safetensors"
        recogniser = Recogniser(
            tiny.backbone, name=name, centres=subcentres[:, 0], class_names=names, source=tiny.source
        )
        save_recogniser(model, recogniser, extra=extra)
        arguments = ("--model", model, "--device", "cpu", "--out", tmp_path / name)
        code, printed, err = run(capsys, "plots", "subcentres", people, *arguments)
        assert code == 0, err
        found = json.loads(printed.splitlines()[0])
        groups = {key: value["images"] for key, value in found.items() if key.startswith("nearest")}
        assert sum(groups.values()) == found["images"] == 8
        if name == "k1":
            assert groups == {"nearest to the dominant centre": 8}


def test_ten_digits_need_no_faces(tmp_path, capsys, monkeypatch):
    pytest.importorskip("sklearn")
    features, labels, names = load_digits()
    monkeypatch.setattr("recognition.plots.toy.load_digits", lambda: (features[:20], labels[:20], names))
    arguments = ("--losses", "softmax + centre:weight=0.1", "--out", tmp_path / "digits")
    code, _, err = run(capsys, "plots", "digits", *arguments)
    assert code == 0, err
    assert "softmax + centre" in (tmp_path / "digits.svg").read_text()
