"""The demonstration: both modes, three people, three sentences that agree with the results."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from arcinvert import Attacker, InputError, batches
from arcinvert.cli import demo as command
from arcinvert.demo import PERSON, PHOTOGRAPH, PICTURE_NAME, Demo, run_demo
from arcinvert.evaluation.judges import Judge
from arcinvert.evaluation.scores import Verdict
from recognition.images import read_image
from recognition.recogniser import Recogniser
from tests.arcinvert.cli.commands import assert_one_line, run
from tests.arcinvert.support import read_result
from tests.conftest import TINY_NAMES


@pytest.fixture(scope="module")
def made(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Demo, Path]:
    out = tmp_path_factory.mktemp("demo") / "out"
    return run_demo(Attacker(tiny_model, device="cpu"), out, steps=1), out


def test_two_classes_and_a_photograph_are_reconstructed(made: tuple[Demo, Path]) -> None:
    demo, out = made
    assert sorted(path.name for path in out.iterdir()) == ["closed-set", PICTURE_NAME, "open-set"]
    closed, opened = read_result(out / "closed-set"), read_result(out / "open-set")
    assert [sample["input"] for sample in closed["samples"]] == list(TINY_NAMES[:2])
    assert [sample["input"] for sample in opened["samples"]] == [PHOTOGRAPH]
    assert np.array_equal(read_image(out / PICTURE_NAME), demo.picture)


def test_the_sentences_agree_with_the_results(made: tuple[Demo, Path]) -> None:
    demo, out = made
    first, second, third = demo.sentences
    assert "2 from what the network tiny keeps" in first
    assert "the 32 numbers (the template)" in first
    # The photographs of the tiny network's classes are nowhere: only the third person is judged.
    (sample,) = read_result(out / "open-set")["samples"]
    accepted = int(sample["judge"]["accepted"]["0.001"])
    assert f"accepts {accepted} of 1 as the person, at a threshold that 1 in 1,000 pairs" in second
    assert "of the mean face, which shows nobody, it accepts 0 of 1" in second
    assert all(sentence.count(".") == 1 and sentence.endswith(".") for sentence in (first, second, third))


def test_the_people_whom_the_network_knows_best_are_shown(tiny_model: Path, tmp_path: Path) -> None:
    attacker = Attacker(tiny_model, device="cpu")
    attacker.recogniser.class_photographs = (1, 5, 2, 9, 4)
    demo = run_demo(attacker, tmp_path / "out", steps=1)
    assert [(one["class_id"], one["class_photographs"]) for one in demo.runs[0].samples] == [(3, 9), (1, 5)]


def test_the_photograph_is_the_astronauts_face(astronaut_crop: NDArray[np.uint8]) -> None:
    assert np.array_equal(read_image(str(files("arcinvert").joinpath("data", PHOTOGRAPH))), astronaut_crop)


def test_the_command_prints_sentences_and_people(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load = command.load_attacker

    def quick(given: object) -> Attacker:
        attacker = load(given)  # type: ignore[arg-type]
        plan = attacker.resolved
        monkeypatch.setattr(
            attacker, "resolved", lambda options, target: plan(type(options)(steps=1), target)
        )
        return attacker

    monkeypatch.setattr(command, "load_attacker", quick)
    out = tmp_path / "shown"
    assert run("demo", "--model", tiny_model, "--out", out) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[3] == ""
    assert [line.split(":")[0] for line in lines[4:7]] == [*TINY_NAMES[:2], PERSON]
    assert lines[7] == f"Wrote {out}/{PICTURE_NAME}"
    assert (out / PICTURE_NAME).is_file()


@pytest.mark.parametrize(("accepted", "words"), [(True, "therefore gets faces"), (False, "not recognised")])
def test_the_third_sentence_follows_the_verdicts(
    accepted: bool, words: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def judged(judge: Judge, images: Sequence[object], *others: object) -> list[Verdict]:
        rates = {"0.01": accepted, "0.001": accepted}
        return [Verdict(None, 0.6, rates, None, 0.1, None, True) for _ in images]

    monkeypatch.setattr(batches, "judge_images", judged)
    demo = run_demo(Attacker(tiny_model, device="cpu"), tmp_path / "out", steps=1)
    assert f"accepts {3 if accepted else 0} of 3" in demo.sentences[1]
    assert words in demo.sentences[2]


def test_a_network_without_centres_is_refused(tiny: Recogniser, tmp_path: Path) -> None:
    bare = Recogniser(tiny.backbone, name="bare").freeze()
    with pytest.raises(InputError, match="expected a network with class centres, got a backbone alone"):
        run_demo(Attacker(bare, device="cpu"), tmp_path / "out", steps=1)
    assert not (tmp_path / "out").exists()


def test_an_unwritable_folder_is_one_line(
    tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("taken")
    assert run("demo", "--model", tiny_model, "--out", tmp_path / "file") == 2
    assert_one_line(capsys.readouterr().err)
