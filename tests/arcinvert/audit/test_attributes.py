"""Attributes read from reconstructions, by hand and by people whose attribute is known."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from arcinvert.audit.agreement import agreement_by_chance
from arcinvert.audit.attributes import (
    FEWEST_FITTED,
    JudgeEmbeddings,
    Readings,
    SkinTones,
    describe_readings,
    fit_probe,
    probed,
    skin_reading,
)
from arcinvert.audit.inputs import open_inputs
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.runner import preview_audit, run_audit
from arcinvert.audit.subgroups import read_groups
from recognition.errors import InputError

DIM = 16


def faces(classes: NDArray[np.int64], seed: int, apart: float = 3.0) -> NDArray[np.float64]:
    """Embeddings whose first number tells the class."""
    found = np.random.default_rng(seed).normal(size=(len(classes), DIM))
    found[:, 0] += apart * (2 * classes - 1)
    return found


def judge(attack: NDArray[np.float64], source: NDArray[np.float64], outside: int = 60) -> JudgeEmbeddings:
    """A judge with `outside` people, every other one of each class, with two photographs each."""
    people = np.repeat(np.arange(outside), 2)
    return JudgeEmbeddings("judge", faces(people % 2, 1), people, attack[:, None], source, np.zeros(DIM))


def named(classes: NDArray[np.int64]) -> list[str | None]:
    return [("woman", "man")[one] for one in classes.tolist()]


def test_shares_chance_and_kappa_by_hand() -> None:
    own = np.array([0, 0, 1, 1, 1])
    attack = np.array([[0, 1], [0, 0], [1, 1], [1, 0], [1, 1]])
    found = describe_readings("sex", "probe", ("woman", "man"), Readings(own, attack, own, 1))
    assert found["right"]["value"] == 0.8
    # 2 of 5 people and 4 of 10 readings are of the first class.
    assert found["by_chance"] == pytest.approx(0.4 * 0.4 + 0.6 * 0.6)
    assert found["kappa"]["value"] == pytest.approx((0.8 - 0.52) / 0.48)
    assert (found["floor"]["value"], found["ceiling"]["value"], found["ceiling_kappa"]["value"]) == (
        0.6,
        1,
        1,
    )
    # The exact interval of 5 of 5, and the same beyond chance: of few people, all right is not certain.
    assert found["ceiling"]["low"] == pytest.approx(0.025 ** (1 / 5))
    assert found["ceiling_kappa"]["low"] == pytest.approx((0.025 ** (1 / 5) - 0.52) / 0.48)


def test_readings_of_other_people_are_right_as_often_as_chance_says() -> None:
    generator = np.random.default_rng(0)
    own, read = generator.integers(0, 3, 400), generator.integers(0, 3, (400, 2))
    mean = np.mean([(np.roll(own, step)[:, None] == read).mean() for step in range(400)])
    assert agreement_by_chance(own, read) == pytest.approx(mean)


def test_a_probe_finds_what_is_there_and_nothing_else() -> None:
    classes = np.arange(40) % 2
    attributes = {"sex": named(classes)}
    outside = {"sex": named(np.arange(60) % 2)}
    (found,) = probed(judge(faces(classes, 2), faces(classes, 3)), attributes, outside)
    assert found["measure"] == "linear probe on judge"
    assert found["right"]["value"] > 0.95
    assert found["kappa"]["low"] > 0.8
    # Embeddings that know nothing of it.
    (found,) = probed(judge(faces(classes, 2, 0.0), faces(classes, 3)), attributes, outside)
    assert found["kappa"]["low"] < 0 < found["kappa"]["high"]
    assert found["ceiling"]["value"] > 0.95


def test_classes_weigh_alike_however_many_people_they_have() -> None:
    # 180 of 200 are of one class: a probe of unweighted squares reads most others as them.
    classes = (np.arange(200) >= 180).astype(np.int64)
    embeddings, fresh = faces(classes, 4, 1.0), np.repeat([0, 1], 500)
    rows = np.c_[embeddings, np.ones(200)]
    slopes = np.linalg.lstsq(rows, np.eye(2)[classes], rcond=None)[0]
    unweighted = (np.c_[faces(fresh, 5, 1.0), np.ones(1000)] @ slopes).argmax(1)
    read = fit_probe(embeddings, np.arange(200), classes).read(faces(fresh, 5, 1.0))
    shares = [[(one[fresh == number] == number).mean() for number in (0, 1)] for one in (unweighted, read)]
    assert min(shares[0]) < 0.5 < 0.7 < min(shares[1])


def test_a_person_of_many_photographs_weighs_like_another() -> None:
    people = np.concatenate([np.arange(40), np.zeros(200, np.int64)])
    classes = people % 2
    embeddings = faces(classes, 6, 1.0)
    # The 200 more photographs of one person lie far off, on the other class's side.
    embeddings[40:, 0] = 8
    embeddings[0, 0] = 8
    probe = fit_probe(embeddings, people, classes)
    fresh = np.repeat([0, 1], 300)
    assert (probe.read(faces(fresh, 7, 2.0)) == fresh).mean() > 0.9


@pytest.mark.parametrize(
    ("attacked", "outside", "reason"),
    [
        (40, 2 * FEWEST_FITTED - 1, "expected two classes with at least 10 people each outside the attack"),
        (4, 60, "expected at least 5 attacked people whose class is known, got 4"),
    ],
)
def test_too_few_people_give_no_figures(attacked: int, outside: int, reason: str) -> None:
    classes = np.arange(attacked) % 2
    seen = judge(faces(classes, 2), faces(classes, 3), outside)
    (found,) = probed(seen, {"sex": named(classes)}, {"sex": named(np.arange(outside) % 2)})
    assert found["right"] is found["kappa"] is None
    assert reason in found["refused"]


def test_numbers_are_refused_and_people_without_a_class_left_out() -> None:
    classes = np.arange(12) % 2
    seen = judge(faces(classes, 2), faces(classes, 3))
    ages: list[str | None] = [str(age) for age in range(60)]
    (found,) = probed(seen, {"age": ages[:12]}, {"age": ages})
    assert "expected at most 10 classes, got 60; give bands" in found["refused"]
    some = [one if number < 8 else None for number, one in enumerate(named(classes))]
    half = [one if number < 50 else None for number, one in enumerate(named(np.arange(60) % 2))]
    (found,) = probed(seen, {"sex": some}, {"sex": half})
    assert (found["identities"], found["classes"]) == (8, ["man", "woman"])


def test_skin_is_compared_with_another_photograph() -> None:
    second = np.array([-40.0, 0.0, 20.0, 30.0, 60.0])
    (same, other) = (SkinTones(one[:, None], second + 1, second, 20.0) for one in (second, second[::-1]))
    assert skin_reading(same)["right"]["value"] == skin_reading(same)["ceiling"]["value"] == 1
    found = skin_reading(other)
    assert (found["right"]["value"], found["floor"]["value"]) == (0.2, 0.2)
    assert found["by_chance"] == pytest.approx(0.2)
    assert found["kappa"]["value"] == pytest.approx(0)
    few = SkinTones(second[:4, None], second[:4], second[:4], 20.0)
    assert "got 4" in skin_reading(few)["refused"]


@pytest.mark.parametrize("name", ["attributes", "subgroups"])
def test_a_file_without_identities_is_refused_before_the_work(tmp_path: Path, name: str) -> None:
    (tmp_path / "people.csv").write_text("name,sex\nAnn,woman\n")
    given: dict[str, Any] = {"images": tmp_path, "model": "missing", name: tmp_path / "people.csv"}
    with pytest.raises(InputError, match="expected a CSV file with the column 'identity'"):
        open_inputs(AuditOptions(**given))


@pytest.mark.parametrize("name", ["attributes", "subgroups"])
def test_a_file_of_nobody_is_refused_before_the_attack(
    name: str, options: AuditOptions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "people.csv").write_text("identity,side\nPerson_01,left\n")
    monkeypatch.setattr("arcinvert.audit.attack.NetworkAttack.invert", None)
    given: dict[str, Any] = {name: tmp_path / "people.csv"}
    for refused in (preview_audit, run_audit):
        with pytest.raises(InputError, match="people by the names of their folders, such as Person"):
            refused(replace(options, **given), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_of_attributes_names_somebody_outside_as_well(options: AuditOptions, tmp_path: Path) -> None:
    drawn = open_inputs(options).sample_cohort(6)
    assert drawn is not None
    (tmp_path / "people.csv").write_text(f"identity,side\n{next(iter(drawn.attacked))},left\n")
    outside = len({name for _, name in drawn.calibration})
    with pytest.raises(InputError, match=f"expected some of the {outside} people"):
        open_inputs(replace(options, attributes=tmp_path / "people.csv")).sample_cohort(6)


def test_a_file_of_attributes_is_read_for_both_kinds_of_people(tmp_path: Path) -> None:
    path = tmp_path / "attributes.csv"
    path.write_text("identity,sex,age\nAnn,woman,30 to 50\nBob,man,\n")
    assert read_groups(path, ["Bob", "Ann", "Eve"]) == {
        "sex": ["man", "woman", None],
        "age": [None, "30 to 50", None],
    }


def test_groups_of_nobody_and_contradictions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "groups.csv"
    path.write_text("identity,sex\nA B,f\n")
    with pytest.raises(InputError, match=r"some of the 2 people by the names of their folders, such as A_B"):
        read_groups(path, ["A_B", "C_D"])
    path.write_text("identity,sex\nA_B,f\nA_B,m\n")
    with pytest.raises(InputError, match="expected each identity once, got A_B with different groups"):
        read_groups(path, ["A_B"])
    path.write_text("identity,sex\nA_B,f\nA_B,f\n")
    assert read_groups(path, ["A_B", "C_D"]) == {"sex": ["f", None]}
