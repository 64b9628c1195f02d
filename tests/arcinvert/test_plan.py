"""Plans, against expectations that are written by hand: every decision, for every recipe and target."""

import json
from dataclasses import FrozenInstanceError, fields, replace
from typing import Any

import pytest

import arcinvert.knowledge.skin_tone as skin_tone_module
from arcinvert.inversion.appearance import Appearance
from arcinvert.options import AttackOptions
from arcinvert.plan import AttackPlan, PlannedAugmentation, PlannedPenalty
from arcinvert.resolve import resolve
from recognition.errors import InputError
from tests.arcinvert.inversion.initialisation.knowledge import no_statistics
from tests.arcinvert.plans import CALIBRATE, known, network, penalties, plan, without_batch_norm

DEFORMATIONS = "training faces of the bundled networks (LFW), labelled by landmarks"
UPSAMPLER = "training faces of the bundled networks (LFW)"
PCA = {"face_pca": "single-photograph training faces of the bundled network (LFW)"}


#: The plan of the default attack on a class of a network about which nothing was measured.
DEFAULT = AttackPlan(
    target="class",
    recipe="arcinvert",
    changes={},
    knowledge="public-faces",
    knowledge_used={"mean_face": "made up"} | PCA,
    samples=1,
    seed=0,
    batch_size=16,
    steps=50,
    restarts=1,
    restart_steps=50,
    retries=0,
    preparation_steps=0,
    learning_rate=0.1,
    warm_up=0.05,
    low_resolution=0.0,
    average=0.0,
    early_stopping=None,
    initialisation="mean-face",
    parametrisation="face-pca",
    regression_blend=0.0,
    skin_tone=False,
    loss="arcface",
    loss_scale=16.0,
    loss_margin=1.0,
    whiten_centres=True,
    whiten_neighbours=True,
    # No statistics of activations along the face PCA.
    penalties=penalties(tv=2.0, colour_tv=1.0, pca_prior=0.3),
    augmentation=PlannedAugmentation(flip=True, shift=6, scale=0.15, wrap=False, feature_dropout=0.4),
)
WEIGHTS = replace(
    DEFAULT,
    knowledge="weights",
    knowledge_used={},
    restarts=12,
    preparation_steps=120,
    learning_rate=0.05,
    initialisation="mean-face-from-weights",
    parametrisation="pixels",
    steps=100,
    restart_steps=25,
    penalties=penalties(tv=2.0, colour_tv=4.0, bn=1.0),
    augmentation=PlannedAugmentation(flip=True, shift=2, scale=0.0, wrap=False, feature_dropout=0.0),
)
PAPER = replace(
    WEIGHTS,
    recipe="paper",
    batch_size=256,
    steps=20_000,
    restarts=1,
    restart_steps=20_000,
    preparation_steps=0,
    learning_rate=0.125,
    initialisation="noise",
    loss_scale=64.0,
    loss_margin=0.5,
    whiten_centres=False,
    whiten_neighbours=False,
    penalties=penalties(tv_norm=1e-3, l2_norm=1e-4, bn_arcface=0.05),
    augmentation=PlannedAugmentation(flip=False, shift=0, scale=0.0, wrap=False, feature_dropout=0.0),
)
DEEPINVERSION = replace(
    PAPER,
    recipe="deepinversion",
    batch_size=84,
    steps=3000,
    restart_steps=3000,
    warm_up=100 / 3000,
    low_resolution=2 / 3,
    loss_margin=0.0,
    penalties=penalties(tv_norm=1e-4, l2_norm=1e-5, bn_deepinversion=0.01),
    augmentation=PlannedAugmentation(flip=True, shift=15, scale=0.0, wrap=True, feature_dropout=0.0),
)
OF_TEMPLATES: dict[str, Any] = {
    "target": "template",
    "loss": "cosine",
    "loss_scale": 1.0,
    "loss_margin": 0.0,
    "whiten_centres": False,
}
EUCLIDEAN: dict[str, Any] = {**OF_TEMPLATES, "loss": "euclidean", "loss_scale": 64.0}


