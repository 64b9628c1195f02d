"""How much of a person's skin tone a template predicts, by public faces with like templates.

    python -m benchmarks.skin_tone --aligned ALIGNED --model MODEL

The public faces are those of the bundled network's training people with a single photograph; the tones of
300 other training people with several photographs are predicted, whom settings are tuned on. Nothing is
attacked. Columns: the share of the difference in typology angle between two people that is kept (see
benchmarks.faults), and the mean distance in degrees, with 95 % intervals by bootstrap over people. Another
photograph of each person is the ceiling.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from arcinvert.knowledge.nearest_neighbours import NeighbourCollector
from arcinvert.knowledge.skin_tone import SkinTone, to_srgb
from benchmarks.faults import slope
from benchmarks.judged import run_or_exit
from benchmarks.people import choose, single_photographs
from recognition.data.folders import read_folders
from recognition.images import read_image, to_tensor
from recognition.loading import load
from recognition.metrics.intervals import Estimate, estimate_statistic
from recognition.recogniser import EMBEDDING_BATCH, Recogniser
from recognition.skin import skin_tones, to_lab, typology_angle

#: The number of people whose tones are predicted, and the seed that draws them.
PEOPLE, SEED = 300, 0
Values = NDArray[np.float64]


@torch.no_grad()
def public_faces(recogniser: Recogniser, paths: list[Path]) -> SkinTone:
    """Return the tones of public faces with their templates."""
    collector = NeighbourCollector()
    for first in range(0, len(paths), EMBEDDING_BATCH):
        images = torch.stack([to_tensor(read_image(path)) for path in paths[first : first + EMBEDDING_BATCH]])
        collector.add(recogniser(images), recogniser(images.flip(-1)), images)
    return SkinTone(collector.result())


def measured(of: Values, photographs: Values) -> tuple[Estimate, Estimate]:
    """Return the share of the difference that is kept, and the mean distance."""
    people = len(photographs)
    return (
        estimate_statistic(lambda drawn: slope(of[drawn], photographs[drawn]), people),
        estimate_statistic(lambda drawn: float(np.abs(of - photographs)[drawn].mean()), people),
    )


def compare(options: argparse.Namespace) -> None:
    """Predict, and print the table."""
    names, folders = load().class_names or (), read_folders(options.aligned)
    recogniser = load(options.model)
    tone = public_faces(recogniser, single_photographs(names, folders))
    people = choose([name for name in names if len(folders.get(name, ())) > 1], PEOPLE, SEED)
    images = [np.stack([read_image(folders[name][place]) for name in people]) for place in (0, -1)]
    photographs, others = (skin_tones(part) for part in images)
    with torch.no_grad():
        templates = torch.cat(
            [recogniser(to_tensor(part)) for part in np.array_split(images[0], PEOPLE // 30)]
        )
    predicted = typology_angle(to_lab(to_srgb(tone.colours(templates)).numpy().astype(np.float64)))
    rows = {
        "predicted from the template": predicted,
        "floor: the mean of the photographs": np.full(len(people), photographs.mean()),
        "ceiling: another photograph": others,
    }
    print("| | skin: kept | skin: distance |\n|---|---|---|")
    for name, values in rows.items():
        cells = [f"{one.value:.2f} [{one.low:.2f}, {one.high:.2f}]" for one in measured(values, photographs)]
        print(f"| {name} | {' | '.join(cells)} |")
    print(
        f"\n{recogniser.name}: {len(people)} people, {len(tone.neighbours):,} public faces, "
        f"gain {tone.gain:.2f}."
    )


def main() -> None:
    """Parse the command line and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--aligned", type=Path, required=True, help="aligned LFW: a folder for each identity")
    parser.add_argument("--model", required=True, help="the network that makes the templates")
    run_or_exit(compare, parser)


if __name__ == "__main__":
    main()
