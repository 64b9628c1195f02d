"""Synthetic faces beside real ones: their templates, what they say about a person, and whether they show one.

    python -m benchmarks.synthetic_faces --aligned ALIGNED
    python -m benchmarks.synthetic_faces --aligned ALIGNED --attack --people 24 --steps 60

Each generator draws the same number of faces, and so many real ones are drawn from the bundled network's
training people with a single photograph. The network embeds them, and their templates are compared with those
of other real people: the trace of the covariance, the effective number of dimensions (the squared sum of its
eigenvalues by the sum of their squares), the Fréchet distance of the two Gaussians, and the median angle from
a real template to the nearest of the faces.

`agreement` is what an attack gains: the cosine between the mean of a person's nearest neighbours and another
photograph of the person, in face PCA coefficients less the mean face, which is 0 for the mean face itself.

`privacy` is the share of pairs of a synthetic and a real face that are more similar than a pair of real
strangers at the false match rates (FMR) given, and the highest similarity of all pairs.

With `--attack` people are attacked with each generator's faces, and from the mean face alone, and judged; see
benchmarks/judged.py for the columns. The thresholds are the judge's shipped ones. All these people are of the
bundled network's training: settings may be chosen by these figures.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from arcinvert import Attacker
from arcinvert.evaluation.calibration import thresholds
from arcinvert.evaluation.crops import to_crop_size
from arcinvert.evaluation.judges import DlibJudge
from arcinvert.knowledge.activation_statistics import MeasuredStatistics
from arcinvert.knowledge.face_pca import faces_of, load_face_pca, pca_coefficients_of
from arcinvert.knowledge.measure import measure
from arcinvert.knowledge.nearest_neighbours import COEFFICIENTS
from arcinvert.knowledge.synthetic_faces import draw_faces
from benchmarks.judged import Jury, Panel, Row, as_json, run_or_exit, write_table
from benchmarks.people import TUNING_PHOTOS, choose, single_photographs
from benchmarks.recipes import described, table
from recognition.data.dataset import read_aligned
from recognition.data.faces import read_face
from recognition.data.folders import read_folders
from recognition.images import resized
from recognition.loading import load
from recognition.recogniser import EMBEDDING_BATCH, Recogniser

#: Makes so many faces of a size in pixels, shape (count, 3, size, size) in [0, 1].
Generator = Callable[[int, int], Tensor]
FMRS = (1e-2, 1e-3, 1e-4)
REAL, MEAN_FACE = "real faces", "mean face"


def gaussian(count: int, size: int) -> Tensor:
    """Return faces of independent coefficients: the Gaussian that the face PCA stands for."""
    dimensions = len(load_face_pca()[2])
    coefficients = torch.randn(count, dimensions, generator=torch.Generator().manual_seed(0))
    return resized(faces_of(coefficients).clamp(0, 1), size)


def mirrored(count: int, size: int) -> Tensor:
    """Return the same without the antisymmetric components: frontal faces in even light."""
    faces = gaussian(count, size)
    # The mean of a face and its mirror image has the symmetric components alone.
    return (faces + faces.flip(-1)) / 2


def shipped(count: int, size: int) -> Tensor:
    """Return the faces that the product draws."""
    return torch.cat(list(draw_faces(count, size=size)))


GENERATORS: dict[str, Generator] = {"gaussian": gaussian, "mirrored": mirrored, "shipped": shipped}


@dataclass(frozen=True)
class Comparison:
    """Templates of faces beside those of other real people.

    Args:
        trace: Of the templates' covariance.
        dimensions: The effective number of its dimensions.
        frechet: The Fréchet distance to the templates of the real people.
        angle: The median angle in degrees from a real person's template to the nearest of the faces.
        agreement: Mean cosine of the neighbours' mean face and another photograph of the person.
    """

    trace: float
    dimensions: float
    frechet: float
    angle: float
    agreement: float


def compare_templates(measured: MeasuredStatistics, templates: Tensor, others: Tensor) -> Comparison:
    """Compare faces with real people.

    Args:
        measured: The faces, with their templates.
        templates: Shape (people, dim), unit norm, of one photograph of each person.
        others: Shape (people, n), the first face PCA coefficients of another photograph of each.
    """
    neighbours = measured.nearest_neighbours
    assert neighbours is not None  # noqa: S101  (they were kept)
    known = F.normalize(neighbours.templates.float())
    values = torch.linalg.eigvalsh(torch.cov(known.T.double()))
    found = pca_coefficients_of(neighbours.mean_faces(templates), COEFFICIENTS)
    weights = load_face_pca()[2][:COEFFICIENTS]
    angles = (templates @ known.T).amax(1).clamp(-1, 1).acos().rad2deg()
    return Comparison(
        float(values.sum()),
        float(values.sum() ** 2 / values.square().sum()),
        frechet_distance(known, templates),
        float(angles.median()),
        float(F.cosine_similarity(found * weights, others * weights).mean()),
    )


def frechet_distance(first: Tensor, second: Tensor) -> float:
    """Return the Fréchet distance of the Gaussians of two sets of vectors, each of shape (n, dim).

    Source: Dowson and Landau, Journal of Multivariate Analysis 12(3), 1982.
    """
    one, other = first.double(), second.double()
    root = _square_root(torch.cov(one.T))
    between = _square_root(root @ torch.cov(other.T) @ root)
    covariances = torch.cov(one.T) + torch.cov(other.T) - 2 * between
    return float((one.mean(0) - other.mean(0)).square().sum() + covariances.trace())


def _square_root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp(min=0).sqrt()) @ vectors.T


def privacy(synthetic: Tensor, real: Tensor) -> tuple[list[float], float, float]:
    """Return shares of pairs beyond the similarity of strangers at `FMRS`, and the highest two similarities.

    Args:
        synthetic: Shape (n, dim), unit norm.
        real: Shape (m, dim), unit norm, of m different people.

    Returns:
        The shares of synthetic and real pairs, the highest similarity of those pairs, and that of strangers.
    """
    first, second = torch.triu_indices(len(real), len(real), 1)
    strangers = (real @ real.T)[first, second].sort(descending=True)[0]
    pairs = (synthetic @ real.T).flatten()
    shares = [float((pairs > strangers[int(fmr * len(strangers))]).float().mean()) for fmr in FMRS]
    return shares, float(pairs.max()), float(strangers[0])


def measured_on(recogniser: Recogniser, faces: Tensor) -> MeasuredStatistics:
    """Return what calibrate measures on faces, (n, 3, h, w)."""
    return measure(recogniser, faces.split(EMBEDDING_BATCH))


def read_crops(paths: Sequence[Path], size: int) -> Tensor:
    """Return aligned crops as images, shape (n, 3, size, size)."""
    return resized(torch.stack([read_aligned(path) for path in paths]), size)


def tuning_panel(pairs: Sequence[tuple[str, Path, Path]]) -> Panel:
    """Return people to attack, judged at the judge's shipped thresholds.

    Args:
        pairs: Name, crop whose template is attacked, and crop for the judge, of each person.
    """
    judge = DlibJudge()
    first, second = (np.stack([read_face(pair[side]) for pair in pairs]) for side in (1, 2))
    seconds = judge.embed(list(second))
    return Panel(
        [name for name, _, _ in pairs],
        [path for _, path, _ in pairs],
        first,
        second,
        judge.embed(list(first)),
        seconds,
        np.stack([np.delete(seconds, person, 0) for person in range(len(pairs))]),
        list(thresholds()),
        "training",
    )


def main() -> None:
    """Parse the command line and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--aligned", type=Path, required=True, help="aligned LFW: a folder of one folder for each identity"
    )
    parser.add_argument(
        "--model",
        type=Path,
        default=Path("../shared/models/mobilefacenet_y1.onnx"),
        help="the network (default: %(default)s)",
    )
    parser.add_argument(
        "--faces", type=int, default=1024, help="faces of each generator (default: %(default)s)"
    )
    parser.add_argument(
        "--compared", type=int, default=512, help="the real people compared with (default: %(default)s)"
    )
    parser.add_argument(
        "--generators", nargs="+", choices=GENERATORS, default=list(GENERATORS), help="default: all"
    )
    parser.add_argument("--attack", action="store_true", help="attack people with the faces, and judge")
    parser.add_argument("--people", type=int, default=24, help="people to attack (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=60, help="steps of an attack (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="the seed of people and attacks (default: 0)")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("arcinvert-results/synthetic-faces"),
        help="the folder for results (default: %(default)s)",
    )
    run_or_exit(compare, parser)