@pytest.mark.parametrize(
    ("options", "expected", "of_templates"),
    [
        ({}, DEFAULT, OF_TEMPLATES),
        ({"recipe": "arcinvert", "knowledge": "public-faces"}, DEFAULT, OF_TEMPLATES),
        ({"knowledge": "weights"}, WEIGHTS, OF_TEMPLATES),
        ({"recipe": "paper"}, PAPER, EUCLIDEAN),
        ({"recipe": "paper", "knowledge": "weights"}, PAPER, EUCLIDEAN),
        ({"recipe": "deepinversion"}, DEEPINVERSION, EUCLIDEAN),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) and "loss" not in value else "",
)
def test_the_plan_of_every_recipe_level_and_target(
    options: dict[str, Any], expected: AttackPlan, of_templates: dict[str, Any]
) -> None:
    assert plan("class", **options) == expected
    assert plan("template", **options) == replace(expected, **of_templates)


def test_a_decoder_comes_between_neighbours_and_regression() -> None:
    decoded = plan("template", faces=known(regression=True, decoder=True))
    assert (decoded.initialisation, decoded.parametrisation) == ("decoder", "face-pca")
    assert decoded.knowledge_used == {"decoder": "60 faces of nobody"} | PCA
    # Of a class too, nothing of the regression's face is mixed in unless it is asked for.
    of_class = plan("class", faces=known(regression=True, decoder=True))
    assert (of_class.initialisation, of_class.regression_blend) == ("decoder", 0.0)
    asked = plan("class", faces=known(regression=True, decoder=True), regression_blend=0.25)
    assert asked.regression_blend == 0.25
    both = plan("template", faces=known(neighbours=True, regression=True, decoder=True))
    assert both.initialisation == "nearest-neighbours"


def test_with_a_regression_half_of_a_classs_image_is_its_face() -> None:
    used = {"regression": "60 public faces"} | PCA
    knowledge = known(regression=True)
    expected = replace(DEFAULT, knowledge_used=used, initialisation="regression", regression_blend=0.5)
    assert plan("class", faces=knowledge) == expected
    assert plan("template", faces=knowledge) == replace(expected, **OF_TEMPLATES, regression_blend=0.0)
    assert plan("template", faces=knowledge, regression_blend=0.25).regression_blend == 0.25
    assert plan("class", faces=knowledge, regression_blend=0.0).regression_blend == 0.0


def test_a_pose_is_given_at_the_end_with_steps_of_its_own_and_changes_nothing_else() -> None:
    wish = Appearance(yaw=20.0, expression="smile")
    expected = replace(
        DEFAULT,
        changes={"yaw": 20.0, "expression": "smile"},
        knowledge_used={"mean_face": "made up"} | PCA | {"deformations": DEFORMATIONS},
        appearance=wish,
        appearance_steps=10,
    )
    assert plan("class", yaw=20.0, expression="smile") == expected
    assert expected.steps_per_batch == DEFAULT.steps_per_batch + 10
    assert expected.steps_within(70) == DEFAULT.steps_within(60) == 60
    assert (expected.appearance_stage.steps, expected.appearance_stage.learning_rate) == (10, 0.05)
    # Nothing moves by zero degrees, and an attack without a step has none after the deformation either.
    assert plan("class", yaw=0.0, pitch=0.0).appearance_steps == 0
    assert plan("class", yaw=20.0, steps=0).appearance_steps == 0
    # What is optimised after the deformation is made of public faces, whatever was before it.
    assert "face_pca" not in plan("class", parametrisation="pixels").knowledge_used
    assert plan("class", parametrisation="pixels", yaw=20.0).knowledge_used["face_pca"] == PCA["face_pca"]
    assert plan("class", faces=known(regression=True), yaw=0.0).regression_blend == 0.5
    assert json.loads(json.dumps(plan("template", pitch=-5.0).describe()))["appearance"] == {
        "yaw": None,
        "pitch": -5.0,
        "expression": None,
        "age": None,
    }


