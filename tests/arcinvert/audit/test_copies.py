"""People who are there twice are left out of those outside the attack; the figures are as without them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from arcinvert.audit.copies import find_copies
from arcinvert.audit.enrolled import Enrolled
from arcinvert.audit.inputs import open_inputs
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.runner import run_audit
from arcinvert.audit.units import CalibrationUnit, Embeddings, PeopleUnit, Skipped, texts
from arcinvert.knowledge.public_photographs import photograph_key
from recognition.errors import InputError
from recognition.images import write_png
from tests.arcinvert.audit.conftest import picture
from tests.arcinvert.audit.synthetic import unit

pytestmark = pytest.mark.usefixtures("cheap_judge")


def attacked_of(options: AuditOptions) -> list[str]:
    cohort = open_inputs(options).sample_cohort(options.people)
    assert cohort is not None
    return sorted(cohort.attacked)


def test_second_accounts_and_attacked_people_outside_change_no_figure(
    options: AuditOptions, people: Path, tmp_path: Path
) -> None:
    plain = replace(options, steps=1, calibration_images=100, defences=("noise",), defence_people=2)
    clean = run_audit(plain, tmp_path / "clean")
    attacked = attacked_of(options)
    outside = sorted({path.name for path in people.iterdir()} - set(attacked))
    folder = tmp_path / "people"
    shutil.copytree(people, folder)

    def add(name: str, source: str) -> Path:
        (folder / name).mkdir()
        return Path(shutil.copy(people / source / "1.png", folder / name / "1.png"))

    for name in outside[:5]:
        add(f"account 2 of {name}", name)
    # The very photographs that templates come from, one of them compressed again.
    add("customer 1", attacked[0])
    again = add("customer 2", attacked[1])
    Image.open(again).save(again.with_suffix(".jpg"), quality=80)
    again.unlink()
    spelled = folder / attacked[2].upper().replace(" ", "_")
    spelled.mkdir()
    write_png(spelled / "1.png", picture(500))
    found = run_audit(replace(plain, images=folder), tmp_path / "found")
    assert found["people"]["copies"] == {"attacked": 3, "outside": 5, "twice": 0}
    assert clean["people"]["copies"] == {"attacked": 0, "outside": 0, "twice": 0}
    assert found["judges"] == clean["judges"]
    assert found["defences"] == clean["defences"]
    notes = " ".join(found["people"]["notes"])
    assert "5 who are there under another name too" in notes
    assert "3 who are attacked as well" in notes
    reasons = [one["reason"] for one in found["people"]["skipped"]]
    assert sum("another name too" in why for why in reasons) == 5
    assert "account 2" not in json.dumps(found)
    assert "5 who are there under another name too" in (tmp_path / "found" / "report.md").read_text()


def test_nobody_else_outside_is_refused_where_defences_need_somebody(
    options: AuditOptions, people: Path, tmp_path: Path
) -> None:
    others = tmp_path / "others"
    for number, name in enumerate(attacked_of(replace(options, people=16))[:4]):
        (others / f"other {number}").mkdir(parents=True)
        shutil.copy(people / name / "1.png", others / f"other {number}" / "1.png")
    given = replace(options, people=16, calibration=others, defences=("noise",), steps=1)
    with pytest.raises(InputError, match=r"^defences: expected people outside the attack"):
        run_audit(given, tmp_path / "out")


NOTHING = Skipped.of([], {})


def people_of(
    crops: list[NDArray[np.uint8]], names: list[str], templates: NDArray[np.float64] | None = None
) -> Enrolled:
    """Each person's first photograph, and another one that resembles nobody's."""
    others = [picture(900 + number) for number in range(len(names))]
    keys = [photograph_key("", crop) for crop in (*crops, *others)]
    embeddings = None
    if templates is not None:
        embeddings = Embeddings((), templates)
    skin = np.zeros(len(names))
    unit_ = PeopleUnit(
        texts(names),
        np.zeros((len(names), 4), np.float32),
        None,
        None,
        embeddings,
        embeddings,
        skin,
        skin,
        NOTHING,
    )
    return Enrolled(texts(names), unit_.templates, (unit_,), tuple(keys))


def outside_of(
    crops: list[NDArray[np.uint8]], names: list[str], templates: NDArray[np.float64] | None = None
) -> CalibrationUnit:
    hashes = np.stack([photograph_key("", crop).hashes for crop in crops])
    embeddings = None if templates is None else Embeddings((), templates)
    return CalibrationUnit(texts(names), embeddings, hashes, NOTHING)


def test_copies_by_photograph_and_name() -> None:
    def mirrored(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.ascontiguousarray(crop[:, ::-1])

    attacked = people_of([picture(0), picture(1), picture(0)], ["Ann", "Bob", "Ann again"])
    outside = outside_of(
        [picture(2), mirrored(picture(1)), picture(3), picture(2), (picture(3) * 0.9).astype(np.uint8)],
        ["Cem", "Dan", "Eve", "Fay", "Eve"],
    )
    found = find_copies(outside, attacked)
    assert (found.attacked, found.outside, found.twice) == (("Dan",), ("Fay",), ("Ann again",))
    named = find_copies(outside_of([picture(5), picture(6)], ["ANN", "Ann Other"]), attacked)
    assert (named.attacked, named.outside) == (("ANN",), ())


def test_copies_by_template_where_the_network_tells_people_apart() -> None:
    generator = np.random.default_rng(0)
    templates = unit(generator.normal(size=(8, 64)))
    near = unit(templates[[0, 5]] + 0.02 * generator.normal(size=(2, 64)))
    crops = [picture(number) for number in range(10)]
    names = [f"p{number}" for number in range(10)]
    attacked = people_of(crops[:3], names[:3], templates[:3])
    found = find_copies(outside_of(crops[3:], names[3:], np.concatenate([templates[3:], near])), attacked)
    assert (found.attacked, found.outside) == (("p8",), ("p9",))
    # A network whose templates are all alike finds nobody.
    same = unit(1 + 0.01 * generator.normal(size=(10, 64)))
    alike = find_copies(outside_of(crops[3:], names[3:], same[3:]), people_of(crops[:3], names[:3], same[:3]))
    assert not alike.attacked + alike.outside + alike.twice


def test_nobody_resembles_another_by_chance() -> None:
    crops = [picture(number) for number in range(60)]
    names = [f"p{number:02d}" for number in range(60)]
    found = find_copies(outside_of(crops[20:], names[20:]), people_of(crops[:20], names[:20]))
    assert found.describe() == {"attacked": 0, "outside": 0, "twice": 0}
