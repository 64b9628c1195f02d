"""Membership leakage: whether a network gives away whose photographs trained it.

    python -m recognition align ../shared/data/lfw/images ALIGNED
    python -m benchmarks.membership --data ALIGNED

Members are people of the bundled network's training set, strangers its held-out people; of a person one
photograph is taken. A *trained* photograph was in the training set; a *kept-out* one shows a member and was
not. Three scores say "member" where they are high: the cosine to the nearest class centre, which whoever has
a released checkpoint can compute; how little the BatchNorm statistics of the photograph differ from the
running ones; and the sum of both in units of the strangers' standard deviation. By chance the true positive
rate (TPR) is the false positive rate (FPR).

The threshold of an FPR is the score that at most that share of the strangers exceeds; its own uncertainty is
part of the interval of each TPR. A rate at which fewer than ten strangers are expected above the threshold is
marked: so few strangers do not support it. The area under the curve is 0.5 by chance and 1 at best; its
interval is that of DeLong, DeLong and Clarke-Pearson (Biometrics 44(3), 1988) on the logit scale. All
intervals are over people.
"""

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.people import choose
from recognition.checkpoint import load_notes
from recognition.data.faces import read_face
from recognition.data.folders import read_folders
from recognition.images import to_tensor
from recognition.loading import UNDISTILLED, load
from recognition.metrics.intervals import estimate
from recognition.metrics.shares import exact_interval
from recognition.metrics.thresholds import FALSE_MATCHES, DecisionThreshold, estimate_acceptance
from recognition.recogniser import EMBEDDING_BATCH, Recogniser
from recognition.runtime import keep_freed_memory

SEED = 0
FPRS = (1e-2, 2e-2)
#: The scores, in the order of the table.
SCORES = ("nearest class centre", "BatchNorm statistics", "both")
TRAINED, KEPT_OUT, STRANGERS = "trained", "kept-out", "strangers"

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Photographs:
    """One photograph of each person, by group.

    Args:
        trained: Photographs that trained the network.
        kept_out: Other photographs of people whom it was trained on.
        strangers: Photographs of people whom it was not trained on.
    """

    trained: list[Path]
    kept_out: list[Path]
    strangers: list[Path]


def photographs(data: Path, split: Mapping[str, list[str]], people: int) -> Photographs:
    """Return photographs of at most `people` people of each group, drawn by a fixed seed.

    Args:
        data: Aligned LFW, a folder of one folder for each identity.
        split: The `split` of the network's file: `held_out` and `reserved` people.
        people: How many of each group.
    """
    folders = read_folders(data)
    held_out, reserved = set(split["held_out"]), set(split["reserved"])
    trained = choose([name for name in folders if name not in held_out], people, SEED)
    # The last photograph of a reserved person was kept out of training.
    kept_out = choose([name for name in folders if name in reserved], people, SEED)
    strangers = choose([name for name in folders if name in held_out], people, SEED)
    return Photographs(
        [folders[name][0] for name in trained],
        [folders[name][-1] for name in kept_out],
        [folders[name][0] for name in strangers],
    )


def membership_scores(recogniser: Recogniser, crops: Iterator[Tensor] | list[Tensor]) -> Values:
    """Return the first two of `SCORES`, (images, 2), of batches of images.

    Raises:
        SystemExit: If the network has no class centres or no BatchNorm statistics.
    """
    layers = [
        module
        for module in recogniser.backbone.modules()
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None
    ]
    if recogniser.centres is None or not layers:
        raise SystemExit(f"{recogniser.name}: expected class centres and BatchNorm statistics, found none")
    differences: list[Tensor] = []

    def observe(module: nn.Module, inputs: tuple[Tensor]) -> None:
        mean, variance = module.get_buffer("running_mean"), module.get_buffer("running_var")
        differences.append(statistics_difference(inputs[0], mean, variance))

    handles = [layer.register_forward_pre_hook(observe) for layer in layers]
    rows = []
    try:
        with torch.no_grad():
            for batch in crops:
                differences.clear()
                cosines = recogniser(batch) @ recogniser.centres.T
                rows.append(torch.stack([cosines.amax(1), -torch.stack(differences).mean(0)], 1))
    finally:
        for handle in handles:
            handle.remove()
    return np.asarray(torch.cat(rows).double().numpy())


def statistics_difference(activations: Tensor, mean: Tensor, variance: Tensor) -> Tensor:
    """Return how much each image's statistics differ from the running ones, (batch,).

    It is the squared difference of the means in units of the running deviation, plus that of the ratio of
    deviations to 1, averaged over channels.

    Args:
        activations: Shape (batch, channels, height, width).
        mean: Shape (channels,).
        variance: Shape (channels,).
    """
    own_variance, own_mean = torch.var_mean(activations, (2, 3), correction=0)
    ratio = (own_variance / variance).sqrt()
    return ((own_mean - mean).square() / variance + (ratio - 1).square()).mean(1)