def test_a_size_is_given_at_the_end_and_changes_nothing_else() -> None:
    expected = replace(
        DEFAULT,
        changes={"size": 224},
        knowledge_used={"mean_face": "made up"} | PCA | {"upsampler": UPSAMPLER},
        size=224,
    )
    assert plan("class", size=224) == expected
    # The network takes fewer pixels.
    assert plan("class", knowledge="weights", size=112).size == 112
    usual = network()
    usual.preprocessing = replace(usual.preprocessing, input_size=112)
    assert plan("class", recogniser=usual, size=112) == plan("class", recogniser=usual)


def test_skin_tone_needs_enough_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    few = known(neighbours=True)
    assert not plan("template", faces=few).skin_tone
    with pytest.raises(
        InputError, match=r"skin_tone: expected at least 500 public faces .*, found 60; embed"
    ):
        plan("template", faces=few, skin_tone=True)
    monkeypatch.setattr(skin_tone_module, "FEWEST_FACES", 60)
    assert plan("template", faces=few).skin_tone
    assert not plan("template", faces=few, skin_tone=False).skin_tone
    other = plan("template", faces=few, initialisation="mean-face", skin_tone=True)
    assert other.knowledge_used["nearest_neighbours"] == "60 public faces"
    assert not plan("template", faces=few, recipe="paper").skin_tone
    assert few.statistics is not None
    synthetic = replace(few, statistics=replace(few.statistics, template_faces="synthetic faces"))
    assert not plan("template", faces=synthetic).skin_tone
    assert plan("template", faces=synthetic, skin_tone=True).skin_tone


def test_the_tone_of_a_decoder_that_learned_from_photographs() -> None:
    decoded = known(decoder=True)
    default = plan("class", faces=decoded)
    assert default.skin_tone
    assert "nearest_neighbours" not in default.knowledge_used
    # Nothing changes the decoder's own face.
    assert not plan("class", faces=decoded, steps=0).skin_tone
    assert not plan("class", faces=decoded, skin_tone=False).skin_tone
    assert not plan("class", faces=decoded, initialisation="mean-face").skin_tone
    assert decoded.decoder is not None
    decoded.decoder.faces = "60 synthetic faces"  # type: ignore[misc]
    assert not plan("class", faces=decoded).skin_tone
    assert plan("class", faces=decoded, skin_tone=True).skin_tone


def test_with_nearest_neighbours_there_are_short_restarts_and_weaker_augmentation() -> None:
    knowledge = known(neighbours=True, regression=True)
    near = PlannedAugmentation(flip=True, shift=4, scale=0.1, wrap=False, feature_dropout=0.0)
    expected = replace(
        DEFAULT,
        knowledge_used={"nearest_neighbours": "60 public faces", "regression": "60 public faces"} | PCA,
        restarts=5,
        restart_steps=12,
        retries=2,
        initialisation="nearest-neighbours",
        regression_blend=0.5,
        augmentation=near,
    )
    assert plan("class", faces=knowledge) == expected
    assert plan("template", faces=knowledge) == replace(
        expected,
        **OF_TEMPLATES,
        knowledge_used={"nearest_neighbours": "60 public faces"} | PCA,
        regression_blend=0.0,
    )


@pytest.mark.parametrize(
    ("options", "expected"), [({"knowledge": "weights"}, WEIGHTS), ({"recipe": "paper"}, PAPER)]
)
def test_the_weights_alone_use_nothing_that_was_measured(
    options: dict[str, Any], expected: AttackPlan
) -> None:
    knowledge = known(neighbours=True, regression=True, layers=True)
    assert plan(faces=knowledge, **options) == expected


def test_a_parametrisation_has_its_own_length_and_augmentation() -> None:
    pixels = plan(parametrisation="pixels")
    assert (pixels.steps, pixels.restarts, pixels.learning_rate) == (100, 3, 0.05)
    assert pixels.penalties == penalties(tv=2.0, colour_tv=4.0, bn=1.0)
    assert pixels.augmentation == WEIGHTS.augmentation
    assert (pixels.knowledge, pixels.knowledge_used) == ("public-faces", {"mean_face": "made up"})
    fourier = plan(parametrisation="fourier", initialisation="noise", steps=7, restarts=2, shift=5)
    assert (fourier.steps, fourier.restarts, fourier.learning_rate) == (7, 2, 0.2)
    assert fourier.augmentation == replace(WEIGHTS.augmentation, shift=5)
    # Neither noise nor Fourier coefficients are made of faces.
    assert (fourier.knowledge, fourier.knowledge_used) == ("weights", {})
    near = plan(parametrisation="pixels", faces=known(neighbours=True))
    assert (near.restarts, near.augmentation) == (5, WEIGHTS.augmentation)


