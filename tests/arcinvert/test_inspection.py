"""What a network is in words, and the check of its preprocessing on made-up people."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from arcinvert.inspection import Inspection, as_json, describe, inspect
from arcinvert.knowledge.synthetic_faces import draw_people
from arcinvert.self_check import SelfCheck, self_check
from recognition.errors import InputError
from recognition.images import read_image, to_tensor
from recognition.loading import ModelChoice, load
from recognition.recogniser import Recogniser
from tests.arcinvert.colours import CODE, make_people


@pytest.fixture(scope="module")
def coloured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_people(tmp_path_factory.mktemp("coloured"))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many people as the check draws, so that what is better is so by more than chance."""
    return make_people(tmp_path_factory.mktemp("many"), 20)


@pytest.fixture(autouse=True)
def _work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_colours.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)


def test_a_wrong_channel_order_shows_and_the_right_one_is_suggested(many: Path) -> None:
    right = inspect("own_colours:make", images=many).check
    wrong = inspect(ModelChoice("own_colours:make", preset="channels=BGR"), images=many)
    assert right is not None
    assert wrong.check is not None
    assert wrong.check.separation < right.separation
    assert not wrong.check.understood
    assert wrong.check.suggestion is not None
    assert "BGR" not in wrong.check.suggestion
    assert "not understood: --preset" in describe(wrong)[-1]
    # What is suggested is what the check found to be the best.
    followed = inspect(ModelChoice("own_colours:make", preset=wrong.check.suggestion), images=many).check
    assert followed is not None
    assert followed.separation == pytest.approx(wrong.check.suggested_separation)
    assert followed.understood


def test_similarities_of_a_check_are_those_of_loops(coloured: Path, tmp_path: Path) -> None:
    recogniser = load("own_colours:make")
    before = recogniser.preprocessing
    check = self_check(recogniser, coloured)
    assert recogniser.preprocessing == before
    with torch.no_grad():
        embeddings = {
            path: recogniser(to_tensor(read_image(path))[None])[0].double().numpy()
            for path in sorted(coloured.glob("*/*.png"))
        }

    def cosine(one: int, first: int, other: int, second: int) -> float:
        return float(
            embeddings[coloured / f"p{one}" / f"{first}.png"]
            @ embeddings[coloured / f"p{other}" / f"{second}.png"]
        )

    mated = [cosine(person, 0, person, 1) for person in range(8)]
    nonmated = [cosine(one, 0, other, 1) for one in range(8) for other in range(8) if one != other]
    assert check.pairs == (8, 56)
    assert (check.mated, check.nonmated) == pytest.approx((np.mean(mated), np.mean(nonmated)))
    spread = np.sqrt((np.var(mated) + np.var(nonmated)) / 2)
    assert check.separation == pytest.approx((np.mean(mated) - np.mean(nonmated)) / spread)

    # Listed pairs, in files that are named as LFW's are.
    for person in range(8):
        (tmp_path / "lfw" / f"p{person}").mkdir(parents=True)
        for number in range(2):
            link = tmp_path / "lfw" / f"p{person}" / f"p{person}_{number + 1:04}.png"
            link.symlink_to(coloured / f"p{person}" / f"{number}.png")
    lines = ["2\t2"]
    for fold in range(2):
        lines += [f"p{person}\t1\t2" for person in (fold, fold + 2)]
        lines += [f"p{person}\t1\tp{person + 4}\t2" for person in (fold, fold + 2)]
    (tmp_path / "pairs.txt").write_text("\n".join(lines) + "\n")
    listed = self_check(recogniser, tmp_path / "lfw", pairs=tmp_path / "pairs.txt")
    assert listed.pairs == (4, 4)
    assert listed.mated == pytest.approx(np.mean(mated[:4]))
    assert listed.nonmated == pytest.approx(np.mean([cosine(one, 0, one + 4, 1) for one in range(4)]))


def test_too_few_people_are_refused(coloured: Path, tmp_path: Path) -> None:
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "p0").symlink_to(coloured / "p0")
    with pytest.raises(InputError, match="expected at least two people with two photographs"):
        inspect("own_colours:make", images=tmp_path / "few")


def test_what_is_concluded() -> None:
    def last(check: SelfCheck | None) -> str:
        return describe(Inspection({"file": "x"}, check))[-1]

    good = SelfCheck(0.7, 0.1, 4.0, (20, 380), None, 4.01)
    assert last(good) == "understood: no other channel order or scale separates people better"
    assert last(replace(good, separation=0.5)).startswith("not understood: no preset separates these people")
    better = replace(good, suggestion="facenet", suggested_separation=6.25)
    assert last(better) == (
        "not understood: --preset facenet separates people better (6.25 standard deviations); try it"
    )
    assert last(None).startswith("self-check: not made; give --images")
    described = as_json(Inspection({"file": "x"}, better))
    assert described["file"] == "x"
    assert described["self_check"]["suggestion"] == "facenet"
    assert described["self_check"]["understood"] is False
    assert as_json(Inspection({}, None)) == {"self_check": None}


