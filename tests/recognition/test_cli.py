import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from recognition.checkpoint import load_recogniser, save_recogniser, sha256
from recognition.cli import main as cli
from recognition.data.folders import read_folders
from recognition.detection.tracking import TrackingResult
from recognition.images import read_image
from tests.recognition.conftest import write_people

#: One short epoch on the made-up people.
TRAINING = [
    *("--width", "0.125", "--embedding-size", "8", "--epochs", "1"),
    *("--batch-size", "8", "--held-out", "2", "--device", "cpu"),
]


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    """Exit code, standard output and the lines of standard error without progress bars."""
    with pytest.raises(SystemExit) as left:
        cli.main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    lines = [line.split("\r")[-1] for line in printed.err.splitlines()]
    kept = [line for line in lines if line.strip() and "|" not in line]
    return left.value.code, printed.out, "\n".join(kept)


@pytest.fixture(autouse=True)
def usual_allocator(monkeypatch):
    """`train` changes the whole process's; the tests' stays as it is."""
    monkeypatch.setattr("recognition.runtime.keep_freed_memory", lambda: None)


@pytest.fixture(scope="module")
def crowd(tmp_path_factory) -> Path:
    """Enough people for a false match rate of 0.01: 46 with two images each."""
    names = [f"Person_{index:02}" for index in range(46)]
    return write_people(tmp_path_factory.mktemp("crowd"), names, 2, seed=5)


@pytest.fixture(scope="module")
def tiny_with_split(tiny_model, crowd, tmp_path_factory) -> Path:
    """The tiny network, as if it had been trained on all of the crowd but five people."""
    path = tmp_path_factory.mktemp("split") / "tiny.safetensors"
    held_out = sorted(read_folders(crowd))[:5]
    save_recogniser(path, load_recogniser(tiny_model), notes={"split": {"held_out": held_out}})
    return path


def test_evaluate_prints_one_json_object(tiny_model, crowd, capsys):
    code, out, err = run(capsys, "evaluate", crowd, "--model", tiny_model, "--device", "cpu")
    assert code == 0, err
    figures = json.loads(out)
    assert len(out.splitlines()) == 1
    assert figures["identities"] == 46
    assert (figures["mated"], figures["nonmated"]) == (46, 92 * 91 // 2 - 46)
    assert 0 <= figures["accuracy"] <= 1
    # A random network still sees that a pattern with noise is the same pattern.
    assert figures["accuracy"] > 0.7


def test_evaluate_uses_the_held_out_people_unless_told_otherwise(tiny_with_split, crowd, capsys):
    code, out, err = run(capsys, "evaluate", crowd, "--model", tiny_with_split, "--device", "cpu")
    assert (code, out) == (2, "")
    assert "expected at least 10 identities with two images, got 5" in err
    code, out, err = run(capsys, "evaluate", crowd, "--model", tiny_with_split, "--device", "cpu", "--all")
    assert code == 0, err
    assert json.loads(out)["identities"] == 46


def test_evaluate_without_the_held_out_people_is_refused(tiny_with_split, people, tmp_path, capsys):
    others = write_people(tmp_path / "others", ["Somebody", "Somebody_Else"], 2)
    code, _, err = run(capsys, "evaluate", others, "--model", tiny_with_split, "--device", "cpu")
    assert code == 2
    assert "expected the held-out identities of the model, found none of them" in err


def test_evaluate_reads_a_pair_list(tiny_with_split, crowd, tmp_path, capsys):
    names = sorted(read_folders(crowd))
    lines = ["2\t23"]
    for half in (names[:23], names[23:]):
        lines += [f"{name}\t1\t2" for name in half]
        lines += [f"{name}\t1\t{other}\t2" for name, other in zip(half, half[1:] + half[:1], strict=True)]
    lines[1] = "Person_00\t1\t9"
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    arguments = ("evaluate", crowd, "--model", tiny_with_split, "--device", "cpu")
    code, out, err = run(capsys, *arguments, "--pairs", tmp_path / "pairs.txt")
    assert code == 0, err
    figures = json.loads(out[out.index("{") :])
    assert (figures["pairs"], figures["mated"], figures["identities"]) == (91, 45, 46)


def test_a_pair_list_without_mated_pairs_gives_no_figures(tiny_model, crowd, tmp_path, capsys):
    names = sorted(read_folders(crowd))
    lines = ["2 10"] + [
        f"{name} 1 {other} 2" for name, other in zip(names, names[1:] + names[:1], strict=True)
    ]
    (tmp_path / "pairs.txt").write_text("\n".join(lines))
    arguments = ("evaluate", crowd, "--model", tiny_model, "--device", "cpu")
    code, out, err = run(capsys, *arguments, "--pairs", tmp_path / "pairs.txt")
    assert (code, out) == (2, "")
    assert err.startswith("error: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["align", "{tmp}/none", "{tmp}/crops"], "expected a folder of one folder per identity"),
        (["train", "{tmp}/none", "--out", "{tmp}/run"], "expected a folder of one folder per identity"),
        (["train", "{people}", "--out", "{tmp}/run"], "held-out identities: expected 0 to 12 of 14, got 600"),
        (
            ["train", "{people}", "--out", "{tmp}/run", "--epochs", "0"],
            "epochs: expected a whole number from 1 up",
        ),
        (["train", "{people}", "--out", "{tmp}/run", "--network", "vgg"], "--network: invalid choice: 'vgg'"),
        (["evaluate", "{people}", "--model", "{tmp}/none.pt"], "found no such file"),
        (["evaluate", "{people}", "--model", "{people}/Person_00/Person_00_0001.png"], "got the ending"),
        (["evaluate", "{tmp}/none"], "expected a folder of one folder per identity"),
        (["evaluate", "{people}", "--model", "{tiny}", "--pairs", "{tiny}"], "expected a pair list"),
        (["evaluate", "{people}", "--model", "{tiny}"], "expected at least"),
    ],
)
def test_input_that_cannot_be_used_is_one_line_and_code_2(
    arguments, message, people, tiny_model, tmp_path, capsys
):
    filled = [argument.format(tmp=tmp_path, people=people, tiny=tiny_model) for argument in arguments]
    fitting = ["--held-out", "2", "--batch-size", "8"] if "--network" in arguments else []
    code, out, err = run(capsys, *filled, *fitting)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert message in err
    assert not (tmp_path / "run" / "model.safetensors").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["walk"],
        ["align"],
        ["align", "a"],
        ["train", "a"],
        ["train", "a", "--out", "b", "--epochs", "many"],
        ["evaluate", "a", "--device", "abacus"],
    ],
)
def test_arguments_that_make_no_command_are_one_line_and_code_2(arguments, capsys):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1