def test_what_is_given_wins_and_is_listed_as_a_change() -> None:
    given = {"steps": 7, "low_resolution": 0.25, "early_stopping": 0.01}
    weights = {"tv-norm": 0, "l2": 0.5}
    changed = plan(recipe="deepinversion", samples=3, seed=4, flip=False, penalty=weights, **given)
    assert changed == replace(
        DEEPINVERSION,
        **given,
        restart_steps=given["steps"],
        augmentation=replace(DEEPINVERSION.augmentation, flip=False),
        changes={**given, "flip": False, "penalty": {"tv-norm": 0.0, "l2": 0.5}},
        samples=3,
        seed=4,
        penalties=penalties(l2=0.5, l2_norm=1e-5, bn_deepinversion=0.01),
    )


@pytest.mark.parametrize(
    ("options", "changes"),
    [
        ({"recipe": "paper", "steps": 20_000, "flip": False, "loss": "arcface"}, {}),
        ({"penalty": {"tv": 2.0, "l2": 0, "colour-tv": None}}, {}),
        ({"penalty": {"tv": 2.0, "bn": 0.5}}, {"penalty": {"bn": 0.5}}),
        # The recipe leaves its weight open too.
        ({"penalty": {"bn": 0}}, {"penalty": {"bn": 0.0}}),
        ({"loss": "cosine"}, {"loss": "cosine"}),
        # The recipe leaves the number of steps open: the parametrisation's own is no change.
        ({"steps": plan().steps, "initialisation": plan().initialisation}, {}),
        ({"steps": plan().steps + 1}, {"steps": plan().steps + 1}),
        ({"samples": 5, "seed": 9, "knowledge": "weights"}, {}),
    ],
)
def test_changes_are_exactly_what_differs_from_the_recipe(
    options: dict[str, Any], changes: dict[str, Any]
) -> None:
    assert plan(**options).changes == changes


def test_weights_of_penalties() -> None:
    # Along the face PCA, a tenth of the weight of any penalty on activations, given or not.
    assert plan(penalty={"bn": 0.5}).penalties[-1] == PlannedPenalty("bn", 0.05)
    assert plan(penalty={"bn": 0.5}, parametrisation="pixels").penalties[-1] == PlannedPenalty("bn", 0.5)
    assert plan(penalty={"l2": 0.5}).penalties[2] == PlannedPenalty("l2", 0.5)
    every = {"tv": 0, "colour-tv": 0, "pca-prior": 0, "bn": 0}
    assert plan(penalty=every).penalties == ()
    # None means "not given", here too.
    assert plan(penalty={"tv": None, "l2": None}) == DEFAULT
    several = plan(penalty={"bn-per-image": 1.0, "bn": 0}, parametrisation="pixels")
    assert several.penalties == penalties(tv=2.0, colour_tv=4.0, bn_per_image=1.0)


def test_a_network_without_batch_norm_is_attacked_without_bn() -> None:
    plain = plan(recogniser=without_batch_norm(), parametrisation="pixels")
    lacks = f"expected BatchNorm layers with statistics, found none; {CALIBRATE}"
    assert plain.penalties == penalties(tv=2.0, colour_tv=4.0)
    assert plain.notes == (f"plain is attacked without the penalty bn: {lacks}.",)
    # Along the face PCA nothing is missed.
    assert plan(recogniser=without_batch_norm()) == replace(
        DEFAULT,
        loss_scale=64.0,
        # Three centres leave directions of the four without variance.
        whiten_centres=False,
    )
    assert plan(recogniser=without_batch_norm(), parametrisation="pixels", penalty={"bn": 0}).notes == ()
    for recipe, name in (("paper", "bn-arcface"), ("deepinversion", "bn-deepinversion")):
        published = plan(recogniser=without_batch_norm(), recipe=recipe)
        assert name not in {penalty.name for penalty in published.penalties}
        assert published.notes == (f"plain is attacked without the penalty {name}: {lacks}.",)
    with pytest.raises(InputError) as refused:
        plan(recogniser=without_batch_norm(), penalty={"bn": 1.0})
    assert str(refused.value) == f"penalty bn: {lacks}"


