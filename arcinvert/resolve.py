"""Every decision about an attack, made once, from options, network, knowledge and kind of target."""

from dataclasses import replace
from typing import Any, Literal

from arcinvert.inversion.initialisation import INITIALISATIONS
from arcinvert.inversion.initialisation.base import Initialisation
from arcinvert.inversion.parametrisations import PARAMETRISATIONS
from arcinvert.inversion.parametrisations.base import AugmentationStrength, Parametrisation
from arcinvert.inversion.penalties import PENALTIES
from arcinvert.inversion.penalties.base import Penalty, Setting
from arcinvert.inversion.size import SIZES
from arcinvert.inversion.targets import LOSSES
from arcinvert.knowledge.activation_statistics import statistics_layers
from arcinvert.knowledge.knowledge import Knowledge
from arcinvert.knowledge.mapped_decoder import MappedDecoder
from arcinvert.knowledge.regression import REGRESSION_BLEND
from arcinvert.knowledge.skin_tone import (
    FEWEST_FACES,
    NeighbourTone,
    SkinTone,
    is_of_photographs,
    skin_tone_of,
)
from arcinvert.options import AttackOptions
from arcinvert.plan import AttackPlan, PlannedAugmentation, PlannedPenalty
from arcinvert.recipes import KnowledgeName, TargetKind, preset
from recognition.errors import InputError
from recognition.recogniser import Recogniser

#: What the principal components were made of.
_FACE_PCA = "single-photograph training faces of the bundled network (LFW)"


def resolve(
    options: AttackOptions, recogniser: Recogniser, knowledge: Knowledge, target: TargetKind
) -> AttackPlan:
    """Decide everything about an attack.

    Options that were given come first, then the recipe's, then what suits the network, the knowledge and the
    target.

    Args:
        options: What the user gave.
        recogniser: The attacked network.
        knowledge: All that could be known of public faces.
        target: What is attacked.

    Raises:
        InputError: If options contradict each other, the network or the knowledge.
    """
    plan = _decide(options, recogniser, knowledge, target)
    defaults = preset(options.recipe, options.knowledge)[1].values(target)

    def matters(name: str) -> bool:
        """Return whether the plan would be another without an option that the recipe leaves open."""
        left_out: dict[str, Any] = {name: None}
        try:
            return _decide(replace(options, **left_out), recogniser, knowledge, target) != plan
        except InputError:
            return True

    changes = {
        name: value
        for name, value in _changes(options.given(), defaults).items()
        if name == "penalty" or defaults.get(name) is not None or matters(name)
    }
    return replace(plan, changes=changes)


