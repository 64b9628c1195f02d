"""Recipes with equal work, and their films."""

import base64
import io
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from app.comparison import Comparison, equal_work, films, recipe_list, seconds_left, verdicts
from app.recipes import VARIANTS
from app.tabs.compare import CLASS, PHOTOGRAPH, person_name, target_choices
from app.updates import Frame
from app.upload import Photograph
from arcinvert import Attacker, AttackOptions, InputError
from arcinvert.recipes import RECIPES, TargetKind

SHADES = (40, 120, 200)


@pytest.fixture
def portrait() -> Photograph:
    return Photograph("portrait.png", np.zeros((8, 8, 3), np.uint8), [])


def sample(**verdict: Any) -> dict[str, Any]:
    accepted = {"0.01": True, "0.001": True}
    judge = {"type_1": 0.9, "type_2": None, "floor_type_1": 0.2, "ceiling": None, "accepted": accepted}
    # The similarity by the attacked network beside the judge's.
    attacked = verdict.pop("attacked_similarity", 0.97)
    known = {"attacked_similarity": attacked, "class_id": 3, "input": "Ada_Example"}
    return known | {"judge": judge | {"face_detected": True} | verdict}


def compared(*samples: dict[str, Any]) -> Comparison:
    """A comparison with three pictures of each recipe that has ended, after 1, 4 and 8 passes."""
    pictures = [
        {step: np.full((4, 4, 3), shade, np.uint8) for step, shade in zip((1, 4, 8), SHADES, strict=True)}
        for _ in samples
    ]
    return Comparison(8, "somebody", pictures, [SimpleNamespace(samples=[one]) for one in samples])  # type: ignore[misc]


def test_films_of_all_recipes_have_one_slider() -> None:
    shown = films(compared(sample(), sample()), scrub=True)
    assert shown.count('type="range"') == shown.count("<button") == 1
    assert re.findall('data-steps="([^"]+)"', shown) == ["1 4 8"] * 2
    # All pictures side by side; the last one is in the window.
    assert "width:300%;transform:translateX(-66.6" in shown
    strip = re.search('data:image/jpeg;base64,([^"]+)', shown)
    assert strip is not None
    with Image.open(io.BytesIO(base64.b64decode(strip[1]))) as image:
        pixels = np.asarray(image)
    assert pixels.shape == (4, 12, 3)
    np.testing.assert_allclose(pixels[:, 1::4].mean((0, 2)), SHADES, atol=4)


def test_a_running_comparison_shows_the_newest_pictures_alone() -> None:
    shown = films(compared(sample()), scrub=False)
    assert re.findall('data-steps="([^"]+)"', shown) == ["8"]
    assert "range" not in shown


def test_a_picture_without_a_face_is_not_accepted_and_the_text_says_why() -> None:
    comparison = compared(sample(face_detected=False))
    assert "accepted" not in films(comparison, scrub=True)
    table = verdicts(comparison)
    assert "<td>no</td><td>0.90 (floor 0.20)</td>" in table
    assert "noise can fool a network" in table
    assert "accepted at 1 in 1,000" in films(compared(sample()), scrub=True)


def test_the_sentence_on_noise_is_true_of_the_numbers() -> None:
    noise, face = sample(face_detected=False, attacked_similarity=0.99), sample(attacked_similarity=0.94)
    fooled = verdicts(compared(face, noise))
    assert "finds the picture of &#x27;weights only&#x27; (0.99), which shows no face, closer" in fooled
    assert "than that of &#x27;arcinvert&#x27; (0.94)" in fooled
    # No picture without a face is rated higher, or there is none, or no face to compare it with.
    weaker = sample(face_detected=False, attacked_similarity=0.83)
    for others in ((face, weaker), (face, face), (noise, weaker)):
        assert "closer to the person" not in verdicts(compared(*others))


def test_the_person_is_named() -> None:
    assert "The attacked person: Ada Example" in films(compared(sample()), scrub=True)
    running = Comparison(8, "Bob Example", [{1: np.zeros((4, 4, 3), np.uint8)}])
    assert "The attacked person: Bob Example" in films(running, scrub=False)
    photograph = compared(sample() | {"class_id": None, "input": "crop"})
    assert "The attacked person: somebody" in films(photograph, scrub=True)


