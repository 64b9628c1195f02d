"""Progress: every step of a batch is counted once, through preparation, restarts and stages."""

import pytest
import torch

from arcinvert import Attacker, Step, StopInversion
from arcinvert.attack import Task
from arcinvert.evaluation.scores import Reference
from arcinvert.inversion.early_stopping import WINDOW
from arcinvert.inversion.progress import RunProgress, StepCounter, StepsInTurn
from arcinvert.subjects.subject import Subject
from tests.arcinvert.inversion.networks import SIZE, recogniser_with_statistics


def test_a_counter_numbers_steps_and_skips() -> None:
    reported: list[Step] = []
    counter = StepCounter(5, reported.append, batch=2, batches=3)
    images = torch.zeros(1)
    losses = {"identity": 0.5}
    counter.advance(losses, lambda: images)
    counter.skip(2)
    counter.advance({}, lambda: images)
    assert [step.number for step in reported] == [1, 4]
    assert counter.number == 4
    assert {(step.steps, step.batch, step.batches) for step in reported} == {(5, 2, 3)}
    assert reported[0].losses is losses
    assert reported[0].images() is images


def test_a_counter_without_a_callback_counts() -> None:
    counter = StepCounter(3)
    counter.advance({}, lambda: torch.zeros(1))
    assert (counter.number, counter.steps) == (1, 3)


def test_a_counter_lets_a_stop_through_after_counting() -> None:
    def stop(step: Step) -> None:
        raise StopInversion

    counter = StepCounter(3, stop)
    with pytest.raises(StopInversion):
        counter.advance({}, lambda: torch.zeros(1))
    assert counter.number == 1


def test_inversions_in_turn_count_as_one() -> None:
    seen: list[tuple[int, int]] = []
    steps = StepsInTurn(lambda step: seen.append((step.number, step.steps)), [2, 1, 0, 1])
    # The first one makes a further attempt.
    for number, all_steps in ((1, 2), (2, 2), (3, 4), (4, 4)):
        steps(Step(number, all_steps, {}, lambda: torch.zeros(1)))
    for part in range(1, 4):
        steps.end()
        if part != 2:
            steps(Step(1, 1, {}, lambda: torch.zeros(1)))
    assert seen == [(1, 4), (2, 4), (3, 6), (4, 6), (5, 6), (6, 6)]


@pytest.fixture
def attacker() -> Attacker:
    """An attacker of a network for images of 8x8 pixels."""
    return Attacker(recogniser_with_statistics(), device="cpu", precision="float32")


@pytest.fixture
def subjects(attacker: Attacker) -> list[Subject]:
    centres = attacker.recogniser.centres
    assert centres is not None
    return [Subject("class 0", 0, centres[0], Reference())]


@pytest.mark.usefixtures("_short_preparation")
@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"steps": 4}, 4),
        ({"steps": 4, "restarts": 3}, 12),
        ({"steps": 4, "restarts": 3, "restart_steps": 1}, 6),
        ({"steps": 5, "low_resolution": 0.4}, 5),
        ({"steps": 5, "low_resolution": 0.4, "restarts": 2}, 10),
        # Three steps find the mean face of the network.
        ({"steps": 2, "restarts": 2, "knowledge": "weights"}, 3 + 4),
        ({"steps": 4, "restarts": 2, "low_resolution": 0.5, "knowledge": "weights"}, 3 + 8),
    ],
    ids=lambda value: (
        "-".join(f"{name}={one}" for name, one in value.items()) if isinstance(value, dict) else ""
    ),
)
def test_steps_are_numbered_without_gap_or_repetition(
    options: dict[str, object], steps: int, attacker: Attacker, subjects: list[Subject]
) -> None:
    plan = attacker.plan("class", **options)
    reported: list[Step] = []
    inversion = attacker.reconstruct(subjects, plan, on_step=reported.append)
    assert plan.preparation_steps + plan.steps_per_batch == steps
    assert [step.number for step in reported] == list(range(1, steps + 1))
    assert {step.steps for step in reported} == {steps}
    assert inversion.steps == plan.steps_per_batch


@pytest.mark.usefixtures("_short_preparation")
def test_the_preparation_is_counted_in_the_first_batch_alone(
    attacker: Attacker, subjects: list[Subject]
) -> None:
    plan = attacker.plan("class", knowledge="weights", steps=2, restarts=1)
    reported: list[list[int]] = []
    for batch in range(2):
        numbers: list[int] = []
        attacker.reconstruct(
            subjects, plan, batch=batch, on_step=lambda step, to=numbers: to.append((step.number, step.steps))
        )
        reported.append(numbers)
    assert reported == [[(n, 5) for n in range(1, 6)], [(1, 2), (2, 2)]]


@pytest.mark.usefixtures("_short_preparation")
def test_a_run_counts_the_preparation_once(attacker: Attacker, subjects: list[Subject]) -> None:
    plan = attacker.plan("class", knowledge="weights", steps=2, restarts=1)
    tasks = [Task(subject, 0) for subject in subjects]
    progress, reported = RunProgress(), []

    def on_step(step: Step) -> None:
        reported.append(progress.of(step))

    for batch in range(3):
        attacker.run_batch(tasks, plan, batch=batch, batches=3, on_step=on_step)
    # Three steps of the preparation, and two of each batch.
    assert reported == [(number, 9) for number in range(1, 10)]
    # A run that goes on with its third batch of three.
    again, reported = RunProgress(), []
    attacker.run_batch(tasks, plan, batch=2, batches=3, on_step=lambda step: reported.append(again.of(step)))
    assert reported == [(5, 6), (6, 6)]


@pytest.mark.usefixtures("_short_preparation")
def test_another_plan_with_the_same_penalties_uses_the_same_preparation(
    attacker: Attacker, subjects: list[Subject]
) -> None:
    numbers: list[int] = []
    for steps in (1, 2):
        plan = attacker.plan("class", knowledge="weights", steps=steps, restarts=1)
        attacker.reconstruct(subjects, plan, on_step=lambda step: numbers.append(step.number))
    assert numbers == [1, 2, 3, 4, 1, 2]


def test_early_stopping_skips_numbers_and_ends_at_the_last(
    attacker: Attacker, subjects: list[Subject]
) -> None:
    # No gain exceeds 2, so that every stage of more than two windows ends early, and its last fifth runs.
    plan = attacker.plan("class", early_stopping=2.0, steps=60, restarts=2)
    numbers: list[int] = []
    inversion = attacker.reconstruct(subjects, plan, on_step=lambda step: numbers.append(step.number))
    restart = [*range(1, 2 * WINDOW + 1), *range(49, 61)]
    assert numbers == restart + [60 + number for number in restart]
    assert inversion.steps == len(numbers)


@pytest.mark.usefixtures("_short_preparation")
@pytest.mark.parametrize(("at", "taken"), [(2, 0), (5, 2)])
def test_a_stop_ends_preparation_and_restarts(
    at: int, taken: int, attacker: Attacker, subjects: list[Subject]
) -> None:
    plan = attacker.plan("class", knowledge="weights", steps=4, restarts=2)
    numbers: list[int] = []

    def stop(step: Step) -> None:
        numbers.append(step.number)
        if step.number == at:
            raise StopInversion

    inversion = attacker.reconstruct(subjects, plan, on_step=stop)
    assert numbers == list(range(1, at + 1))
    assert inversion.stopped
    # Steps of the preparation are not the inversion's.
    assert inversion.steps == taken
    assert inversion.images.shape == (1, 3, SIZE, SIZE)
