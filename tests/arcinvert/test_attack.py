"""Plans carried through on the tiny network: recipes, restarts, preparations, and what is known of faces."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from arcinvert import Attacker, Step, StopInversion
from arcinvert.evaluation.judges import DlibJudge
from arcinvert.evaluation.scores import Reference
from arcinvert.inversion.restarts import augmented_similarity
from arcinvert.inversion.result import Inversion
from arcinvert.inversion.targets.arcface import ClassTarget
from arcinvert.knowledge.whitening import whitening_of
from arcinvert.recipes import RECIPES, RecipeName
from arcinvert.subjects import Subject, class_subjects
from recognition.recogniser import Recogniser
from tests.arcinvert.support import IDENTITY_ALONE, leave_out_judge, shorten_preparation

NO_AUGMENTATION: dict[str, Any] = {"flip": False, "shift": 0, "scale": 0.0, "feature_dropout": 0.0}


@pytest.fixture(autouse=True)
def _unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_judge(monkeypatch)


@pytest.fixture
def _short_preparation(monkeypatch: pytest.MonkeyPatch) -> None:
    shorten_preparation(monkeypatch)


@pytest.fixture(scope="module")
def attacker(tiny_model: Path) -> Attacker:
    # The automatic precision depends on the processor: in bfloat16 a batch rounds other than its images do.
    return Attacker(tiny_model, device="cpu", precision="float32")


def test_an_initial_image_depends_on_its_identity_and_number_alone(attacker: Attacker) -> None:
    settings: dict[str, Any] = {"penalty": {"bn": 0}, "steps": 1} | NO_AUGMENTATION
    together = attacker.generate([0, 1], samples=2, batch_size=4, **settings).images
    apart = attacker.generate([1, 0], samples=2, batch_size=1, **settings).images
    pairs = zip(together, [apart[2], apart[3], apart[0], apart[1]], strict=True)
    # Sums of a batch are rounded in another order, which may turn a step of a single pixel.
    assert all(np.abs(first.astype(float) - second).mean() < 0.5 for first, second in pairs)
    for first, second in itertools.combinations(together, 2):
        assert np.abs(first.astype(float) - second).mean() > 2


def test_every_choice_changes_the_image(attacker: Attacker) -> None:
    images = [attacker.generate(0, steps=2, **IDENTITY_ALONE).images[0]]
    for option in (
        {"penalty": {"bn-arcface": 1.0}},
        {"penalty": {"bn-deepinversion": 1.0}},
        {"penalty": {"bn-per-image": 1.0}},
        {"penalty": {"tv": 5.0}},
        {"penalty": {"colour-tv": 5.0}},
        {"penalty": {"l2": 5.0}},
        {"penalty": {"tv-norm": 5.0}},
        {"penalty": {"l2-norm": 5.0}},
        {"penalty": {"pca-prior": 5.0}},
        {"initialisation": "noise"},
        {"parametrisation": "fourier"},
        {"loss": "cosine"},
        {"loss": "euclidean"},
        {"learning_rate": 0.01},
        {"flip": False, "shift": 0},
        {"scale": 0.2},
    ):
        weights = IDENTITY_ALONE["penalty"] | option.get("penalty", {})
        run = attacker.generate(0, steps=2, **(option | {"penalty": weights}))
        assert {key: run.result["options"][key] for key in option} == option | (
            {"penalty": weights} if "penalty" in option else {}
        )
        assert -1 <= run.samples[0]["attacked_similarity"] <= 1
        images.append(run.images[0])
    assert len({image.tobytes() for image in images}) == len(images)


def test_precision_is_the_attackers(tiny_model: Path, attacker: Attacker) -> None:
    half = Attacker(tiny_model, device="cpu", precision="bfloat16").generate(0, steps=2)
    full = Attacker(tiny_model, device="cpu", precision="float32").generate(0, steps=2)
    assert [run.result["environment"]["dtype"] for run in (half, full)] == ["bfloat16", "float32"]
    assert not np.array_equal(half.images[0], full.images[0])


def test_steps_bring_the_image_nearer(attacker: Attacker) -> None:
    short, long = (attacker.generate(2, steps=steps, **IDENTITY_ALONE) for steps in (1, 30))
    assert long.samples[0]["attacked_similarity"] > short.samples[0]["attacked_similarity"] + 0.2


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_run_and_recorded(recipe: RecipeName, attacker: Attacker) -> None:
    seen: list[tuple[int, int]] = []
    run = attacker.from_embedding(
        np.random.default_rng(0).normal(size=32),
        recipe=recipe,
        steps=4,
        progress=lambda step: seen.append((step.number, step.steps)),
    )
    assert seen == [(number, 4) for number in (1, 2, 3, 4)]
    plan = run.result["plan"]
    assert (plan["recipe"], plan["changes"]) == (recipe, {"steps": 4})
    assert run.result["options"]["recipe"] == recipe
    assert plan["loss"] == ("cosine" if recipe == "arcinvert" else "euclidean")


@pytest.mark.usefixtures("_short_preparation")
def test_the_first_batch_prepares_for_all(tiny_model: Path) -> None:
    attacker = Attacker(tiny_model, device="cpu")
    seen: list[tuple[int, int, int]] = []

    def progress(step: Step) -> None:
        seen.append((step.batch, step.number, step.steps))

    settings: dict[str, Any] = {"knowledge": "weights", "steps": 2, "restarts": 1, "batch_size": 1}
    run = attacker.generate([0, 1], progress=progress, **settings)
    assert seen == [(1, number, 5) for number in range(1, 6)] + [(2, 1, 2), (2, 2, 2)]
    plan = run.result["plan"]
    assert (plan["initialisation"], plan["parametrisation"]) == ("mean-face-from-weights", "pixels")
    assert plan["preparation_steps"] == 3
    assert [sample["steps"] for sample in run.samples] == [2, 2]
    # The attacker keeps what it prepared, and the images do not depend on it.
    seen.clear()
    again = attacker.generate([0, 1], progress=progress, **settings)
    assert seen == [(1, 1, 2), (1, 2, 2), (2, 1, 2), (2, 2, 2)]
    assert all(np.array_equal(*pair) for pair in zip(run.images, again.images, strict=True))


@pytest.mark.usefixtures("_short_preparation")
def test_the_preparation_comes_before_all_restarts(tiny_model: Path) -> None:
    seen: list[tuple[int, int]] = []
    Attacker(tiny_model, device="cpu").generate(
        0,
        knowledge="weights",
        steps=2,
        restarts=2,
        progress=lambda step: seen.append((step.number, step.steps)),
    )
    assert seen == [(number, 7) for number in range(1, 8)]


@pytest.mark.usefixtures("_short_preparation")
def test_an_attack_stopped_in_its_preparation_is_interrupted(tiny_model: Path) -> None:
    def stop(step: Step) -> None:
        raise StopInversion

    attacker = Attacker(tiny_model, device="cpu")
    run = attacker.generate(0, knowledge="weights", steps=2, restarts=1, progress=stop)
    assert run.interrupted
    assert [sample["steps"] for sample in run.samples] == [0]
    # What was stopped is not kept: the next attack prepares anew.
    assert attacker.generate(0, knowledge="weights", steps=2, restarts=1).samples[0]["steps"] == 2


def losses_at_start(attacker: Attacker, **options: Any) -> float:
    """Return the identity loss of class 2 in the first step, from the mean face without augmentation."""
    losses: list[float] = []
    attacker.generate(
        2,
        steps=1,
        initialisation="mean-face",
        progress=lambda step: losses.append(step.losses["identity"]),
        **NO_AUGMENTATION,
        **options,
    )
    return losses[0]


@pytest.mark.parametrize(("classes", "whiten"), [(200, True), (200, False), (5, True)])
def test_centres_are_whitened_where_they_are_many(tiny: Recogniser, classes: int, whiten: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    centres = F.normalize(torch.randn(classes, 32, generator=generator))
    recogniser = Recogniser(tiny.backbone, name="many", centres=centres, scale=16.0, margin=0.3)
    attacker = Attacker(recogniser, device="cpu", precision="float32")
    plan = attacker.plan("class", whiten=whiten)
    assert plan.whiten_centres == (whiten and classes > 32)
    assert plan.whiten_neighbours == whiten
    # The loss of the first step is that of the initial image, computed by hand.
    subjects = class_subjects(recogniser, [2], DlibJudge())
    options: dict[str, Any] = {"whiten": whiten, "initialisation": "mean-face"} | NO_AUGMENTATION
    first = attacker.plan("class", steps=1, **options)
    losses: list[float] = []
    inversion = attacker.reconstruct(
        subjects, first, on_step=lambda step: losses.append(step.losses["identity"])
    )
    target = ClassTarget(
        F.normalize(centres),
        torch.tensor([2]),
        scale=16.0,
        margin=1.0,
        whitening=whitening_of(F.normalize(centres)) if plan.whiten_centres else None,
    )
    with torch.no_grad():
        expected = float(target(recogniser(inversion.start)).mean())
    assert losses[0] == pytest.approx(expected, rel=1e-4)


def test_the_loss_of_a_recipe(attacker: Attacker, tiny: Recogniser) -> None:
    def loss(target: Any = "class", **options: Any) -> tuple[str, float, float]:
        plan = attacker.plan(target, **options)
        return plan.loss, plan.loss_scale, plan.loss_margin

    assert loss() == ("arcface", tiny.scale, 1.0)
    assert loss(recipe="paper") == ("arcface", 64, 0.5)
    assert loss(recipe="deepinversion") == ("arcface", 64, 0)
    assert loss(loss_scale=8.0, loss_margin=0.25) == ("arcface", 8, 0.25)
    assert loss("template", recipe="paper") == ("euclidean", 64, 0)
    assert loss("template", loss="euclidean") == ("euclidean", 1, 0)
    # The plan's scale is the one that the loss is computed with: logits are cosines times it.
    assert losses_at_start(attacker, loss_scale=8.0) < losses_at_start(attacker, loss_scale=16.0)


def test_restarts_have_other_random_numbers_each(attacker: Attacker) -> None:
    subjects = class_subjects(attacker.recogniser, [1, 3], DlibJudge())
    plans = {number: attacker.plan("class", steps=2, restarts=number, seed=4) for number in (1, 2, 3)}
    seen: list[tuple[int, int]] = []
    kept = attacker.reconstruct(
        subjects, plans[3], on_step=lambda step: seen.append((step.number, step.steps))
    )
    assert seen == [(number, 6) for number in range(1, 7)]
    assert kept.steps == 6
    # The image after the last step of each restart, before the network chooses.
    finished: list[torch.Tensor] = []
    attacker.reconstruct(
        subjects,
        plans[3],
        on_step=lambda step: finished.append(step.images()) if step.number % 2 == 0 else None,
    )
    alone = attacker.reconstruct(subjects, plans[1])
    assert torch.equal(finished[0], alone.images)
    assert not torch.equal(finished[0], finished[1])
    assert not torch.equal(finished[1], finished[2])
    templates = torch.stack([subject.template for subject in subjects])
    scores = torch.stack(
        [augmented_similarity(attacker.recogniser, images, templates) for images in finished]
    )
    for place, best in enumerate(scores.argmax(0).tolist()):
        assert torch.equal(kept.images[place], finished[best][place])


def test_the_best_of_short_restarts_takes_the_rest_of_the_steps(attacker: Attacker) -> None:
    subjects = class_subjects(attacker.recogniser, [1, 3], DlibJudge())
    plan = attacker.plan("class", steps=5, restarts=3, restart_steps=2, seed=4)
    images: list[torch.Tensor] = []
    kept = attacker.reconstruct(subjects, plan, on_step=lambda step: images.append(step.images()))
    assert kept.steps == len(images) == plan.steps_per_batch == 9
    # What the restarts come to by themselves, and the images that the network chooses among them.
    short = attacker.reconstruct(subjects, replace(plan, steps=2))
    assert torch.equal(short.start, kept.start)
    assert not torch.equal(short.images, kept.images)
    moved = (images[6] - short.images).abs().amax((1, 2, 3))
    apart = torch.stack([(images[6] - images[after]).abs().amax((1, 2, 3)) for after in (1, 3, 5)])
    assert (moved <= apart.min(0).values + 1e-6).all()
    assert torch.equal(attacker.reconstruct(subjects, plan).images, kept.images)


def test_images_that_stay_unlike_are_attacked_again(
    attacker: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    subjects = class_subjects(attacker.recogniser, [1, 3, 2], DlibJudge())
    plan = attacker.plan("class", steps=5, restarts=2, restart_steps=2, seed=4)
    first = attacker.reconstruct(subjects, plan)
    # One of the three is unlike, however far the attempts come.
    worst = int(first.similarity.argmin())
    between = first.similarity.sort().values[:2].mean()
    attempts: list[int] = []

    def one_of_them(inversion: Inversion) -> torch.Tensor:
        attempts.append(len(inversion.images))
        return inversion.similarity < (between if len(inversion.images) == 3 else -1)

    monkeypatch.setattr("arcinvert.attack.unlike", one_of_them)
    seen: list[tuple[int, int]] = []
    again = attacker.reconstruct(
        subjects, replace(plan, retries=1), on_step=lambda step: seen.append((step.number, step.steps))
    )
    assert attempts == [3, 1]
    assert seen == [*((number, 7) for number in range(1, 8)), *((number, 14) for number in range(8, 15))]
    assert again.steps_of_each == [14 if place == worst else 7 for place in range(3)]
    others = [place for place in range(3) if place != worst]
    assert torch.equal(again.images[others], first.images[others])
    assert again.similarity[worst] >= first.similarity[worst]
    # The attempt is the one whose restarts move further, from other noise.
    monkeypatch.setattr("arcinvert.attack.with_retry", lambda before, found, missed: found)
    wide = attacker.reconstruct(subjects, replace(plan, retries=1))
    assert not torch.equal(wide.start, first.start[[worst]])
    same = attacker.reconstruct(subjects, replace(plan, retries=1))
    assert torch.equal(wide.images, same.images)


@pytest.mark.parametrize(("raised", "attempts"), [(True, 3), (False, 2)])
def test_further_attempts_end_where_one_raises_nobody(
    raised: bool, attempts: int, attacker: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []

    def judged(inversion: Inversion) -> torch.Tensor:
        calls.append(len(inversion.images))
        # In turn the images so far, and those of the further attempt alone.
        of_attempt = len(calls) % 2 == 0
        return torch.tensor([not (raised and of_attempt)] * len(inversion.images))

    monkeypatch.setattr("arcinvert.attack.unlike", judged)
    subjects = class_subjects(attacker.recogniser, [1, 3], DlibJudge())
    plan = replace(attacker.plan("class", steps=2, seed=4), retries=2)
    found = attacker.reconstruct(subjects, plan)
    assert found.steps_of_each == [attempts * plan.steps_per_batch] * 2


def test_a_further_attempt_adds_no_steps_of_the_appearance(
    attacker: Attacker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "arcinvert.attack.unlike", lambda inversion: torch.ones(len(inversion.images), dtype=torch.bool)
    )
    subjects = class_subjects(attacker.recogniser, [1], DlibJudge())
    plan = replace(attacker.plan("class", steps=2, yaw=10.0), retries=1)
    seen: list[Step] = []
    found = attacker.reconstruct(subjects, plan, on_step=seen.append)
    assert (plan.steps_per_attempt, plan.steps_per_batch) == (2, 12)
    assert (seen[-1].number, seen[-1].steps) == (14, 14)
    assert found.steps_of_each == [14]


def test_a_stop_in_a_short_restart_leaves_what_there_is(attacker: Attacker) -> None:
    def stop(step: Step) -> None:
        if step.number == 3:
            raise StopInversion

    subjects = class_subjects(attacker.recogniser, [1], DlibJudge())
    plan = attacker.plan("class", steps=5, restarts=3, restart_steps=2)
    stopped = attacker.reconstruct(subjects, plan, on_step=stop)
    assert (stopped.steps, stopped.stopped) == (3, True)


def test_a_converged_attack_ends_early(attacker: Attacker) -> None:
    settings: dict[str, Any] = {"class_id": 0, "penalty": {"bn": 0}}
    seen: list[int] = []
    early = attacker.generate(
        **settings, steps=60, early_stopping=5.0, progress=lambda step: seen.append(step.number)
    )
    # Two windows of 20 steps, then the last fifth of the schedule.
    assert early.samples[0]["steps"] == 52
    assert seen == [*range(1, 41), *range(49, 61)]
    never = attacker.generate(**settings, steps=41, early_stopping=1e-9)
    assert never.samples[0]["steps"] == 41


def test_length_is_the_options_or_the_parametrisations_own(attacker: Attacker) -> None:
    def length(**options: Any) -> tuple[int, int]:
        plan = attacker.plan("class", **options)
        return plan.steps, plan.restarts

    assert length() == (50, 1)
    assert length(parametrisation="pixels") == (100, 3)
    assert length(steps=7, restarts=2) == (7, 2)
    assert length(recipe="paper") == (20_000, 1)


def test_augmentation_is_the_options_or_the_parametrisations_own(attacker: Attacker) -> None:
    own = attacker.plan("class")
    pixels = attacker.plan("class", parametrisation="pixels", scale=0.1)
    none = attacker.plan("class", shift=0, scale=0.0, feature_dropout=0.0)
    assert own.parametrisation == "face-pca"
    strengths = [
        (plan.augmentation.shift, plan.augmentation.scale, plan.augmentation.feature_dropout)
        for plan in (own, pixels, none)
    ]
    assert strengths == [(6, 0.15, 0.4), (2, 0.1, 0.0), (0, 0.0, 0.0)]
    assert [plan.describe()["penalties"]["colour-tv"] for plan in (own, pixels, none)] == [1, 4, 1]
    assert attacker.plan("class", penalty={"colour-tv": 1.5}).describe()["penalties"]["colour-tv"] == 1.5


def test_subjects_may_be_made_by_hand(attacker: Attacker) -> None:
    template = F.normalize(torch.randn(32, generator=torch.Generator().manual_seed(1)), dim=0)
    plan = attacker.plan("template", steps=2, samples=2)
    inversion = attacker.reconstruct([Subject("by hand", None, template, Reference())], plan)
    assert inversion.images.shape == (2, 3, 112, 112)
    with torch.no_grad():
        similarity = attacker.recogniser(inversion.images) @ template
    torch.testing.assert_close(inversion.similarity, similarity)


WISH: dict[str, Any] = {"yaw": -30.0, "expression": "open-mouth"}


def test_a_deformed_image_is_optimised_until_the_network_finds_the_person_again(attacker: Attacker) -> None:
    subjects = class_subjects(attacker.recogniser, [0, 1], attacker.judge)
    alone: dict[str, Any] = {"steps": 8, "loss": "cosine"} | IDENTITY_ALONE | NO_AUGMENTATION
    plain, wished = attacker.plan("class", **alone), attacker.plan("class", **alone, **WISH)
    found = attacker.reconstruct(subjects, plain)
    assert (plain.steps_per_batch, wished.steps_per_batch) == (8, 18)
    seen: list[tuple[int, int]] = []
    whole = attacker.reconstruct(
        subjects, wished, on_step=lambda step: seen.append((step.number, step.steps))
    )
    assert seen == [(number, 18) for number in range(1, 19)]
    assert whole.steps == 18
    # It is the same when an image that was made before is given the wish.
    later = attacker.show(subjects, found, wished)
    torch.testing.assert_close(later.images, whole.images)
    assert torch.equal(later.start, found.start)
    deformed = wished.appearance.given_to(found.images)
    with torch.no_grad():
        templates = torch.stack([subject.template for subject in subjects])
        similarity = (attacker.recogniser(deformed) * templates).sum(1)
    assert (later.similarity > similarity + 0.02).all()
    # It stays near what the deformation made.
    assert (later.images - deformed).abs().mean() < (found.images - deformed).abs().mean()


def test_a_wish_that_moves_nothing_or_a_stopped_attack_has_no_further_steps(attacker: Attacker) -> None:
    subjects = class_subjects(attacker.recogniser, [0], attacker.judge)
    found = attacker.reconstruct(subjects, attacker.plan("class", steps=4))
    still = attacker.show(subjects, found, attacker.plan("class", steps=4, yaw=0.0))
    torch.testing.assert_close(still.images, found.images)

    def stop_at(number: int) -> Any:
        def on_step(step: Step) -> None:
            if step.number == number:
                raise StopInversion

        return on_step

    wished = attacker.plan("class", steps=4, **WISH)
    early = attacker.reconstruct(subjects, wished, on_step=stop_at(2))
    assert (early.steps, early.stopped) == (2, True)
    stopped = attacker.reconstruct(subjects, attacker.plan("class", steps=4), on_step=stop_at(2))
    torch.testing.assert_close(early.images, wished.appearance.given_to(stopped.images))
    late = attacker.reconstruct(subjects, wished, on_step=stop_at(6))
    assert (late.steps, late.stopped) == (6, True)