def test_an_absent_device_is_one_line_and_code_2(tiny_model, people, capsys, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    code, out, err = run(capsys, "evaluate", people, "--model", tiny_model, "--device", "cuda")
    assert (code, out) == (2, "")
    assert err.startswith("error: device: expected one that this machine has")


def test_the_module_runs_as_a_program():
    done = subprocess.run(
        [sys.executable, "-m", "recognition", "align", "nowhere", "crops"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: nowhere: expected a folder")
    assert "Traceback" not in done.stderr


def test_evaluate_alone_is_evaluate_verification(tiny_model, crowd, tmp_path, capsys):
    arguments = (crowd, "--model", tiny_model, "--device", "cpu", "--flip", "none")
    alone = run(capsys, "evaluate", *arguments)
    curve = ("--curve", tmp_path / "roc.json", "--fmr", 0.1, 0.01, "--intervals")
    named = run(capsys, "evaluate", "verification", *arguments, *curve)
    assert (alone[0], named[0]) == (0, 0), named
    first, second = json.loads(alone[1]), json.loads(named[1].splitlines()[0])
    assert first["accuracy"] == second["accuracy"]
    low, high = second["tar_interval_0.1"]
    assert low <= second["tar_at_fmr_0.1"] <= high
    code, out, err = run(capsys, "plots", "roc", tmp_path / "roc.json", "--out", tmp_path / "roc")
    assert code == 0, err
    assert out.splitlines() == [f"Wrote {tmp_path}/roc.png", f"Wrote {tmp_path}/roc.svg"]
    told = json.loads((tmp_path / "roc.json").read_text())
    assert [point["fmr"] for point in told["points"]] == [0.1, 0.01]


def test_evaluate_identification(tiny_model, crowd, tmp_path, capsys):
    arguments = ("evaluate", "identification", crowd, "--model", tiny_model, "--device", "cpu")
    code, out, err = run(capsys, *arguments, "--top", 5, "--curve", tmp_path / "cmc.json")
    assert code == 0, err
    figures = json.loads(out.splitlines()[0])
    assert (figures["gallery"], figures["mated_probes"], figures["nonmated_probes"]) == (46, 46, 0)
    assert figures["top_1"] > 0.5
    assert run(capsys, "plots", "cmc", tmp_path / "cmc.json", "--out", tmp_path / "cmc")[0] == 0
    assert (tmp_path / "cmc.svg").exists()


def test_evaluate_angles(tiny_model, crowd, people, tmp_path, capsys):
    code, out, err = run(capsys, "evaluate", "angles", crowd, "--model", tiny_model, "--device", "cpu")
    assert code == 0, err
    assert {"images", "intra", "inter"} == set(json.loads(out))
    training = (people, "--out", tmp_path / "run", "--precision", "float32", *TRAINING)
    assert run(capsys, "train", *training)[0] == 0
    model = tmp_path / "run/model.safetensors"
    code, out, err = run(capsys, "evaluate", "angles", people, "--model", model, "--all", "--device", "cpu")
    assert code == 0, err
    assert {"w_ec", "w_inter"} < set(json.loads(out))
    code, _, err = run(capsys, "plots", "angles", tmp_path / "run", "--out", tmp_path / "angles")
    assert code == 0, err
    assert (tmp_path / "angles.png").exists()


@pytest.fixture(scope="module")
def calibrated(tiny_model, tmp_path_factory) -> Path:
    point = {"threshold": 0.9, "fmr": 0.001, "realised_fmr": 0.001, "tar": 0.7, "mated": 40, "nonmated": 3120}
    point |= {"threshold_low": 0.88, "threshold_high": 0.91}
    path = tmp_path_factory.mktemp("calibration") / "tiny.json"
    path.write_text(json.dumps({"points": [point], "model": sha256(tiny_model)}))
    return path


def test_compare_prints_similarity_and_verdict(tiny_model, calibrated, people, tmp_path, capsys):
    network = ("--model", tiny_model, "--calibration", calibrated, "--out", tmp_path / "pair.png")
    crops = [people / f"Person_{name}/Person_{name}_0001.png" for name in ("00", "01")]
    code, out, err = run(capsys, "compare", crops[0], crops[0], *network)
    assert code == 0, err
    assert out.startswith(
        "similarity 1.000: same person at FMR 0.001 (threshold 0.900, true accept rate 0.700, "
    )
    assert read_image(tmp_path / "pair.png").shape == (128, 248, 3)
    code, _, err = run(capsys, "compare", crops[0], crops[1], *network, "--fmr", "0.5")
    assert code == 2
    assert "FMR: expected one that was calibrated (0.001), got 0.5" in err


def test_verdicts_of_a_network_without_calibration(tiny_model, people, tmp_path, capsys):
    crops = sorted(people.glob("*/*.png"))[:2]
    out_file = ("--out", tmp_path / "c.png")
    code, out, err = run(capsys, "compare", *crops, "--model", tiny_model, *out_file)
    assert code == 0, err
    assert ": no verdict, because no threshold of tiny is known; give --threshold" in out
    code, out, _ = run(capsys, "compare", *crops, "--model", tiny_model, "--threshold", "-1", *out_file)
    assert code == 0
    assert "same person at the given threshold -1.000, whose error rates are not known" in out
    code, out, _ = run(capsys, "identify", crops[0], "--gallery", people, "--model", tiny_model)
    assert code == 0
    assert "        - " in out
    assert "no verdict, because" in out


def test_identify_prints_a_ranked_list(tiny_model, calibrated, people, capsys):
    probe = people / "Person_03/Person_03_0002.png"
    network = ("--model", tiny_model, "--calibration", calibrated)
    code, out, err = run(capsys, "identify", probe, "--gallery", people, "--top", "3", *network)
    assert code == 0, err
    lines = out.splitlines()
    assert len(lines) == 5
    assert re.fullmatch(r" +1 +1\.000 +yes Person_03 \(Person_03_0002\.png\)", lines[1])
    assert lines[-1].startswith("28 photographs of 14 identities; accepted above 0.900, FMR 0.001")


def test_track_writes_a_film(tiny_model, tmp_path, capsys, monkeypatch):
    asked = []

    def fake(recogniser, video, out, **options):
        asked.append((video, out, options))
        return TrackingResult(5, 2, 7, False)

    monkeypatch.setattr("recognition.detection.tracking.track", fake)
    arguments = (
        "track",
        "film.mp4",
        "--out",
        "out",
        "--model",
        tiny_model,
        "--threshold",
        "0.5",
        "--every",
        2,
    )
    code, out, err = run(capsys, *arguments, "--every", "2")
    assert code == 0, err
    assert out.splitlines()[0] == "5 frames, 7 appearances of 2 identities at threshold 0.500"
    options = {"threshold": 0.5, "every": 2, "most_frames": None, "small": True, "detector": "hog"}
    assert asked == [("film.mp4", "out", options)]
    asked.clear()
    run(capsys, *arguments, "--no-small-faces", "--detector", "cnn")
    assert asked == [("film.mp4", "out", options | {"small": False, "detector": "cnn"})]
