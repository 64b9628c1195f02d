"""How often each 95 % interval of this project holds the truth, by simulation.

    python -m benchmarks.interval_coverage

A row is a kind of figure and a number of people. Its coverage is the share of repetitions whose interval
holds the value that the people were drawn by, with the exact interval of that share; where a row is over
several true values, it is that of the worst of them. The width is the intervals' median width.

People differ: a share of several samples is drawn from a beta distribution for each person; similarities of
strangers come from people in twelve unequal groups who resemble each other; the gap that is closed is drawn
with skewed similarities.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from arcinvert.audit.agreement import estimate_kappa
from recognition.metrics.intervals import (
    estimate,
    estimate_ratio,
    estimate_ratio_difference,
    estimate_share_difference,
    estimate_statistic,
)
from recognition.metrics.shares import exact_interval, share_intervals
from recognition.metrics.thresholds import Nonmated, accepted_difference, accepted_share, estimate_acceptance

Floats = NDArray[np.float64]
#: Lower and upper ends of the intervals of one true value, each (repetitions,).
Ends = tuple[Floats, Floats]

SHARES = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95, 0.98, 0.995, 1.0)
#: Correlations of the samples of one person: none, some, nearly the same outcome.
CORRELATIONS = (0.0, 0.2, 0.6, 0.95)
SAMPLES = 4
#: Groups of people who resemble each other, the dimensions of their embeddings, and how much they resemble.
GROUPS, DIMENSIONS, RESEMBLANCE = 12, 32, 0.45
#: People from whose pairs the true rates are taken.
POPULATION = 4000


@dataclass(frozen=True)
class Row:
    """How often the intervals of one kind of figure hold the truth.

    Args:
        figure: The kind of figure.
        people: How many people each interval is over.
        coverage: The share of intervals that hold the truth, of the worst true value.
        low: Lower end of the coverage's own 95 % interval.
        high: Upper end of it.
        width: The median width of the intervals.
    """

    figure: str
    people: int
    coverage: float
    low: float
    high: float
    width: float


def row(figure: str, people: int, drawn: list[tuple[float, Ends]]) -> Row:
    """Return a row of the table.

    Args:
        figure: The kind of figure.
        people: How many people each interval is over.
        drawn: True values with the intervals drawn by them.
    """
    held = [float(((low <= truth) & (truth <= high)).mean()) for truth, (low, high) in drawn]
    worst, count = min(held), len(drawn[0][1][0])
    low, high = exact_interval(round(worst * count), count)
    width = float(np.median(np.concatenate([ends[1] - ends[0] for _, ends in drawn])))
    return Row(figure, people, worst, float(low), float(high), width)


def shares(
    people: int, samples: int, repetitions: int, generator: np.random.Generator
) -> list[tuple[float, Ends]]:
    """Return intervals of shares for each true share and, with several samples, each correlation."""
    drawn = []
    for share, correlation in product(SHARES, CORRELATIONS if samples > 1 else (0.0,)):
        own: Floats | float = share
        if correlation and 0 < share < 1:
            spread = 1 / correlation - 1
            own = generator.beta(share * spread, (1 - share) * spread, (people, repetitions))
        accepted = generator.binomial(samples, own, (people, repetitions)) / samples
        drawn.append((share, share_intervals(accepted, np.full(people, float(samples)))))
    return drawn


def repeated(draw: Callable[[], tuple[float, float]], repetitions: int) -> Ends:
    """Return the intervals that a function draws."""
    ends = np.array([draw() for _ in range(repetitions)])
    return ends[:, 0], ends[:, 1]


def means(people: int, repetitions: int, generator: np.random.Generator) -> list[tuple[float, Ends]]:
    """Return intervals of means of similarities, symmetrical and skewed."""

    def symmetrical() -> tuple[float, float]:
        found = estimate(generator.normal(0.4, 0.1, people), range(people))
        return found.low, found.high

    def skewed() -> tuple[float, float]:
        found = estimate(generator.beta(0.8, 3.2, people), range(people))
        return found.low, found.high

    return [(0.4, repeated(symmetrical, repetitions)), (0.2, repeated(skewed, repetitions))]


def gaps(people: int, generator: np.random.Generator) -> tuple[Floats, Floats]:
    """Return how far each person's reconstruction and real photograph are above the floor: 0.13 and 0.35."""
    found = generator.exponential(0.15, people) - 0.02 + generator.normal(0, 0.05, people)
    return found, generator.normal(0.35, 0.1, people)