def compare(options: argparse.Namespace) -> None:
    """Compare generators, attack if it is wanted, print and write."""
    folders, names = read_folders(options.aligned), load().class_names or ()
    recogniser = load(str(options.model)).freeze()
    size = recogniser.input_size
    several = [name for name in names if len(folders.get(name, ())) in TUNING_PHOTOS]
    compared = choose(several, options.compared, options.seed)
    crops = read_crops([folders[name][0] for name in compared], size)
    templates = torch.cat([recogniser(batch) for batch in crops.split(EMBEDDING_BATCH)])
    others = pca_coefficients_of(read_crops([folders[name][-1] for name in compared], size), COEFFICIENTS)
    singles = single_photographs(names, folders)
    order = np.random.default_rng(options.seed).permutation(len(singles))
    public = read_crops([singles[index] for index in order[: options.faces]], size)
    sets = {
        name: measured_on(recogniser, GENERATORS[name](options.faces, size)) for name in options.generators
    }
    sets[REAL] = measured_on(recogniser, public)
    real = sets[REAL].nearest_neighbours
    assert real is not None  # noqa: S101  (they were kept)
    text = _comparisons(sets, templates, others, F.normalize(real.templates.float()))
    print(text, flush=True)
    figures: dict[str, object] = {
        name: vars(compare_templates(one, templates, others)) for name, one in sets.items()
    }
    if options.attack:
        panel = tuning_panel(
            [(name, folders[name][0], folders[name][-1]) for name in compared[: options.people]]
        )
        rows = _attacked(recogniser, sets, panel, options)
        attacked = (
            f"{table([(name, row, None) for name, row in rows.items()], panel)}\n\n{described(panel)}\n"
        )
        print(f"\n{attacked}")
        text = f"{text}\n\n{attacked}"
        figures |= {f"attack: {name}": as_json(row) for name, row in rows.items()}
    options.out.mkdir(parents=True, exist_ok=True)
    write_table(options.out, text, figures)


