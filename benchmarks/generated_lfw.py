"""Generated LFW: every photograph of LFW's pairs replaced by its reconstruction, and verified by the judge.

    python -m benchmarks.generated_lfw --aligned ALIGNED --pairs pairs.txt --out runs/generated-lfw
    python -m benchmarks.generated_lfw --aligned ALIGNED --pairs pairs.txt --whole --out runs/generated-lfw

That is the test of the ArcFace paper (arXiv:1801.07698v4, section 4.5): an R50 of MS1MV3 inverted closed-set,
an R100 of IBUG-500K as the judge: 93.30 % by the judge and 97.75 % by the attacked network itself. Here each
photograph's template is inverted open-set. 600 of the 6,000 pairs are drawn by a seed, as many of each kind
in each fold; `--whole` takes all. Reconstructions are kept in parts of 64 photographs: a run that was stopped
goes on where it was, and a larger number of pairs keeps those that are there.

Rows: *generated* is the judge on reconstructions, *one generated* on a photograph against the other's
reconstruction; *by the attacked network* is the attacked network on both reconstructions. The *floor* has
another person's reconstruction in place of each one; with the mean face for all of them, no pair differs from
another, and the accuracy is 0.5. The *ceiling* is the judge on the photographs.

The accuracy of a fold is that at the best threshold of the others, as LFW demands, beside its standard
deviation over folds. The share of pairs that are decided right has a 95 % interval that allows pairs with a
person in common to depend on each other.

LFW trained the bundled networks, so that most pairs have people that they know. Therefore the pairs are also
counted apart: those of *held-out people* alone, those of *known people* alone, and those without a photograph
that is among the attacker's public faces. The thresholds are always those of all pairs. `pairs.csv` says of
each pair who is known.
"""

import argparse
import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.attacker import Attacker
from arcinvert.evaluation.judges import DlibJudge, Judge, RecogniserJudge, related
from arcinvert.evaluation.similarity import similarity
from benchmarks.judged import run_or_exit, write_table
from benchmarks.reconstructions import reconstruct
from recognition.checkpoint import load_notes
from recognition.data.folders import read_folders
from recognition.data.pairs import Pair, read_pairs
from recognition.errors import InputError
from recognition.images import atomic_path, read_image
from recognition.loading import BUNDLED, bundled_path, load
from recognition.metrics.accuracy import decided_right, ten_fold_accuracy
from recognition.metrics.intervals import Estimate
from recognition.metrics.pair_lists import PairedPeople

#: The number of pairs by default, of the 6,000.
PAIRS = 600
GENERATED, ONE, OWN = "generated", "one generated", "generated, by the attacked network"
FLOOR, CEILING = "floor: another person's reconstruction", "ceiling: the photographs"