def _decide(
    options: AttackOptions, recogniser: Recogniser, knowledge: Knowledge, target: TargetKind
) -> AttackPlan:
    """Return the plan, without the changes of the recipe."""
    level, recipe = preset(options.recipe, options.knowledge)
    defaults, given = recipe.values(target), options.given()
    values = defaults | {name: value for name, value in given.items() if name != "penalty"}
    knowledge = knowledge.at(level)
    if level == "weights":
        _check_weights_only(given)
    initialisation_name, initialisation = _initialisation(values, recogniser, knowledge)
    parametrisation_name, parametrisation = _parametrisation(
        values, initialisation_name, initialisation, knowledge, recogniser.name
    )
    blend = _blend(values, recogniser, knowledge, target, initialisation_name)
    tone = _skin_tone(values, recogniser, knowledge, initialisation_name)
    loss = _loss(values, target)
    setting = Setting(recogniser, parametrisation, knowledge.statistics)
    penalties, notes = _penalties(defaults["penalty"], given.get("penalty", {}), setting)
    is_class = LOSSES[loss].needs_classes
    centres = recogniser.centres
    steps = _first(values["steps"], parametrisation.steps)
    restarts = _first(values["restarts"], initialisation.restarts, parametrisation.restarts if steps else 1)
    used = _knowledge_used(
        knowledge, initialisation_name, parametrisation_name, blend, tone, penalties, setting
    )
    decoder_notes = (
        (knowledge.decoder.described(recogniser.name),)
        if "decoder_map" in used and isinstance(knowledge.decoder, MappedDecoder)
        else ()
    )
    # Without a step nothing is asked of the network, after a deformation neither.
    appearance_steps = options.appearance.steps if steps else 0
    if options.appearance.is_wanted:
        used["deformations"] = "training faces of the bundled networks (LFW), labelled by landmarks"
    if appearance_steps:
        used["face_pca"] = _FACE_PCA
    size = None if options.size == recogniser.input_size else options.size
    if size == SIZES[-1]:
        used["upsampler"] = "training faces of the bundled networks (LFW)"
    return AttackPlan(
        target=target,
        recipe=options.recipe,
        changes={},
        knowledge=_level(used),
        knowledge_used=used,
        samples=options.samples,
        seed=options.seed,
        batch_size=values["batch_size"],
        steps=steps,
        restarts=restarts,
        restart_steps=_restart_steps(values["restart_steps"], initialisation, steps, restarts),
        retries=_retries(values["retries"], initialisation, parametrisation, steps),
        preparation_steps=initialisation.preparation_steps,
        learning_rate=_first(values["learning_rate"], parametrisation.learning_rate),
        warm_up=values["warm_up"],
        low_resolution=values["low_resolution"],
        average=values["average"],
        early_stopping=values.get("early_stopping"),
        initialisation=initialisation_name,
        parametrisation=parametrisation_name,
        regression_blend=blend,
        skin_tone=tone is not None,
        loss=loss,
        loss_scale=_first(values["loss_scale"], recogniser.scale if is_class else 1.0),
        loss_margin=_first(values["loss_margin"], recogniser.margin) if is_class else 0.0,
        # As few centres as dimensions leave some directions without variance.
        whiten_centres=bool(
            values["whiten"] and is_class and centres is not None and len(centres) > centres.shape[1]
        ),
        whiten_neighbours=bool(values["whiten"]),
        penalties=penalties,
        augmentation=_augmentation(values, initialisation, parametrisation),
        appearance=options.appearance,
        appearance_steps=appearance_steps,
        size=size,
        notes=(*knowledge.notes, *notes, *decoder_notes),
    )


def uses_measured_faces(options: AttackOptions) -> bool:
    """Return whether an attack by these options starts from, or asks for, what was measured on faces."""
    level, _ = preset(options.recipe, options.knowledge)
    if level == "weights":
        return False
    measured = bool(options.regression_blend) or bool(options.penalty.get("bn-per-position"))
    return measured or options.initialisation in (None, "nearest-neighbours", "regression")


def uses_decoder(options: AttackOptions) -> bool:
    """Return whether an attack by these options asks for a decoder."""
    level, _ = preset(options.recipe, options.knowledge)
    return level != "weights" and "decoder" in (options.initialisation, options.parametrisation)


def _restart_steps(given: int | None, initialisation: type[Initialisation], steps: int, restarts: int) -> int:
    if restarts == 1:
        # There is nothing to choose from, and one schedule over all steps is the better one.
        return steps
    return min(steps, _first(given, initialisation.restart_steps, steps))


def _retries(
    given: int | None,
    initialisation: type[Initialisation],
    parametrisation: type[Parametrisation],
    steps: int,
) -> int:
    # With fewer steps than the attack needs, no image is as similar as it would be.
    enough = steps >= parametrisation.steps
    return _first(given, initialisation.retries if enough else 0)


def _first(*values: Any) -> Any:
    """Return the first value that is not None."""
    return next(value for value in values if value is not None)


