"""Defences that a network is trained with: what they cost in verification, and what an attack still finds.

    python -m recognition align ../shared/data/lfw/images ALIGNED
    python -m benchmarks.trained_defences --aligned ALIGNED --photos LFW --out runs/trained

Trained, with two seeds each: the networks of benchmarks.losses (240 people, at most 20 photographs
each), without a defence, with negative label smoothing (Struppek et al., arXiv:2310.06549), with few
dimensions, which is a bottleneck of that rank, and with a term of bilateral dependence (Peng et al.,
arXiv:2206.05483). Attacked are held-out people, each by the template of the first photograph, judged by the
last. The attacker adapts to each network: statistics, nearest neighbours and regression are measured on the
network itself, on public faces of other people.

Every figure is the mean over the seeds, and differences are to the network without a defence, person by
person; intervals are over people, those attacked and those that thresholds were calibrated on, and two seeds
only hint at what another training would change. TAR is the true accept rate of the network's own
verification, SAR the share of reconstructions that the judge accepts, FMR the false match rate, and gap
closed the way from the mean face to the real photograph.

A network takes four to ten minutes of one core to train and to attack, all of them about an hour. What is
finished in --out is read again, and a training goes on where it was stopped.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert import Attacker
from arcinvert.evaluation.calibration import thresholds
from arcinvert.knowledge.calibrate import calibrate
from benchmarks.first_run import open_set_photographs
from benchmarks.label_noise import inject
from benchmarks.losses import IDENTITIES, PEOPLE, PHOTOGRAPHS, SETTINGS, TRAINING, Result, attack_once
from benchmarks.small_trainings import People, choose_people, train_and_measure
from recognition.checkpoint import load_recogniser
from recognition.data.embedding import embed_files
from recognition.data.keys import labelled
from recognition.data.lists import write_list
from recognition.images import atomic_path
from recognition.metrics.intervals import (
    Estimate,
    estimate,
    estimate_ratio,
    estimate_share_difference,
    identity_means,
)
from recognition.metrics.thresholds import (
    AcceptedShare,
    DecisionThreshold,
    accepted_difference,
    accepted_share,
    estimate_acceptance,
)
from recognition.metrics.verification import make_pairs, verify
from recognition.runtime import keep_freed_memory
from recognition.training.options import TrainingOptions

#: The row that the others are compared with.
NONE = "none"
#: What each defence changes in the training.
DEFENCES: dict[str, dict[str, Any]] = {
    NONE: {},
    "negative label smoothing": {"label_smoothing": -0.1},
    "bottleneck of rank 32": {"embedding_size": 32},
    "bilateral dependence": {"aux_losses": ("dependence:weight=10",)},
}
SEEDS = (0, 1)
#: False match rate of the network's verification, and those of the judge.
TAR_FMR = 1e-3
SAR_FMRS = ("0.01", "0.001")
#: The number of public faces that the attacker knows.
PUBLIC_FACES = 2000

Values = NDArray[np.float64]
#: By person, the shares of mated pairs that are accepted at a threshold, and at its upper and lower ends.
Accepted = Mapping[str, Sequence[float]]
#: What a share is the difference to.
_NOBODY = AcceptedShare(0.0, 0.0, 0.0)


def options_of(defence: str, seed: int) -> TrainingOptions:
    """Return the options of a training under a defence."""
    return replace(TRAINING, seed=seed, **DEFENCES[defence])


def link_public(people: People, folder: Path, count: int = PUBLIC_FACES) -> Path:
    """Fill a folder with links to photographs of people whom no training here uses."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in people.outsiders[:count]:
        link = folder / f"{path.parent.name}-{path.name}"
        link.unlink(missing_ok=True)
        link.symlink_to(path.resolve())
    return folder