def test_measured_statistics_take_the_place_of_batch_norm() -> None:
    knowledge = known(layers=True)
    measured = plan(recogniser=without_batch_norm(), faces=knowledge, penalty={"bn": 1.0})
    assert measured.notes == ()
    assert measured.penalties == penalties(tv=2.0, colour_tv=1.0, pca_prior=0.3, bn=0.1)
    assert measured.knowledge_used == {
        "mean_face": "made up",
        **PCA,
        "statistics": "60 public faces",
    }
    weights = plan(recogniser=without_batch_norm(), faces=knowledge, recipe="paper")
    assert (weights.knowledge, weights.knowledge_used, len(weights.notes)) == ("weights", {}, 1)
    # A network's own statistics come first; those of positions are always measured.
    assert "statistics" not in plan(faces=knowledge, penalty={"bn": 1.0}).knowledge_used
    positions = plan(faces=knowledge, penalty={"bn": 0, "bn-per-position": 1.0})
    assert positions.knowledge_used["statistics"] == "60 public faces"
    assert positions.penalties[-1] == PlannedPenalty("bn-per-position", 0.1)


def test_the_loss_and_its_scale() -> None:
    own = plan(recipe="deepinversion", loss_scale=5.0, loss_margin=0.2)
    assert (own.loss_scale, own.loss_margin) == (5.0, 0.2)
    cosine = plan(loss="cosine")
    assert (cosine.loss, cosine.loss_scale, cosine.loss_margin, cosine.whiten_centres) == (
        "cosine",
        1.0,
        0.0,
        False,
    )
    assert plan("template", loss="euclidean").loss_scale == 1.0
    assert plan("template", loss="euclidean", loss_scale=3.0).loss_scale == 3.0
    assert not plan(whiten=False).whiten_centres
    assert not plan("template", whiten=False).whiten_neighbours


def test_a_backbone_alone_is_planned_for_templates() -> None:
    backbone = plan("template", recogniser=without_batch_norm(None), penalty={"bn": 0})
    assert backbone.loss == "cosine"


def test_a_plan_knows_its_steps_and_stages() -> None:
    published = plan(recipe="deepinversion", restarts=2, early_stopping=0.02, average=0.1)
    assert published.steps_per_batch == 6000
    half, full = published.stages
    assert (half.steps, half.low_resolution, half.average) == (2000, True, 0.0)
    assert (full.steps, full.low_resolution, full.average) == (1000, False, pytest.approx(0.3))
    assert {stage.learning_rate for stage in published.stages} == {0.125}
    assert {stage.early_stopping for stage in published.stages} == {0.02}
    assert published.last_stages == ()
    assert [stage.steps for stage in DEFAULT.stages] == [50]


def test_short_restarts_leave_the_rest_of_the_steps_to_the_image_that_is_kept() -> None:
    short = plan(faces=known(neighbours=True), low_resolution=0.5, average=0.1)
    assert (short.steps, short.restarts, short.restart_steps, short.steps_per_batch) == (50, 5, 12, 98)
    assert [(stage.steps, stage.low_resolution) for stage in short.stages] == [(6, True), (6, False)]
    assert [(stage.steps, stage.low_resolution) for stage in short.last_stages] == [(38, False)]

    def length(**options: Any) -> tuple[int, int, int]:
        found = plan(faces=known(neighbours=True), **options)
        return found.restart_steps, found.steps_per_batch, len(found.last_stages)

    assert length(restart_steps=10) == (10, 90, 1)
    assert length(restart_steps=50) == length(restart_steps=60) == (50, 250, 0)
    assert length(steps=5) == (5, 25, 0)
    # One restart has nothing to choose from.
    assert length(restarts=1) == length(restarts=1, restart_steps=7) == (50, 50, 0)
    assert length(initialisation="noise") == (100, 300, 0)
    assert length(initialisation="noise", restart_steps=20) == (20, 140, 1)


