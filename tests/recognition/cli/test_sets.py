"""The commands on sets with many faces in a file, and on the field's protocols."""

import json
from pathlib import Path

import pytest

from tests.recognition.cli.helpers import run


@pytest.fixture
def records(people, tmp_path, capsys) -> Path:
    """The synthetic people as a record set."""
    code, out, _ = run(capsys, "convert", people, tmp_path / "set", "--to", "records")
    assert (code, out) == (0, f"Wrote 28 faces to {tmp_path / 'set'}\n")
    return tmp_path / "set"


def test_records_are_evaluated_as_their_folders(people, records, tiny_model, capsys):
    printed = []
    for data in (people, records):
        code, out, err = run(
            capsys, "evaluate", "identification", data, "--model", tiny_model, "--all", "--device", "cpu"
        )
        assert (code, err) == (0, "")
        printed.append(json.loads(out))
    assert printed[0] == printed[1]


def test_a_damaged_record_is_left_out_and_named(records, tiny_model, capsys):
    path = records / "train.rec"
    content = bytearray(path.read_bytes())
    begin = int((records / "train.idx").read_text().splitlines()[3].split()[1])
    content[begin] ^= 255
    path.write_bytes(content)
    arguments = ("evaluate", "identification", records, "--model", tiny_model, "--all", "--device", "cpu")
    code, out, err = run(capsys, *arguments, "--strict")
    assert (code, json.loads(out)["mated_probes"]) == (3, 13)
    assert err == f"warning: 1 photographs were left out: {path}/3"
    arguments = ("convert", records, records.parent / "x", "--to", "folders", "--on-unreadable", "stop")
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"error: {path}, record 3: damaged (no record begins")


def test_a_verification_set_is_made_and_evaluated(people, tiny_model, tmp_path, capsys):
    lines = ["10\t1"]
    for fold in range(10):
        name, other = f"Person_{fold:02}", f"Person_{fold + 1:02}"
        lines += [f"{name}\t1\t2", f"{name}\t1\t{other}\t2"]
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    made = ("convert", people, tmp_path / "x.bin", "--to", "pairs")
    code, out, _ = run(capsys, *made, "--pairs", tmp_path / "pairs.txt")
    assert (code, out) == (0, f"Wrote 20 pairs to {tmp_path / 'x.bin'}; 0 pairs lack a photograph\n")
    arguments = ("evaluate", tmp_path / "x.bin", "--model", tiny_model, "--device", "cpu", "--fmr", "0.3")
    code, out, _ = run(capsys, *arguments, "--curve", tmp_path / "c.json")
    found = json.loads(out.splitlines()[0])
    assert code == 0
    assert (found["mated"], found["nonmated"], found["realised_fmr_0.3"]) == (10, 10, 0.3)
    assert found["tar_interval_0.3"][0] <= found["tar_at_fmr_0.3"] <= found["tar_interval_0.3"][1]
    code, _, _ = run(capsys, "plots", "roc", tmp_path / "c.json", "--out", tmp_path / "roc")
    assert code == 0
    for wrong, message in (
        ((*arguments, "--pairs", "p.txt"), "pairs: expected none with a verification set"),
        ((*arguments, "--all"), "all: expected none with a verification set"),
        (made, "pairs: expected --pairs FILE with --to pairs"),
        (("convert", people, tmp_path / "y", "--to", "shards", "--pairs", "p"), "and only with it"),
        (("evaluate", "angles", tmp_path / "x.bin", "--model", tiny_model), "got a verification set"),
    ):
        code, _, err = run(capsys, *wrong)
        assert code == 2
        assert message in err


def test_sets_are_merged_and_trained_on(people, records, tiny_model, tmp_path, capsys):
    options = ("--model", tiny_model, "--device", "cpu", "--out", tmp_path / "m.csv")
    arguments = ("merge", people, records, *options)
    code, out, _ = run(capsys, *arguments, "--similarity", "1", "--same-names")
    found = json.loads(out.splitlines()[0])
    assert code == 0
    assert (found[f"{people.stem}_kept"], found["set_kept"], found["duplicates"]) == (14, 0, 14)
    code, out, _ = run(
        capsys,
        *("train", tmp_path / "m.csv", "--dry-run", "--width", "0.125", "--embedding-size", "8"),
        *("--epochs", "1", "--batch-size", "4", "--held-out", "2", "--device", "cpu"),
    )
    assert code == 0
    assert "images/s" in out
    code, _, err = run(capsys, *arguments, "--similarity", "0")
    assert (code, err) == (2, "error: similarity: expected a cosine above 0 and at most 1, got 0.0")


def test_distractors_are_counted(people, records, tiny_model, capsys):
    code, out, _ = run(
        capsys,
        *("evaluate", "distractors", people, "--distractors", records, "--model", tiny_model),
        *("--device", "cpu", "--all", "--sizes", "1", "28"),
    )
    found = json.loads(out)
    assert code == 0
    assert (found["pairs"], found["people"], found["distractors"]) == (28, 14, 28)
    assert found["rank_1"]["28"] == 0, "the probes' own images are among the distractors"


def test_probes_are_not_their_own_distractors(people, tiny_model, capsys):
    code, _, err = run(
        capsys,
        *("evaluate", "distractors", people, "--distractors", people, "--model", tiny_model, "--all"),
    )
    assert (code, err) == (2, "error: distractors: expected other people than the probes, got the same path")


def test_crops_need_a_folder_with_a_name(people, capsys):
    code, _, err = run(capsys, "align", people, "")
    assert (code, err) == (2, "error: DST: expected the name of a folder, got nothing; '.' is this folder")