def _changes(given: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Return the given options that differ from the recipe's."""
    changes = {
        name: value for name, value in given.items() if name not in defaults or value != defaults[name]
    }
    if "penalty" in changes:
        weights = changes["penalty"]
        changes["penalty"] = {
            name: weight for name, weight in weights.items() if weight != defaults["penalty"].get(name, 0)
        }
    return {name: value for name, value in changes.items() if value != {}}


def _check_weights_only(given: dict[str, Any]) -> None:
    """Refuse what is made of public faces where the attacker knows the weights alone."""
    refused = {
        "initialisation": [name for name in INITIALISATIONS if INITIALISATIONS[name].of_public_faces],
        "parametrisation": [name for name in PARAMETRISATIONS if PARAMETRISATIONS[name].of_public_faces],
    }
    for name, made_of_faces in refused.items():
        if given.get(name) in made_of_faces:
            raise InputError(
                f"{name}: expected one that is made of no faces with knowledge of the weights alone, got "
                f"{given[name]}"
            )
    if given.get("regression_blend"):
        raise InputError(
            "regression_blend: expected 0 with knowledge of the weights alone, got "
            f"{given['regression_blend']}: the regression is fitted on public faces"
        )
    for name in ("yaw", "pitch", "expression", "age"):
        if name in given:
            raise InputError(
                f"{name}: expected none with knowledge of the weights alone, got {given[name]}: "
                "deformations were fitted on public faces; use --knowledge public-faces"
            )
    if given.get("size") == SIZES[-1]:
        raise InputError(
            f"size: expected {SIZES[0]} with knowledge of the weights alone, got {SIZES[-1]}: the upsampler "
            "was trained on public faces; use --knowledge public-faces"
        )
    if given.get("skin_tone"):
        raise InputError(
            "skin_tone: expected no with knowledge of the weights alone, got yes: tones are those of public "
            "faces"
        )


def _initialisation(
    values: dict[str, Any], recogniser: Recogniser, knowledge: Knowledge
) -> tuple[str, type[Initialisation]]:
    name = values["initialisation"]
    if name is None:
        name = next(
            one for one in INITIALISATIONS if not INITIALISATIONS[one].missing(knowledge, recogniser.name)
        )
    elif lacks := INITIALISATIONS[name].missing(knowledge, recogniser.name):
        raise InputError(f"initialisation: {lacks}")
    return name, INITIALISATIONS[name]


def _parametrisation(
    values: dict[str, Any],
    initialisation_name: str,
    initialisation: type[Initialisation],
    knowledge: Knowledge,
    network: str,
) -> tuple[str, type[Parametrisation]]:
    name = values["parametrisation"]
    if name is None:
        # Without a step the initial images themselves are the result.
        name = "face-pca" if initialisation.of_public_faces and values["steps"] != 0 else "pixels"
    chosen = PARAMETRISATIONS[name]
    if lacks := chosen.missing(knowledge, network):
        raise InputError(f"parametrisation: {lacks}")
    if chosen.of_public_faces and not initialisation.of_public_faces:
        raise InputError(
            f"parametrisation: expected pixels or fourier with {initialisation_name}, got {name}"
        )
    return name, chosen


def _blend(
    values: dict[str, Any],
    recogniser: Recogniser,
    knowledge: Knowledge,
    target: TargetKind,
    initialisation: str,
) -> float:
    blend = values["regression_blend"]
    if blend is None and (values["steps"] == 0 or initialisation == "decoder"):
        # The decoder's face is nearer to the person than the regression's, which would only blur it.
        return 0.0
    if blend is None:
        return REGRESSION_BLEND if knowledge.regression is not None and target == "class" else 0.0
    if blend and (lacks := knowledge.regression_missing(recogniser.name)):
        raise InputError(f"regression_blend: {lacks}")
    return float(blend)


def _skin_tone(
    values: dict[str, Any], recogniser: Recogniser, knowledge: Knowledge, initialisation: str
) -> SkinTone | None:
    wanted, tone = values["skin_tone"], skin_tone_of(knowledge, initialisation)
    if wanted is None:
        # Without a step the decoder's faces are the result.
        changes = values["steps"] != 0 or isinstance(tone, NeighbourTone)
        wanted = changes and is_of_photographs(tone, knowledge)
    if wanted and tone is None:
        raise InputError(
            f"skin_tone: expected at least {FEWEST_FACES} public faces with templates of {recogniser.name}, "
            f"found {len(knowledge.nearest_neighbours or ())}; embed some (arcinvert calibrate --model "
            "MODEL --images FACES)"
        )
    return tone if wanted else None


def _loss(values: dict[str, Any], target: TargetKind) -> str:
    name = str(values["loss"])
    if LOSSES[name].needs_classes and target != "class":
        others = " or ".join(one for one in LOSSES if not LOSSES[one].needs_classes)
        raise InputError(f"loss: expected {others} for a template, got {name}")
    return name


def _penalties(
    of_recipe: dict[str, float | None], given: dict[str, float], setting: Setting
) -> tuple[tuple[PlannedPenalty, ...], tuple[str, ...]]:
    """Return the penalties in the registry's order; those of the recipe that lack something are left out."""
    planned, notes = [], []
    weights = of_recipe | given
    for name in PENALTIES:
        if name not in weights:
            continue
        weight, penalty = _weight(name, weights[name], setting.parametrisation), PENALTIES[name]
        if not weight:
            continue
        if lacks := penalty.missing(setting):
            if name in given:
                raise InputError(f"penalty {name}: {lacks}")
            if penalty.of_activations:
                notes.append(f"{setting.recogniser.name} is attacked without the penalty {name}: {lacks}.")
            continue
        planned.append(PlannedPenalty(name, weight * _factor(penalty, setting.parametrisation)))
    return tuple(planned), tuple(notes)


def _weight(name: str, weight: float | None, parametrisation: type[Parametrisation]) -> float:
    if weight is not None:
        return weight
    of_parametrisation = {**Parametrisation.penalty_weights, **parametrisation.penalty_weights}
    if name not in of_parametrisation:
        raise InputError(f"penalty {name}: expected a weight, got none")
    return of_parametrisation[name]


def _factor(penalty: type[Penalty], parametrisation: type[Parametrisation]) -> float:
    return parametrisation.activation_penalty_factor if penalty.of_activations else 1.0


def _augmentation(
    values: dict[str, Any], initialisation: type[Initialisation], parametrisation: type[Parametrisation]
) -> PlannedAugmentation:
    suits: AugmentationStrength = (
        initialisation.near and parametrisation.augmentation_near
    ) or parametrisation.augmentation
    strengths = {
        entry: _first(values[entry], getattr(suits, entry)) for entry in AugmentationStrength._fields
    }
    return PlannedAugmentation(flip=values["flip"], wrap=values["wrap"], **strengths)


def _knowledge_used(
    knowledge: Knowledge,
    initialisation: str,
    parametrisation_name: str,
    blend: float,
    tone: SkinTone | None,
    penalties: tuple[PlannedPenalty, ...],
    setting: Setting,
) -> dict[str, str]:
    """Return what of public faces an attack uses, by kind."""
    used: dict[str, str] = {}
    parametrisation = setting.parametrisation
    if initialisation == "mean-face":
        used["mean_face"] = knowledge.mean_face_source
    faces = knowledge.statistics.template_faces if knowledge.statistics else "public faces"
    uses_neighbours = initialisation == "nearest-neighbours" or isinstance(tone, NeighbourTone)
    if uses_neighbours and knowledge.nearest_neighbours is not None:
        used["nearest_neighbours"] = f"{len(knowledge.nearest_neighbours):,} {faces}"
    if (initialisation == "regression" or blend) and knowledge.regression is not None:
        used["regression"] = f"{knowledge.regression.count:,} {faces}"
    if "decoder" in (initialisation, parametrisation_name) and knowledge.decoder is not None:
        used["decoder"] = knowledge.decoder.faces
        if isinstance(knowledge.decoder, MappedDecoder):
            used["decoder_map"] = f"{knowledge.decoder.between.faces:,} {faces}"
    if {"nearest_neighbours", "regression", "decoder"} & set(used) or parametrisation.of_public_faces:
        used["face_pca"] = _FACE_PCA
    if knowledge.statistics is not None and any(
        PENALTIES[penalty.name].of_activations
        and (penalty.name == "bn-per-position" or not statistics_layers(setting.recogniser))
        for penalty in penalties
    ):
        used["statistics"] = f"{knowledge.statistics.images:,} {knowledge.statistics.faces}"
    return used


def _level(used: dict[str, str]) -> KnowledgeName | Literal["synthetic-faces"]:
    if any(text.endswith("synthetic faces") for text in used.values()):
        return "synthetic-faces"
    return "public-faces" if used else "weights"