def test_the_time_left_is_that_of_all_recipes() -> None:
    image = np.zeros((1, 2, 2, 3), np.uint8)
    # The second of four: 4 s of its 8 s are over, and two more follow.
    assert len(VARIANTS) == 4
    assert seconds_left(Frame(5, 10, 4.0, image, 1)) == pytest.approx(4 + 2 * 8)
    assert seconds_left(Frame(10, 10, 8.0, image, 3)) == 0


def test_the_targets_are_named_and_fit_the_network(portrait: Photograph) -> None:
    named = dict(target_choices("0: George W Bush", (portrait, 0), has_people=True))
    assert named == {
        "George W Bush, chosen on the tab 'From an identity'": CLASS,
        "The photograph portrait.png": PHOTOGRAPH,
    }
    assert [value for _, value in target_choices(None, None, has_people=False)] == [PHOTOGRAPH]
    assert [person_name(text) for text in ("12: Ada: Example", "Ada", " 7 ", None)] == [
        "Ada: Example",
        "Ada",
        "7",
        "",
    ]


def test_recipes_are_options_of_an_attack() -> None:
    assert len({variant.title for variant in VARIANTS}) == len(VARIANTS)
    for variant in VARIANTS:
        AttackOptions(**variant.options)
    assert AttackOptions(**VARIANTS[0].options) == AttackOptions()
    assert {AttackOptions(**variant.options).recipe for variant in VARIANTS} == set(RECIPES)


@pytest.mark.parametrize("target", ["class", "template"])
def test_every_recipe_takes_as_many_steps_as_were_chosen(tiny_attacker: Attacker, target: TargetKind) -> None:
    taken: list[int] = []
    for options in equal_work(tiny_attacker, target, 3):
        steps: list[int] = []
        count: Any = lambda step, steps=steps: steps.append(step.number)  # noqa: E731
        if target == "class":
            tiny_attacker.generate(1, samples=1, progress=count, **options)
        else:
            template = tiny_attacker.recogniser.centres[1]  # type: ignore[index]
            tiny_attacker.from_embedding(template, samples=1, progress=count, **options)
        taken.append(len(steps))
    assert taken == [3] * len(VARIANTS)


def test_restarts_and_preparation_are_part_of_the_work() -> None:
    plans: Any = SimpleNamespace(
        plan=lambda target, steps, **options: SimpleNamespace(
            preparation_steps=10, steps_within=lambda work: work // 3
        )
    )
    found = equal_work(plans, "class", 100)
    assert [(one["steps"], one["retries"]) for one in found] == [(30, 0)] * len(VARIANTS)
    with pytest.raises(InputError, match="Passes: expected more than 10, got 12"):
        equal_work(plans, "class", 12)


def test_a_comparison_runs_every_recipe_until_it_is_stopped() -> None:
    given: list[dict[str, Any]] = []
    parts: list[int] = []
    job: Any = SimpleNamespace(begin_part=parts.append, stopped=False)

    def attack(job: Any, **options: Any) -> Any:
        given.append(options)
        # The second recipe of the second comparison.
        job.stopped = len(given) == 5
        return len(given)

    whole = Comparison(3)
    whole.run(job, attack, [{"steps": 1}, {"steps": 2}, {"steps": 3}])
    assert given == [{"steps": 1}, {"steps": 2}, {"steps": 3}]
    assert parts == [0, 1, 2]
    assert list[Any](whole.runs) == [1, 2, 3]
    stopped = Comparison(3)
    stopped.run(job, attack, [{}, {}, {}])
    assert list[Any](stopped.runs) == [4, 5]
    assert len(stopped.pictures) == 2


def test_pictures_are_kept_by_the_passes_that_they_took() -> None:
    comparison = Comparison(200, pictures=[{}, {}])
    assert comparison.every == 10
    assert Comparison(3).every == 1
    image = np.zeros((1, 2, 2, 3), np.uint8)
    comparison.add(Frame(80, 200, 1.0, image, 0))
    # A preparation of 120 passes that an earlier attack has made counts.
    comparison.add(Frame(1, 80, 1.0, image, 1))
    assert [list(pictures) for pictures in comparison.pictures] == [[80], [121]]


def test_every_recipe_is_listed() -> None:
    assert re.findall("<b>(.*?)</b>", recipe_list()) == [variant.title for variant in VARIANTS]