def draw_pairs(pairs: Sequence[Pair], count: int, seed: int) -> list[Pair]:
    """Return pairs drawn by a seed, as many of each kind in each fold, in an order that a larger draw keeps.

    Args:
        pairs: All pairs.
        count: The largest number of pairs; at least one of each kind in each fold is drawn.
        seed: The seed of the draw.
    """
    groups: dict[tuple[int, bool], list[Pair]] = {}
    for pair in pairs:
        groups.setdefault((pair[3], pair[2]), []).append(pair)
    each = max(1, count // len(groups))
    generator = np.random.default_rng(seed)
    drawn = [
        (rank, number, group[index])
        for number, group in enumerate(groups[key] for key in sorted(groups))
        for rank, index in enumerate(generator.permutation(len(group))[:each])
    ]
    return [pair for _, _, pair in sorted(drawn, key=lambda one: one[:2])]


def photographs_of(pairs: Sequence[Pair]) -> list[Path]:
    """Return the photographs of pairs, each once, in the order in which pairs name them."""
    return list(dict.fromkeys(path for first, second, _, _ in pairs for path in (first, second)))


def strangers(people: Sequence[str], seed: int) -> NDArray[np.intp]:
    """Return for each photograph the index of one of another person, drawn by a seed, each photograph once.

    Two photographs of one person get photographs of different people, but for chance.

    Raises:
        InputError: If one person has more than half of the photographs.
    """
    _, person = np.unique(people, return_inverse=True)
    if 2 * int(np.bincount(person).max()) > len(people):
        raise InputError("pairs: expected photographs of several people, got most of them of one")
    generator = np.random.default_rng(seed)
    moved = generator.permutation(len(people))
    for index in range(len(people)):
        if person[moved[index]] == person[index]:
            # As others have at least as many photographs, there is one whose change puts both right.
            possible = np.flatnonzero((person != person[index]) & (person[moved] != person[index]))
            other = generator.choice(possible)
            moved[[index, other]] = moved[[other, index]]
    return moved


@dataclass(frozen=True)
class Comparisons:
    """Pairs of photographs.

    Args:
        first: Shape (pairs,), the index of one photograph.
        second: Shape (pairs,), of the other.
        mated: Shape (pairs,), whether they show one person.
        folds: Shape (pairs,), the fold of each pair.
        people: The person of each photograph.
    """

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    mated: NDArray[np.bool_]
    folds: NDArray[np.intp]
    people: Sequence[str]

    @classmethod
    def of(cls, pairs: Sequence[Pair], photographs: Sequence[Path]) -> "Comparisons":
        """Return the comparisons of pairs."""
        index = {path: number for number, path in enumerate(photographs)}
        return cls(
            np.array([index[pair[0]] for pair in pairs]),
            np.array([index[pair[1]] for pair in pairs]),
            np.array([pair[2] for pair in pairs]),
            np.array([pair[3] for pair in pairs]),
            [path.parent.name for path in photographs],
        )

    def both(self, photographs: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return whether both photographs of each pair are among some, given as a mask of photographs."""
        return photographs[self.first] & photographs[self.second]

    def share(self, right: NDArray[np.bool_], of: NDArray[np.bool_]) -> Estimate | None:
        """Return the share of pairs that are decided right among some of them, with its interval over people.

        The result is None if there are none.
        """
        if not of.any():
            return None
        _, person = np.unique(self.people, return_inverse=True)
        people = PairedPeople(person[self.first[of]], person[self.second[of]])
        return people.rate(right[of])


def groups_of(
    pairs: Comparisons, held_out: set[str], public: NDArray[np.bool_]
) -> dict[str, NDArray[np.bool_]]:
    """Return which pairs are counted apart, by the group's name.

    Args:
        pairs: The pairs.
        held_out: People that the bundled networks were not trained on.
        public: Shape (photographs,), which are among the attacker's public faces.
    """
    unseen = np.array([person in held_out for person in pairs.people])
    return {
        "all pairs": np.ones(len(pairs.mated), dtype=np.bool_),
        "held-out people": pairs.both(unseen),
        "known people": pairs.both(~unseen),
        "no public face": pairs.both(~public),
    }


def table(
    rows: Mapping[str, NDArray[np.float64]], pairs: Comparisons, groups: Mapping[str, NDArray[np.bool_]]
) -> tuple[str, dict[str, Any]]:
    """Return the table in Markdown, and its figures as JSON.

    Args:
        rows: Similarities of the pairs, shape (pairs,), by the row's name.
        pairs: The pairs.
        groups: Which of them are counted apart.
    """
    heads = [
        f"{name} ({int((of & pairs.mated).sum()):,} + {int((of & ~pairs.mated).sum()):,})"
        for name, of in groups.items()
    ]
    lines = [f"| | accuracy, 10 folds | {' | '.join(heads)} |", "|---" * (len(heads) + 2) + "|"]
    figures: dict[str, Any] = {}
    for name, values in rows.items():
        mean, deviation = ten_fold_accuracy(values, pairs.mated, pairs.folds)
        right = decided_right(values, pairs.mated, pairs.folds)
        shares = {group: pairs.share(right, of) for group, of in groups.items()}
        cells = [
            "-" if one is None else f"{one.value:.3f} [{one.low:.3f}, {one.high:.3f}]"
            for one in shares.values()
        ]
        lines.append(f"| {name} | {mean:.4f} ± {deviation:.4f} | {' | '.join(cells)} |")
        figures[name] = {
            "accuracy": mean,
            "accuracy_std": deviation,
            "right": {group: None if one is None else asdict(one) for group, one in shares.items()},
        }
    return "\n".join(lines), figures


def list_pairs(
    photographs: Sequence[Path],
    pairs: Comparisons,
    held_out: set[str],
    similarities: Mapping[str, NDArray[np.float64]],
) -> str:
    """Return a CSV file of the pairs: who is known to the bundled networks, and each row's similarity."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["first", "second", "fold", "mated", "first known", "second known", *similarities])
    for number in range(len(pairs.mated)):
        both = (int(pairs.first[number]), int(pairs.second[number]))
        known = ["no" if pairs.people[one] in held_out else "yes" for one in both]
        names = [f"{photographs[one].parent.name}/{photographs[one].name}" for one in both]
        values = [f"{values[number]:.4f}" for values in similarities.values()]
        mated = "yes" if pairs.mated[number] else "no"
        writer.writerow([*names, int(pairs.folds[number]), mated, *known, *values])
    return file.getvalue()


def compare(options: argparse.Namespace) -> None:
    """Reconstruct, judge, print the table and write it.

    Raises:
        InputError: If there are no such pairs, or the judge is related to the attacked network.
    """
    every, missing = read_pairs(options.pairs, read_folders(options.aligned))
    drawn = every if options.whole else draw_pairs(every, options.count, options.seed)
    photographs = photographs_of(drawn)
    pairs = Comparisons.of(drawn, photographs)
    attacker = Attacker(options.model)
    judge: Judge = DlibJudge() if options.judge is None else RecogniserJudge(load(options.judge))
    if related(judge, attacker.recogniser):
        raise InputError(f"judge: expected one that is not related to {options.model}, got {options.judge}")
    given = {
        name: value
        for name in ("steps", "restarts", "initialisation", "batch_size")
        if (value := getattr(options, name)) is not None
    }
    generated, public = reconstruct(
        attacker, photographs, options.out / "parts", given | {"seed": options.seed}
    )
    real = [read_image(path) for path in photographs]
    of_real, of_generated = judge.embed(real), judge.embed(list(generated))
    own = RecogniserJudge(attacker.recogniser)
    of_own = own.embed(list(generated))
    others = of_generated[strangers(pairs.people, options.seed)]

    def compared(one: NDArray[Any], other: NDArray[Any], by: Judge = judge) -> NDArray[np.float64]:
        return similarity(one[pairs.first], other[pairs.second], by.metric)

    rows = {
        GENERATED: compared(of_generated, of_generated),
        ONE: compared(of_real, of_generated),
        OWN: compared(of_own, of_own, own),
        FLOOR: compared(others, others),
        CEILING: compared(of_real, of_real),
    }
    held_out = set(load_notes(bundled_path())["split"]["held_out"])
    groups = groups_of(pairs, held_out, np.array([path in public for path in photographs]))
    body, figures = table(rows, pairs, groups)
    alone = int(groups["held-out people"].sum())
    ends = (
        f"{len(drawn):,} of LFW's pairs, {len(photographs):,} photographs, {len(set(pairs.people)):,} "
        f"people; {missing:,} pairs of the list were left out, as no face was found in a photograph. "
        f"Attacked: {attacker.recogniser.name}; judge: {judge.name}. Columns: mated + nonmated pairs, the "
        "share decided right with its 95 % interval over people. Pairs of held-out people alone: "
        f"{alone:,}; the bundled networks were trained on people of all others. With the mean face in place "
        "of all photographs the accuracy is 0.5."
    )
    print(f"\n{body}\n\n{ends}")
    write_table(options.out, f"{body}\n\n{ends}\n", figures)
    with atomic_path(options.out / "pairs.csv") as temporary:
        temporary.write_text(list_pairs(photographs, pairs, held_out, rows), encoding="utf-8")


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--aligned", type=Path, required=True, help="aligned LFW: a folder for each identity")
    parser.add_argument("--pairs", type=Path, required=True, help="LFW's pairs.txt")
    parser.add_argument("--model", default=BUNDLED, help="the network to attack (default: %(default)s)")
    parser.add_argument("--judge", help="a network that judges in place of dlib's")
    parser.add_argument("--count", type=int, default=PAIRS, help="the number of pairs (default: %(default)s)")
    parser.add_argument("--whole", action="store_true", help="take all pairs")
    parser.add_argument("--seed", type=int, default=0, help="the seed of draw and attacks (default: 0)")
    parser.add_argument("--steps", type=int, help="the steps of each image (default: the recipe's)")
    parser.add_argument("--restarts", type=int, help="the number of restarts (default: the recipe's)")
    parser.add_argument("--initialisation", help="the initialisation (default: the recipe's)")
    parser.add_argument("--batch-size", type=int, help="the images attacked together (default: the recipe's)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("arcinvert-results", "generated-lfw"),
        help="the folder for reconstructions and results (default: %(default)s)",
    )
    run_or_exit(compare, parser)


if __name__ == "__main__":
    main()