def test_images_are_attacked_again_from_nearest_neighbours_only_and_with_enough_steps() -> None:
    def retries(**options: Any) -> int:
        return plan(faces=known(neighbours=True), **options).retries

    assert retries() == retries(steps=50) == 2
    assert retries(steps=49) == retries(initialisation="mean-face") == 0
    assert retries(retries=0) == 0
    assert retries(retries=3, steps=5) == 3
    assert plan(knowledge="weights").retries == plan(recipe="paper").retries == 0


def test_restarts_of_further_attempts_move_further() -> None:
    made = plan(faces=known(neighbours=True))
    assert [stage.learning_rate for stage in made.stages] == [0.1]
    assert [stage.steps for stage in made.retry_stages] == [12]
    assert made.retry_stages[0].learning_rate == pytest.approx(0.6)
    assert (made.augmentation.shift, made.augmentation.scale) == (4, 0.1)
    assert made.retry_augmentation == replace(made.augmentation, shift=10, scale=0.2)
    # No wider than half an image, and never narrower than in the first attempt.
    wide = plan(faces=known(neighbours=True), shift=20, scale=0.4).retry_augmentation
    assert (wide.shift, wide.scale) == (28, 0.5)
    wider = plan(faces=known(neighbours=True), shift=40, scale=0.7).retry_augmentation
    assert (wider.shift, wider.scale) == (40, 0.7)


@pytest.mark.parametrize(
    ("options", "work", "steps"),
    [
        ({}, 98, 50),
        ({}, 61, 13),
        ({}, 59, 11),
        ({"restarts": 1}, 70, 70),
        ({"restart_steps": 60}, 250, 50),
        ({"restart_steps": 60}, 252, 50),
        ({}, 2, 0),
    ],
)
def test_steps_within_a_number_of_passes(options: dict[str, Any], work: int, steps: int) -> None:
    def made(**more: Any) -> AttackPlan:
        return plan(faces=known(neighbours=True), **options, **more)

    assert made().steps_within(work) == steps
    if steps:
        assert made(steps=steps).steps_per_batch <= work
        assert made(steps=steps + 1).steps_per_batch > work


def test_plans_are_frozen_and_do_not_share_what_they_are_made_of() -> None:
    options = AttackOptions(penalty={"bn": 0.5})
    made = resolve(options, network(), no_statistics(), "class")
    for frozen, name in ((made, "steps"), (made.penalties[0], "weight"), (made.augmentation, "shift")):
        with pytest.raises(FrozenInstanceError):
            setattr(frozen, name, 3)
    made.changes["penalty"]["bn"] = 9.0
    made.describe()["changes"]["penalty"]["bn"] = 8.0
    assert options.penalty == {"bn": 0.5}
    assert made.changes["penalty"]["bn"] == 9.0
    assert resolve(options, network(), no_statistics(), "class").changes == {"penalty": {"bn": 0.5}}


@pytest.mark.parametrize("made", [DEFAULT, WEIGHTS, PAPER, DEEPINVERSION], ids=lambda made: made.recipe)
def test_a_plan_describes_every_decision_as_json(made: AttackPlan) -> None:
    made = replace(made, notes=("A note.",), changes={"penalty": {"bn": 0.5}})
    described = made.describe()
    assert json.loads(json.dumps(described)) == described
    assert list(described) == [field.name for field in fields(AttackPlan)]
    assert described["penalties"] == {penalty.name: penalty.weight for penalty in made.penalties}
    assert described["augmentation"]["shift"] == made.augmentation.shift
    assert described["notes"] == ["A note."]
    assert described["early_stopping"] is None
    assert described["loss_scale"] == made.loss_scale