def gap_closed(people: int, repetitions: int, generator: np.random.Generator) -> list[tuple[float, Ends]]:
    """Return intervals of the share of the gap that is closed."""

    def one() -> tuple[float, float]:
        found = estimate_ratio(*gaps(people, generator))
        return found.low, found.high

    return [(0.13 / 0.35, repeated(one, repetitions))]


def gap_difference(people: int, repetitions: int, generator: np.random.Generator) -> list[tuple[float, Ends]]:
    """Return intervals of a paired difference of two shares of the gap, of the same real photographs."""

    def one() -> tuple[float, float]:
        before, real = gaps(people, generator)
        after = before + generator.normal(0.035, 0.08, people)
        found = estimate_ratio_difference(after, real, before, real)
        return found.low, found.high

    return [(0.1, repeated(one, repetitions))]


def share_difference(
    people: int, repetitions: int, generator: np.random.Generator
) -> list[tuple[float, Ends]]:
    """Return intervals of paired differences of shares, by how many people rise and fall."""
    drawn = []
    for rise, fall in ((0.0, 0.0), (0.02, 0.02), (0.1, 0.0), (0.3, 0.1), (0.5, 0.5)):

        def one(rise: float = rise, fall: float = fall) -> tuple[float, float]:
            place = generator.random(people)
            after = (place < rise).astype(float)
            before = ((place >= rise) & (place < rise + fall)).astype(float)
            found = estimate_share_difference(after, before)
            return found.low, found.high

        drawn.append((rise - fall, repeated(one, repetitions)))
    return drawn


