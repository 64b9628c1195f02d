"""Attacks on a black box: the share of accepted reconstructions over the number of queries.

    python -m benchmarks.black_box --photos lfw --public public --tuning --people 12 --steps 60
    python -m benchmarks.black_box --photos lfw --public public --people 48

The target is a network that only answers; the surrogate is the attacker's own. A row is one kind of answers
and one budget of images for each person, public faces included: embeddings, through a map between the two
networks; scores against the enrolled person, exact and with one decimal; decisions at the target's threshold.
`--server` adds a row of a server with a rate limit and failures: every attempt counts, and leaves fewer.

SAR, the share of accepted reconstructions, is dlib's verdict by another photograph of the person, at its
false match rates (FMR), with 95 % intervals over people. The target's own opinion stands apart: it is what
the attack raises, and says little. The floor is the mean face, the ceiling a photograph.

A surrogate that was distilled from the target is no stranger to it: its rows are an upper bound of what the
attack reaches. The default surrogate is a student of the default target; `--surrogate lfw-iresnet18` is not.
Settings are tuned with `--tuning`, on people that the bundled network was trained on.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from arcinvert.access.black_box import embedding_function, function_ask
from arcinvert.access.black_box_attacker import BlackBoxAttacker
from arcinvert.access.options import AccessOptions
from arcinvert.access.reference_server import ReferenceServer
from arcinvert.attacker import Attacker
from arcinvert.run import Run
from benchmarks.judged import usable_pair
from benchmarks.people import tuning_people
from recognition.checkpoint import load_notes
from recognition.data.folders import read_folders
from recognition.loading import BUNDLED, bundled_path, load
from recognition.metrics.intervals import estimate
from recognition.runtime import keep_freed_memory

#: The seed of the draw of people.
SEED = 0
#: Requests of a second and the share of failures in the row of a limited server.
RATE, FAILURES = 200.0, 0.05
#: The rows: the kind of answers, the budget, and the decimals of scores.
ROWS: tuple[tuple[str, int, int | None], ...] = (
    ("embeddings", 100, None),
    ("embeddings", 300, None),
    ("embeddings", 1000, None),
    ("scores", 30, None),
    ("scores", 100, None),
    ("scores", 100, 1),
    ("scores", 300, None),
    ("decisions", 1000, None),
    ("decisions", 5000, None),
)


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Args:
        name: The row's title.
        run: The judged run.
        accepted: The least similarity that the target accepts.
    """

    name: str
    run: Run
    accepted: float

    def cells(self) -> list[str]:
        """Return queries, the judge's figures, and the target's own opinion."""
        summary, access = self.run.summary, self.run.result["access"]
        sar = [_cell(rate["attack"]) for rate in summary["sar"].values()]
        queries = access.get("queries")
        shown = "-" if queries is None else f"{queries['most_for_one_person']:,}"
        retries = "-" if queries is None else f"{queries['retries']:,}"
        return [shown, retries, _cell(summary["similarity"]), *sar, *self._own()]

    def _own(self) -> list[str]:
        access = self.run.result["access"]
        names = [sample["input"] for sample in self.run.samples]
        if access["kind"] == "weights":
            answers = [sample["attacked_similarity"] for sample in self.run.samples]
        else:
            answers = [one["answer"] for one in access["own_opinion"]]
        known = [row for row, answer in enumerate(answers) if answer is not None]
        if not known:
            return ["-", "-"]
        own, whose = np.array([answers[row] for row in known]), [names[row] for row in known]
        if access["kind"] == "decisions":
            return ["-", _estimated(own == 1, whose)]
        return [_estimated(own, whose), _estimated(own >= self.accepted, whose)]


def people(photos: Path, count: int, *, tuning: bool) -> list[Path]:
    """Return a photograph each of drawn people with two usable ones: the reported, or those for tuning."""
    folders = read_folders(photos)
    held_out = load_notes(bundled_path())["split"]["held_out"]
    if tuning:
        names = tuning_people(folders, held_out)
    else:
        names = [name for name in sorted(held_out) if len(folders.get(name, ())) >= 2]
    order = np.random.default_rng(SEED).permutation(len(names))
    pairs = (usable_pair(folders[names[index]]) for index in order)
    return sorted(islice((pair[0] for pair in pairs if pair is not None), count))


