"""The plan of an attack: every decision, as `arcinvert.resolve` made it."""

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from arcinvert.inversion import retries
from arcinvert.inversion.appearance import LEARNING_RATE, UNCHANGED, Appearance
from arcinvert.inversion.schedule import Schedule, plan_stages
from arcinvert.recipes import KnowledgeName, RecipeName, TargetKind


@dataclass(frozen=True)
class PlannedPenalty:
    """A penalty of a plan: its name in `PENALTIES`, and its effective weight."""

    name: str
    weight: float


@dataclass(frozen=True)
class PlannedAugmentation:
    """The augmentation of a plan; see `arcinvert.inversion.augmentation.Augmentation`."""

    flip: bool
    shift: int
    scale: float
    wrap: bool
    feature_dropout: float


@dataclass(frozen=True)
class AttackPlan:
    """A complete plan of an attack: nothing is left open, and nothing is decided later.

    Args:
        target: Whether classes (closed-set) or templates (open-set) are attacked.
        recipe: The recipe's name.
        changes: The options that were given and differ from the recipe, and from what follows from it.
        knowledge: What the attack knows besides the target: `synthetic-faces` where what was measured on
            them is used, `weights` where nothing made of faces is.
        knowledge_used: What of public faces is used, by kind; empty where nothing is.
        samples: Reconstructions of each identity.
        seed: The seed of all random numbers.
        batch_size: The number of images optimised together.
        steps: Optimiser steps of each image that is kept.
        restarts: The number of restarts.
        restart_steps: Optimiser steps of each restart, from 1 to `steps`; the best one alone takes the rest.
        retries: How often images that stay unlike their targets are attacked again; see
            `arcinvert.inversion.retries`.
        preparation_steps: Optimiser steps that the initialisation needs once for each network.
        learning_rate: The highest learning rate.
        warm_up: The fraction of the steps in which the learning rate rises.
        low_resolution: The fraction of the steps at half the size.
        average: The fraction of the steps whose images are averaged.
        early_stopping: The largest gain at which a batch counts as converged; None never stops early.
        initialisation: The name in `INITIALISATIONS`.
        parametrisation: The name in `PARAMETRISATIONS`.
        regression_blend: The fraction of the result that is the regression's face.
        skin_tone: Whether the result gets the skin tone of public faces with similar templates.
        loss: The name in `LOSSES`.
        loss_scale: The scale of the loss.
        loss_margin: The margin of the loss, radians; 0 where it has none.
        whiten_centres: Whether class centres are whitened in the loss.
        whiten_neighbours: Whether templates of public faces are whitened when neighbours are searched.
        penalties: The penalties with effective weights.
        augmentation: The augmentation.
        appearance: The pose and the expression that the images are given.
        appearance_steps: Optimiser steps of each image after it was given them.
        size: The side in pixels that they are then given; None keeps that of the network's input.
        notes: Sentences about what was left out and why.
    """

    target: TargetKind
    recipe: RecipeName
    changes: dict[str, Any]
    knowledge: KnowledgeName | Literal["synthetic-faces"]
    knowledge_used: dict[str, str]
    samples: int
    seed: int
    batch_size: int
    steps: int
    restarts: int
    restart_steps: int
    retries: int
    preparation_steps: int
    learning_rate: float
    warm_up: float
    low_resolution: float
    average: float
    early_stopping: float | None
    initialisation: str
    parametrisation: str
    regression_blend: float
    skin_tone: bool
    loss: str
    loss_scale: float
    loss_margin: float
    whiten_centres: bool
    whiten_neighbours: bool
    penalties: tuple[PlannedPenalty, ...]
    augmentation: PlannedAugmentation
    appearance: Appearance = UNCHANGED
    appearance_steps: int = 0
    size: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def steps_per_batch(self) -> int:
        """Optimiser steps of a batch, all restarts together, without the preparation and further attempts."""
        return self.steps_per_attempt + self.appearance_steps

    @property
    def steps_per_attempt(self) -> int:
        """Optimiser steps of all restarts together, and of the one that is kept."""
        return self.restarts * self.restart_steps + self.steps - self.restart_steps

    @property
    def most_further_steps(self) -> int:
        """Optimiser steps of a batch in all further attempts that there may be."""
        return self.retries * self.steps_per_attempt

    @property
    def stages(self) -> tuple[Schedule, ...]:
        """The schedules of one restart."""
        return self._stages(self.restart_steps, low_resolution=self.low_resolution)

    @property
    def retry_stages(self) -> tuple[Schedule, ...]:
        """The schedules of one restart of a further attempt."""
        return tuple(
            replace(stage, learning_rate=stage.learning_rate * retries.LEARNING_RATE) for stage in self.stages
        )

    @property
    def retry_augmentation(self) -> PlannedAugmentation:
        """The augmentation in the restarts of a further attempt."""
        first = self.augmentation
        return replace(
            first,
            shift=max(first.shift, min(round(first.shift * retries.SHIFT), retries.WIDEST_SHIFT)),
            scale=max(first.scale, min(first.scale * retries.SCALE, retries.WIDEST_SCALE)),
        )

    @property
    def last_stages(self) -> tuple[Schedule, ...]:
        """The schedules of the steps after the restarts; none where the restarts are whole."""
        rest = self.steps - self.restart_steps
        return self._stages(rest, low_resolution=0.0) if rest else ()

    @property
    def appearance_stage(self) -> Schedule:
        """The schedule of the steps after the images were given a pose or an expression."""
        return Schedule(self.appearance_steps, LEARNING_RATE, warm_up=self.warm_up)

    def _stages(self, steps: int, *, low_resolution: float) -> tuple[Schedule, ...]:
        return plan_stages(
            steps,
            self.learning_rate,
            warm_up=self.warm_up,
            low_resolution=low_resolution,
            average=self.average,
            early_stopping=self.early_stopping,
        )

    def steps_within(self, work: int) -> int:
        """Return the largest `steps` with which a batch of this plan takes at most `work` optimiser steps.

        Restarts are as short as here where they are shorter than the whole, and otherwise whole.
        """
        work -= self.appearance_steps
        shorter = self.restarts * self.restart_steps <= work and self.restart_steps < self.steps
        return work - (self.restarts - 1) * self.restart_steps if shorter else work // self.restarts

    def describe(self) -> dict[str, Any]:
        """Return the plan as JSON, every field by its name."""
        described = asdict(self)
        described["penalties"] = {penalty.name: penalty.weight for penalty in self.penalties}
        described["notes"] = list(self.notes)
        return described


def length_text(steps: int, restarts: int = 1, restart_steps: int | None = None) -> str:
    """Return how long each reconstruction is optimised.

    Args:
        steps: Optimiser steps of the one that is kept.
        restarts: How many are begun.
        restart_steps: After how many steps the best is kept; None stands for all of them.
    """
    if restarts == 1:
        return f"{steps} steps"
    if restart_steps is None or restart_steps == steps:
        return f"the best of {restarts} restarts of {steps} steps"
    return f"the best of {restarts} restarts of {restart_steps} steps and {steps - restart_steps} more steps"