def combined(scores: Values, strangers: Values) -> Values:
    """Return `SCORES`, (images, 3), of the first two: the third is their sum in strangers' deviations."""
    standard = (scores - strangers.mean(0)) / strangers.std(0)
    return np.concatenate([scores, standard.sum(1, keepdims=True)], 1)


def threshold_at(strangers: Values, fpr: float) -> float:
    """Return the lowest score that at most a share `fpr` of the strangers' scores, (people,), exceeds."""
    allowed = int(np.floor(len(strangers) * fpr + 1e-9))
    return float(np.sort(strangers)[len(strangers) - allowed - 1])


def threshold_of(strangers: Values, fpr: float) -> DecisionThreshold:
    """Return the threshold of a false positive rate with its interval over the strangers.

    Source: as `recognition.metrics.thresholds.find_threshold`: the exact interval of the realised rate, as
        scores.
    """
    value = threshold_at(strangers, fpr)
    ends = exact_interval(np.array([(strangers > value).sum()]), len(strangers))
    low, high = (threshold_at(strangers, float(rate[0])) for rate in reversed(ends))
    return DecisionThreshold(fpr, value, min(low, value), max(high, value))


def area_interval(members: Values, strangers: Values) -> tuple[float, float]:
    """Return both ends of the interval of the area under the curve."""
    own = np.array([area(np.array([one]), strangers) for one in members])
    others = np.array([area(members, np.array([one])) for one in strangers])
    variance = own.var(ddof=1) / len(own) + others.var(ddof=1) / len(others)
    # An area of exactly 0 or 1 would have none: half a pair short of it.
    mean = float(np.clip(own.mean(), *(np.array([0.5, -0.5]) / (len(own) * len(others)) + [0, 1])))
    reach = 1.96 * float(np.sqrt(variance)) / (mean * (1 - mean))
    low, high = (float(1 / (1 + np.exp(-np.log(mean / (1 - mean)) - side))) for side in (-reach, reach))
    return low, high


def area(members: Values, strangers: Values) -> float:
    """Return the probability that a member's score exceeds a stranger's; ties count half."""
    ordered = np.sort(strangers)
    below = np.searchsorted(ordered, members, "left") + np.searchsorted(ordered, members, "right")
    return float(below.mean() / (2 * len(ordered)))


def table(trained: Values, kept_out: Values, strangers: Values) -> list[str]:
    """Return the lines of a Markdown table; each array is of shape (people, 3)."""
    supported = [fpr * len(strangers) >= FALSE_MATCHES for fpr in FPRS]
    marked = [f"{fpr:g}{'' if one else ' (not supported)'}" for fpr, one in zip(FPRS, supported, strict=True)]
    lines = [
        "| score | photographs | area under the curve | " + " | ".join(f"TPR at FPR {one}" for one in marked)
    ]
    lines[0] += " |"
    lines.append("|---" * (3 + len(FPRS)) + "|")
    for column, name in enumerate(SCORES):
        groups = {TRAINED: trained, KEPT_OUT: kept_out, STRANGERS: strangers}
        for group, scores in groups.items():
            own, others = scores[:, column], strangers[:, column]
            low, high = area_interval(own, others)
            cells = [f"{area(own, others):.3f} [{low:.3f}, {high:.3f}]"]
            if group == STRANGERS:
                cells = ["0.5 by definition"]
            for fpr in FPRS:
                threshold = threshold_of(others, fpr)
                if group == STRANGERS:
                    # The threshold is theirs: what it realises has their interval alone.
                    figure = estimate(own > threshold.value, np.arange(len(own)))
                else:
                    figure = estimate_acceptance(own, np.arange(len(own)), threshold)
                cells.append(f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]")
            lines.append(f"| {name} | {group} | {' | '.join(cells)} |")
    return lines


def _batches(paths: list[Path], size: int) -> Iterator[Tensor]:
    for begin in range(0, len(paths), EMBEDDING_BATCH):
        part = paths[begin : begin + EMBEDDING_BATCH]
        yield torch.stack([to_tensor(read_face(path, size)) for path in part])


def main() -> None:
    """Parse the command line, embed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--data", type=Path, required=True, help="aligned LFW: a folder of one folder for each identity"
    )
    parser.add_argument("--model", default=UNDISTILLED, help="the network (default: %(default)s)")
    parser.add_argument(
        "--people", type=int, default=600, help="the most people of each group (default: %(default)s)"
    )
    options = parser.parse_args()
    keep_freed_memory()
    recogniser = load(options.model)
    split = load_notes(recogniser.source.path)["split"]
    chosen = photographs(options.data, split, options.people)
    groups = (chosen.trained, chosen.kept_out, chosen.strangers)
    scores = [membership_scores(recogniser, _batches(paths, recogniser.input_size)) for paths in groups]
    trained, kept_out, strangers = (combined(one, scores[2]) for one in scores)
    print("\n".join(table(trained, kept_out, strangers)))
    counts = ", ".join(
        f"{len(paths)} {name}" for name, paths in zip((TRAINED, KEPT_OUT, STRANGERS), groups, strict=True)
    )
    print(f"\n{recogniser.name}; photographs, one a person: {counts}")


if __name__ == "__main__":
    main()