def _comparisons(sets: dict[str, MeasuredStatistics], templates: Tensor, others: Tensor, real: Tensor) -> str:
    lines = ["| faces | trace | dimensions | Frechet | angle | agreement | privacy | highest |"]
    lines.append("|---" * 8 + "|")
    for name, measured in sets.items():
        found = compare_templates(measured, templates, others)
        shown = "- | -"
        neighbours = measured.nearest_neighbours
        if name != REAL and neighbours is not None:
            shares, highest, of_strangers = privacy(F.normalize(neighbours.templates.float()), real)
            shown = f"{', '.join(f'{share:.5f}' for share in shares)} | {highest:.3f} ({of_strangers:.3f})"
        lines.append(
            f"| {name} | {found.trace:.3f} | {found.dimensions:.1f} | {found.frechet:.3f} | "
            f"{found.angle:.1f} | {found.agreement:.3f} | {shown} |"
        )
    rates = ", ".join(f"{fmr:g}" for fmr in FMRS)
    pairs = len(real) * (len(real) - 1) // 2
    lines.append(
        f"\n{len(real)} faces of each kind, {len(templates)} real people compared with; privacy at FMR "
        f"{rates} of {pairs:,} pairs of strangers, whose highest similarity is in brackets."
    )
    return "\n".join(lines)


def _attacked(
    recogniser: Recogniser,
    sets: dict[str, MeasuredStatistics],
    panel: Panel,
    options: argparse.Namespace,
) -> dict[str, Row]:
    known = Attacker(recogniser, calibrate=False).knowledge
    jury = Jury(panel)
    rows: dict[str, Row] = {}
    choices: dict[str, MeasuredStatistics | None] = {MEAN_FACE: None, **sets}
    for name, statistics in choices.items():
        attacker = Attacker(recogniser, knowledge=replace(known, statistics=statistics))
        run = attacker.from_crops(list(panel.first), steps=options.steps, restarts=1, seed=options.seed)
        rows[name] = jury.row(*jury.look(to_crop_size(np.stack(list(run.images)))))
        print(f"attacked with {name}: {run.result['seconds']:.0f} s", flush=True)
    return rows | jury.ends()


if __name__ == "__main__":
    main()