def accepted_by_person(model: Path, held_out: Mapping[str, Sequence[Path]]) -> Accepted:
    """Return the shares of each held-out person's mated pairs that the network accepts at `TAR_FMR`.

    They are those at the threshold, and at the upper and the lower end of its interval.
    """
    path = model.parent / "accepted-with-ends.json"
    if not path.exists():
        names, samples = sorted(held_out), labelled({name: list(held_out[name]) for name in held_out})
        labels = np.array([label for _, label in samples])
        embeddings = embed_files(load_recogniser(model), [key for key, _ in samples])
        threshold = verify(embeddings, labels, fmrs=(TAR_FMR,)).points[0].decision
        pairs = make_pairs(labels)
        first, second = pairs.indices[pairs.mated].T
        mated = (embeddings[first] * embeddings[second]).sum(1)
        whose = labels[first]
        ends = (threshold.value, threshold.high, threshold.low)
        shares = identity_means(np.stack([mated > end for end in ends], axis=1), whose)
        found = {names[label]: one.tolist() for label, one in zip(np.unique(whose), shares, strict=True)}
        with atomic_path(path) as temporary:
            temporary.write_text(json.dumps(found))
    return dict(json.loads(path.read_text()))


def attack_network(model: Path, public: Path, photographs: Sequence[str], photos: Path) -> Result:
    """Return the result of the adaptive attack on a network; a finished one is read again."""
    folder = model.parent

    def attack() -> None:
        statistics = folder / "statistics.safetensors"
        if not statistics.exists():
            calibrate(model, public, out=statistics, faces=PUBLIC_FACES)
        attacker = Attacker(model, statistics=statistics)
        attacker.from_image(photographs, photos=photos, out=folder / "attack", **SETTINGS)

    return attack_once(folder / "attack", model, photographs, attack)


def of_samples(results: Sequence[Result], key: str) -> Values:
    """Return a figure of each person, (people,): the mean over the seeds' results.

    Args:
        results: One a seed, of the same people.
        key: The figure's name in the judge's verdict.
    """
    rows = [[float(sample["judge"][key]) for sample in result["samples"]] for result in results]
    return np.asarray(np.mean(rows, axis=0))


def tar_shares(accepted: Sequence[Accepted]) -> Values:
    """Return each person's shares at the threshold and at both of its ends, (people, 3): means over seeds."""
    return np.asarray(np.mean([[one[name] for name in sorted(one)] for one in accepted], axis=0))


def figures_of(
    results: Sequence[Result],
    accepted: Sequence[Accepted],
    reference: tuple[Sequence[Result], Sequence[Accepted]] | None,
    *,
    judge: Sequence[DecisionThreshold] | None = None,
) -> dict[str, Estimate]:
    """Return a defence's figures, or the differences to another's, by column.

    Intervals have the uncertainty of the thresholds in them: each network's own for TAR, and for SAR the
    judge's, which is one for all networks.

    Args:
        results: The attack's, one a seed.
        accepted: As `accepted_by_person` returns it, one a seed.
        reference: The same of the network without a defence; None returns the figures themselves.
        judge: The judge's thresholds; None for the shipped ones.
    """
    names, shares = sorted(accepted[0]), tar_shares(accepted)
    tar = estimate(shares[:, 0], names, shares=True)
    tar = accepted_difference(tar, AcceptedShare(*shares.mean(0)), _NOBODY, one_threshold=False)
    points = [one.decision for one in thresholds()] if judge is None else judge
    known = {f"{one.fmr:g}": one for one in points}
    similarities = np.array([[one["judge"]["type_2"] for one in result["samples"]] for result in results])
    people = np.tile(np.arange(similarities.shape[1]), len(results))
    sars = {fmr: estimate_acceptance(similarities.ravel(), people, known[fmr]) for fmr in SAR_FMRS}
    floor, ceiling = of_samples(results, "floor_type_2"), of_samples(results, "ceiling")
    above = of_samples(results, "type_2") - floor
    if reference is not None:
        theirs, their_accepted = reference
        their_shares = tar_shares(their_accepted)
        tar = accepted_difference(
            estimate(shares[:, 0] - their_shares[:, 0], names),
            AcceptedShare(*shares.mean(0)),
            AcceptedShare(*their_shares.mean(0)),
            one_threshold=False,
        )
        others = np.array([[one["judge"]["type_2"] for one in result["samples"]] for result in theirs])
        sars = {fmr: _sar_difference(similarities, others, known[fmr]) for fmr in SAR_FMRS}
        above = above - (of_samples(theirs, "type_2") - of_samples(theirs, "floor_type_2"))
    return {
        f"TAR at FMR {TAR_FMR:g}": tar,
        **{f"SAR at FMR {fmr}": one for fmr, one in sars.items()},
        "gap closed": estimate_ratio(above, ceiling - floor),
    }