def slopes(people: int, repetitions: int, generator: np.random.Generator) -> list[tuple[float, Ends]]:
    """Return percentile intervals of a slope, as of any statistic; a third as many."""

    def one() -> tuple[float, float]:
        across = generator.normal(size=people)
        up = 0.5 * across + generator.normal(size=people)

        def slope(drawn: NDArray[np.int64]) -> float:
            centred = across[drawn] - across[drawn].mean()
            return float((centred * up[drawn]).sum() / (centred**2).sum())

        found = estimate_statistic(slope, people)
        return found.low, found.high

    return [(0.5, repeated(one, max(1, repetitions // 3)))]


def kappas(people: int, repetitions: int, generator: np.random.Generator) -> list[tuple[float, Ends]]:
    """Return intervals of kappa of two judges, by how many are accepted and how often they agree."""
    drawn = []
    for accepted, agreed in product((0.5, 0.8, 0.95), (0.5, 0.75, 0.95, 1.0)):
        cells = np.array([[accepted * agreed, accepted * (1 - agreed)], [0.0, 0.0]])
        cells[1] = (1 - accepted) * (1 - agreed), (1 - accepted) * agreed
        by_chance = float(cells.sum(0) @ cells.sum(1))

        def one(cells: Floats = cells) -> tuple[float, float]:
            found = None
            while found is None:
                first, second = np.divmod(generator.choice(4, (people, 1), p=cells.ravel()), 2)
                found = estimate_kappa(first, second)
            return found.low, found.high

        drawn.append(((agreed - by_chance) / (1 - by_chance), repeated(one, repetitions)))
    return drawn


class Strangers:
    """People in groups whose embeddings resemble each other, and their true false match rates.

    Args:
        generator: Draws the groups and the population.
        population: People from whose pairs the true rates are taken; None for `POPULATION`.
    """

    def __init__(self, generator: np.random.Generator, population: int | None = None) -> None:
        self._generator = generator
        self._groups = generator.normal(size=(GROUPS, DIMENSIONS))
        self._sizes = np.arange(1, GROUPS + 1) / np.arange(1, GROUPS + 1).sum()
        population = POPULATION if population is None else population
        everybody = self._embeddings(population)
        self._ordered = np.sort((everybody @ everybody.T)[np.triu_indices(population, 1)])

    def _embeddings(self, people: int) -> Floats:
        groups = self._generator.choice(GROUPS, people, p=self._sizes)
        found = self._generator.normal(size=(people, DIMENSIONS)) + RESEMBLANCE * self._groups[groups]
        return found / np.linalg.norm(found, axis=1, keepdims=True)

    def true_threshold(self, fmr: float) -> float:
        """Return the threshold that a share `fmr` of the population's pairs exceeds."""
        return float(self._ordered[int(len(self._ordered) * (1 - fmr))])

    def true_fmr(self, threshold: float) -> float:
        """Return the share of the population's pairs above a threshold."""
        return float(1 - np.searchsorted(self._ordered, threshold, side="right") / len(self._ordered))

    def sample(self, people: int) -> Nonmated:
        """Return the comparisons of newly drawn people, one image each."""
        embeddings = self._embeddings(people)
        first, second = np.triu_indices(people, 1)
        return Nonmated((embeddings @ embeddings.T)[first, second], first, second, np.ones(people, np.int64))


def false_match_rates(
    strangers: Strangers, people: int, fmr: float, repetitions: int
) -> tuple[list[tuple[float, Ends]], list[tuple[float, Ends]]]:
    """Return intervals of false match rates, and of the thresholds of a rate."""
    truth = strangers.true_threshold(fmr)
    rates, thresholds = [], []
    for _ in range(repetitions):
        nonmated = strangers.sample(people)
        found, threshold = nonmated.fmr(truth), nonmated.threshold(fmr)
        rates.append((found.low, found.high))
        thresholds.append((threshold.low, threshold.high))
    ends = [(np.array(one)[:, 0], np.array(one)[:, 1]) for one in (rates, thresholds)]
    return [(fmr, ends[0])], [(truth, ends[1])]


def acceptance(
    strangers: Strangers,
    people: int,
    calibrated: int,
    fmr: float,
    repetitions: int,
    generator: np.random.Generator,
) -> list[tuple[float, Ends]]:
    """Return intervals of SAR at a threshold that other people calibrated."""
    truth = strangers.true_threshold(fmr)
    drawn = []
    for above in (-0.15, 0.0, 0.15):

        def one(above: float = above) -> tuple[float, float]:
            threshold = strangers.sample(calibrated).threshold(fmr)
            similarities = generator.normal(truth + above, 0.1, people)
            found = estimate_acceptance(similarities, range(people), threshold)
            return found.low, found.high

        drawn.append((float(ndtr(above / 0.1)), repeated(one, repetitions)))
    return drawn


def acceptance_difference(
    strangers: Strangers,
    people: int,
    calibrated: int,
    fmr: float,
    repetitions: int,
    generator: np.random.Generator,
    *,
    one_threshold: bool,
) -> list[tuple[float, Ends]]:
    """Return intervals of paired differences of SAR, at thresholds that other people calibrated.

    Args:
        strangers: Draws those people.
        people: How many are attacked.
        calibrated: On how many people each threshold is calibrated.
        fmr: The false match rate.
        repetitions: Intervals for each true value.
        generator: Draws the similarities.
        one_threshold: Whether both SARs are at one threshold, or each at one of its own.
    """
    truth = strangers.true_threshold(fmr)
    drawn = []
    for above, below in ((0.0, 0.0), (0.1, -0.1), (0.15, 0.05)):

        def one(above: float = above, below: float = below) -> tuple[float, float]:
            thresholds = [strangers.sample(calibrated).threshold(fmr) for _ in range(2)]
            first, second = thresholds if not one_threshold else (thresholds[0], thresholds[0])
            person = generator.normal(truth, 0.08, people)
            after, before = (person + mean + generator.normal(0, 0.06, people) for mean in (above, below))
            found = accepted_difference(
                estimate_share_difference(after > first.value, before > second.value),
                accepted_share(after, range(people), first),
                accepted_share(before, range(people), second),
                one_threshold=one_threshold,
            )
            return found.low, found.high

        drawn.append((float(ndtr(above / 0.1) - ndtr(below / 0.1)), repeated(one, repetitions)))
    return drawn


def rows(repetitions: int, seed: int) -> list[Row]:
    """Return the rows of the table.

    Args:
        repetitions: Intervals for each true value; those that need loops have a quarter of them, and those of
            any statistic, which need a loop for each replicate too, a twelfth.
        seed: Seed of the simulation.
    """
    generator = np.random.default_rng(seed)
    fewer = max(1, repetitions // 4)
    made = [
        row("share, one sample a person", people, shares(people, 1, repetitions, generator))
        for people in (12, 16, 20, 50, 100, 200)
    ]
    made += [
        row(f"share, {SAMPLES} samples a person", people, shares(people, SAMPLES, repetitions, generator))
        for people in (12, 20, 50, 100, 200)
    ]
    looped = {
        "paired difference of shares": share_difference,
        "mean similarity": means,
        "gap closed": gap_closed,
        "paired difference of gaps closed": gap_difference,
        "another statistic: a slope": slopes,
    }
    for name, simulate in looped.items():
        made += [row(name, people, simulate(people, fewer, generator)) for people in (12, 20, 64)]
    strangers = Strangers(generator)
    for people, fmr in ((60, 1e-2), (187, 1e-2), (187, 1e-3)):
        rates, thresholds = false_match_rates(strangers, people, fmr, fewer)
        made += [row(f"FMR of {fmr:g}", people, rates), row(f"threshold at FMR {fmr:g}", people, thresholds)]
    for people, calibrated in ((20, 60), (100, 187)):
        drawn = acceptance(strangers, people, calibrated, 1e-2, fewer, generator)
        made.append(row(f"SAR at FMR 0.01, calibrated on {calibrated}", people, drawn))
    for people, calibrated, fmr in ((20, 60, 1e-2), (100, 60, 1e-2), (300, 150, 1e-3)):
        for words, one_threshold in (("one threshold", True), ("two thresholds", False)):
            name = f"paired difference of SAR at FMR {fmr:g}, {words} calibrated on {calibrated}"
            drawn = acceptance_difference(
                strangers, people, calibrated, fmr, fewer, generator, one_threshold=one_threshold
            )
            made.append(row(name, people, drawn))
    made += [
        row("Cohen's kappa", people, kappas(people, fewer, np.random.default_rng([seed, people])))
        for people in (12, 20, 64)
    ]
    return made


def table(made: list[Row]) -> str:
    """Return the rows as a table in Markdown."""
    lines = ["| figure | people | lowest coverage of 95 % | median width |", "|---|---|---|---|"]
    lines += [
        f"| {one.figure} | {one.people} | {one.coverage:.3f} [{one.low:.3f}, {one.high:.3f}] "
        f"| {one.width:.3f} |"
        for one in made
    ]
    return "\n".join(lines)


def main() -> None:
    """Parse the command line, simulate, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--repetitions", type=int, default=1200, help="intervals for each true value (default: %(default)s)"
    )
    parser.add_argument("--seed", type=int, default=0, help="the seed of the simulation (default: 0)")
    options = parser.parse_args()
    print(table(rows(options.repetitions, options.seed)))


if __name__ == "__main__":
    main()