def rows(options: argparse.Namespace, photographs: list[Path]) -> Iterator[Row]:
    """Attack by each row and yield it."""
    target = load(options.model)
    wanted: dict[str, Any] = {"photos": options.photos, "steps": options.steps, "restarts": options.restarts}
    for access, queries, decimals in ROWS:
        if access not in options.access or queries > options.most:
            continue
        chosen = AccessOptions(
            access=access,  # type: ignore[arg-type]
            queries=queries,
            surrogate=options.surrogate,
            public_faces=options.public,
            faces=options.faces,
            decimals=decimals,
            threshold=options.threshold,
            refine=options.refine if access != "decisions" and options.refine < queries // 2 else 0,
        )
        name = access if decimals is None else f"{access}, {decimals} decimal"
        run = BlackBoxAttacker(chosen, target).from_image(photographs, **wanted)
        yield Row(f"{name}, at most {queries:,}", run, options.threshold)
    if options.server:
        yield Row("embeddings, a limited server", _limited(options, photographs, wanted), options.threshold)
    if options.white_box:
        run = Attacker(target).from_image(photographs, **wanted)
        yield Row("weights of the target", run, options.threshold)


def _limited(options: argparse.Namespace, photographs: list[Path], wanted: dict[str, Any]) -> Run:
    """Attack the target behind a server with a rate limit and failures."""
    ask = function_ask(embedding_function(load(options.model)), "embeddings")
    with ReferenceServer(ask, "embeddings", rate=RATE, failures=FAILURES) as server:
        chosen = AccessOptions(
            access="embeddings",
            queries=min(300, options.most),
            black_box=server.url,
            surrogate=options.surrogate,
            public_faces=options.public,
            faces=options.faces,
        )
        return BlackBoxAttacker(chosen).from_image(photographs, **wanted)


def _estimated(values: np.ndarray, names: list[str]) -> str:
    found = estimate(values, names)
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _cell(figure: dict[str, Any] | None) -> str:
    return "-" if figure is None else f"{figure['value']:.3f} [{figure['low']:.3f}, {figure['high']:.3f}]"


def main() -> None:
    """Parse the command line and print the curve."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--photos", type=Path, required=True, help="LFW: a folder for each identity")
    parser.add_argument("--public", type=Path, help="public faces (default: synthetic ones)")
    parser.add_argument(
        "--model", default="../shared/models/mobilefacenet_y1.onnx", help="the target (default: %(default)s)"
    )
    parser.add_argument("--surrogate", default=BUNDLED, help="the attacker's network (default: %(default)s)")
    parser.add_argument("--people", type=int, default=48, help="the people (default: %(default)s)")
    parser.add_argument("--tuning", action="store_true", help="attack people that settings are tuned on")
    parser.add_argument(
        "--access",
        nargs="+",
        choices=("embeddings", "scores", "decisions"),
        default=("embeddings", "scores", "decisions"),
        help="the kinds of answers (default: all)",
    )
    parser.add_argument("--most", type=int, default=5000, help="the largest budget (default: %(default)s)")
    parser.add_argument("--faces", type=int, default=2048, help="the public faces (default: %(default)s)")
    parser.add_argument("--threshold", type=float, default=0.3, help="the target's (default: %(default)s)")
    parser.add_argument("--refine", type=int, default=0, help="queries of CMA-ES (default: %(default)s)")
    parser.add_argument("--steps", type=int, help="steps of each image (default: the recipe's)")
    parser.add_argument("--restarts", type=int, help="restarts (default: the recipe's)")
    parser.add_argument("--server", action="store_true", help="add the row of a server with limits")
    parser.add_argument("--white-box", action="store_true", help="add the row of an attack by the weights")
    options = parser.parse_args()
    keep_freed_memory()
    photographs = people(options.photos, options.people, tuning=options.tuning)
    heads = ("access", "queries", "retries", "Type II", "SAR at 1e-2", "SAR at 1e-3")
    print(f"| {' | '.join((*heads, 'target: similarity', 'target: accepted'))} |")
    print("|---" * (len(heads) + 2) + "|")
    last: Run | None = None
    for row in rows(options, photographs):
        print(f"| {row.name} | {' | '.join(row.cells())} |", flush=True)
        last = row.run
    if last is None:
        return
    for kind in ("floor", "ceiling"):
        rates = ", ".join(f"{_cell(sar[kind])} at {rate}" for rate, sar in last.summary["sar"].items())
        print(f"{kind}: Type II {_cell(last.summary[kind])}, SAR {rates}; n = {last.summary['identities']}")


if __name__ == "__main__":
    main()