def _sar_difference(after: Values, before: Values, threshold: DecisionThreshold) -> Estimate:
    """Return by how much SAR rises, of similarities, (seeds, people) each, at one threshold."""
    people = np.tile(np.arange(after.shape[1]), len(after))
    shares = [accepted_share(one.ravel(), people, threshold) for one in (after, before)]
    own = estimate_share_difference(*((one > threshold.value).mean(0) for one in (after, before)))
    return accepted_difference(own, *shares, one_threshold=True)


def table(rows: Mapping[str, Mapping[str, Estimate]], *, signed: bool = False) -> list[str]:
    """Return the lines of a Markdown table."""
    columns, sign = list(next(iter(rows.values()))), "+" if signed else ""
    lines = [f"| defence | {' | '.join(columns)} |", "|---" * (1 + len(columns)) + "|"]
    for name, figures in rows.items():
        cells = (f"{f.value:{sign}.3f} [{f.low:{sign}.3f}, {f.high:{sign}.3f}]" for f in figures.values())
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def print_tables(found: Mapping[str, tuple[Sequence[Result], Sequence[Accepted]]]) -> None:
    """Print the figures of each defence, and their differences to no defence.

    Args:
        found: By defence, the attack's results and the accepted shares, one a seed each.
    """
    print("\n".join(table({name: figures_of(*one, None) for name, one in found.items()})))
    others = {name: one for name, one in found.items() if name != NONE}
    if NONE in found and others:
        print("\nDifferences to no defence, person by person:\n")
        rows = {name: figures_of(*one, found[NONE]) for name, one in others.items()}
        print("\n".join(table(rows, signed=True)))
    results, accepted = next(iter(found.values()))
    ceiling = of_samples(results, "ceiling").mean()
    print(
        f"\n{len(results[0]['samples'])} people attacked, {len(accepted[0])} verified, {len(results)} seeds; "
        f"judge similarity of the mean face {of_samples(results, 'floor_type_2').mean():.3f}, of real "
        f"photographs {ceiling:.3f}"
    )


def main() -> None:
    """Parse the command line, train, attack, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--aligned", type=Path, required=True, help="aligned LFW: a folder of one folder for each identity"
    )
    parser.add_argument(
        "--photos", type=Path, required=True, help="LFW: a folder of one folder for each identity"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder for networks and results")
    parser.add_argument(
        "--defences", nargs="+", default=list(DEFENCES), choices=list(DEFENCES), help="(default: all)"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), help="(default: %(default)s)")
    parser.add_argument(
        "--people", type=int, default=PEOPLE, help="the people attacked (default: %(default)s)"
    )
    options = parser.parse_args()
    keep_freed_memory()
    people = choose_people(options.aligned, IDENTITIES, PHOTOGRAPHS)
    options.out.mkdir(parents=True, exist_ok=True)
    data = options.out / "people.csv"
    write_list(data, inject(people, 0.0).rows)
    public = link_public(people, options.out / "public")
    photographs = open_set_photographs(options.photos, options.people)
    found: dict[str, tuple[list[Result], list[Accepted]]] = {
        defence: ([], []) for defence in options.defences
    }
    # Seed by seed, so that a run that was stopped has all defences of a seed, which --seeds prints.
    for seed in options.seeds:
        for defence in options.defences:
            folder = options.out / f"{defence.replace(' ', '-')}-{seed}"
            train_and_measure(data, folder, people, options_of(defence, seed))
            model = folder / "model.safetensors"
            results, accepted = found[defence]
            results.append(attack_network(model, public, photographs, options.photos))
            accepted.append(accepted_by_person(model, people.held_out))
    print_tables(found)


if __name__ == "__main__":
    main()