@pytest.mark.parametrize(("assumed", "right"), [("BGR", False), ("RGB", True)])
def test_the_check_decides_between_a_files_readings(assumed: str, right: bool, many: Path) -> None:
    recogniser = load(ModelChoice("own_colours:make", preset=f"channels={assumed}"))
    other = "RGB" if assumed == "BGR" else "BGR"
    texts = (f"insightface,channels={assumed}", f"insightface,channels={other}")
    recogniser.source = replace(recogniser.source, readings=texts)
    check = self_check(recogniser, many)
    assert tuple(check.readings) == texts
    assert check.readings[texts[0]] == pytest.approx(check.separation)
    assert (check.readings[texts[0]] > check.readings[texts[1]]) is right
    assert (check.suggestion is None) is right
    lines = describe(Inspection({}, check))
    assert lines[-2].startswith(f"readings:   {texts[0]} {check.separation:.2f}, {texts[1]} ")
    assert lines[-1].startswith(f"understood: of the readings, {texts[0]}" if right else "not understood: ")


def test_without_images_synthetic_people_compare_the_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    recogniser = load("own_colours:make")
    recogniser.source = replace(recogniser.source, readings=("insightface", "adaface"))
    monkeypatch.setattr("arcinvert.inspection.load", lambda _: recogniser)
    inspection = inspect("own_colours:make")
    check = inspection.check
    assert check is not None
    assert check.synthetic
    assert check.pairs == (24, 24 * 23)
    # The pairs, from the faces themselves.
    faces = draw_people(24, 2, size=recogniser.input_size)
    with torch.no_grad():
        embeddings = recogniser(faces).double().numpy()
    cosines = embeddings @ embeddings.T
    mated = [cosines[2 * one, 2 * one + 1] for one in range(24)]
    nonmated = [cosines[2 * one, 2 * other + 1] for one in range(24) for other in range(24) if one != other]
    assert (check.mated, check.nonmated) == pytest.approx((np.mean(mated), np.mean(nonmated)))
    assert tuple(check.readings) == ("insightface", "adaface")
    lines = describe(inspection)
    assert lines[-3].startswith("self-check: on synthetic faces, mean similarity ")
    assert lines[-2].startswith("readings:   insightface ")


@pytest.mark.parametrize("seed", range(4))
def test_a_network_without_training_gets_no_advice(seed: int, many: Path) -> None:
    """Its readings differ by up to an eighth, and presets by more, on so few people."""
    torch.manual_seed(seed)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 7, 4), torch.nn.PReLU(), torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten()
    )
    recogniser = Recogniser(network, name="random").freeze()
    recogniser.source = replace(recogniser.source, readings=("insightface", "adaface"))
    for images in (None, many):
        assert self_check(recogniser, images).suggestion is None


def test_a_difference_within_chance_is_no_advice(
    coloured: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On eight people the right channel order separates better by less than its standard error."""
    recogniser = load(ModelChoice("own_colours:make", preset="channels=BGR"))
    check = self_check(recogniser, coloured)
    assert check.suggested_separation > 1.1 * check.separation
    assert check.suggestion is None
    # Where there are further people, they decide.
    (tmp_path / "more").mkdir()
    monkeypatch.setattr("arcinvert.self_check._PEOPLE", 8)
    check = self_check(recogniser, make_people(tmp_path / "more", 48))
    assert check.pairs == (8, 56)
    assert check.suggestion is not None


def test_what_synthetic_people_show() -> None:
    def last(assumed: float, other: float, suggestion: str | None = None) -> str:
        readings = {"insightface": assumed, "adaface": other}
        better = max(assumed, other)
        check = SelfCheck(0.7, 0.1, assumed, (24, 552), suggestion, better, readings, synthetic=True)
        return describe(Inspection({}, check))[-1]

    assert last(3.0, 3.2, "adaface").startswith(
        "ambiguous: --preset adaface separates synthetic people better (3.20"
    )
    assert last(3.2, 3.0).startswith("likely: of the readings, insightface, the assumed one, separates")
    # A twentieth decides, a hundredth does not.
    assert last(3.03, 3.0) == last(3.0, 3.03)
    assert last(3.0, 3.03) == "undecided: the readings separate synthetic people alike; --images decides"


def test_a_small_difference_decides_between_readings() -> None:
    check = SelfCheck(0.7, 0.1, 4.0, (20, 380), "adaface", 4.02, {"insightface": 4.0, "adaface": 4.02})
    assert not check.understood
    assert "--preset adaface separates people better" in describe(Inspection({}, check))[-1]


def test_facts_are_in_a_column(tiny_model: Path) -> None:
    lines = describe(inspect(tiny_model))
    facts, check = lines[:-1], lines[-1]
    assert check.startswith("self-check: not made")
    assert {line[:12].strip().rstrip(":") for line in facts} == {
        "file",
        "sha256",
        "network",
        "input",
        "because",
        "embedding",
        "statistics",
        "centres",
    }
    assert all(line[12] != " " for line in facts)
    assert len(facts) == 8
    assert any("112x112 RGB" in line for line in facts)
