"""What a learned decoder adds: alone, as an initialisation and as a parametrisation, against face PCA.

    python -m benchmarks.public_faces --aligned aligned --out public
    arcinvert learn --model mobilefacenet_y1.onnx --images public
    python -m benchmarks.decoder --photos ../shared/data/lfw/images --out runs/decoder

What an attack uses a decoder for is chosen by this table, so it attacks people that the bundled network was
trained on, with two to nine photographs; `--reported` attacks held-out people, on whom results are reported.
The decoder must have been trained on neither: public_faces writes the faces of others, which the decoder of
the bundled network learned from too. Rows without the decoder as an initialisation start as they would
without it. A network that has no decoder is attacked with the bundled one behind a map.

Columns beside those of every judged table: *sharpness*, the lightness in frequencies above a quarter of a
cycle a pixel, root mean square in L* (benchmarks/faults.py), which should be the photographs'; *fringes*, the
mean change of colour from pixel to pixel, likewise; *KID*, the kernel distance of the judge's embeddings of
the pictures to those of the photographs, times 1,000: 0 for pictures that are distributed like photographs. A
finished row is kept in --out and not made again.
"""

import argparse
from dataclasses import replace
from typing import Any

import numpy as np

from arcinvert import Attacker
from arcinvert.evaluation.distribution import kernel_distance
from arcinvert.inversion.initialisation import INITIALISATIONS
from arcinvert.options import AttackOptions
from benchmarks.faults import measure
from benchmarks.judged import (
    CEILING,
    MEAN_FACE,
    Crops,
    Embeddings,
    Jury,
    Panel,
    Row,
    as_json,
    command_line,
    make_panel,
    run_or_exit,
    write_table,
)
from benchmarks.recipes import cell, described, kept_pictures, make, table
from recognition.errors import InputError
from recognition.metrics.intervals import estimate

#: The options of each row.
ROWS: dict[str, dict[str, Any]] = {
    "nearest neighbours alone": {"initialisation": "nearest-neighbours", "steps": 0},
    "regression alone": {"initialisation": "regression", "steps": 0},
    "decoder alone": {"initialisation": "decoder", "steps": 0},
    "face PCA": {"parametrisation": "face-pca"},
    "decoder as initialisation": {"initialisation": "decoder", "parametrisation": "face-pca"},
    "decoder as parametrisation": {"parametrisation": "decoder"},
    "decoder as both": {"initialisation": "decoder", "parametrisation": "decoder"},
}
#: Headings of the further columns.
SHARPNESS, FRINGES, KID = "sharpness", "fringes", "KID x 1000"


def looks(panel: Panel, pictures: Crops, embeddings: Embeddings) -> dict[str, str]:
    """Return the further columns of a row by heading."""
    measured = measure(pictures)
    distance = kernel_distance(embeddings, panel.second_embeddings)
    return {
        SHARPNESS: cell(estimate(measured.lines, panel.names)),
        FRINGES: cell(estimate(measured.fringes, panel.names)),
        KID: f"{1000 * distance:.2f}",
    }


def options_of(name: str, given: argparse.Namespace, initialisation: str) -> dict[str, Any]:
    """Return the options of a row's attack; `initialisation` is that of an attack without a decoder."""
    return {"seed": given.seed, "steps": given.steps, "initialisation": initialisation} | ROWS[name]


def compare(given: argparse.Namespace) -> None:
    """Attack by every row, judge, print and write; the table is written anew after each row.

    Raises:
        InputError: If no row can be made, there are too few people, or `out` has results of other settings.
    """
    attacker = Attacker(given.model, statistics=given.statistics, decoder=given.decoder)
    # What an attack without a decoder starts from depends on what is measured at the first use.
    attacker.measure(AttackOptions())
    panel = make_panel(given.photos, given.people, given.seed, given.out, tuning=not given.reported)
    jury = Jury(panel)
    ends = jury.ends()
    mean_faces = np.stack([jury.mean_face] * len(panel.names))
    of_ends = {
        MEAN_FACE: looks(panel, mean_faces, jury.look(mean_faces)[0]),
        CEILING: looks(panel, panel.first, panel.first_embeddings),
    }
    network, knowledge = attacker.recogniser.name, replace(attacker.knowledge, decoder=None)
    without = next(one for one in INITIALISATIONS if not INITIALISATIONS[one].missing(knowledge, network))
    rows: dict[str, tuple[Row, float]] = {}
    columns: dict[str, dict[str, str]] = {}
    for name in given.rows:
        folder, wanted = given.out / name.replace(" ", "-"), options_of(name, given, without)
        try:
            plan = attacker.plan("template", **wanted)
        except InputError as error:
            # A row may need what was not measured; the others do not wait for it.
            print(f"{name}: left out: {error}", flush=True)
            continue
        make(name, panel, wanted, folder, attacker=attacker, photos=given.photos)
        pictures, seconds = kept_pictures(panel, plan, folder, attacker=attacker)
        embeddings, detected = jury.look(pictures)
        rows[name] = jury.row(embeddings, detected), seconds
        columns[name] = looks(panel, pictures, embeddings)
        _write(given, panel, rows, ends, columns | of_ends)
    if not rows:
        raise InputError("rows: expected at least one that this network can be attacked by, got none")
    print(f"\n{(given.out / 'table.md').read_text(encoding='utf-8')}")


def _write(
    given: argparse.Namespace,
    panel: Panel,
    rows: dict[str, tuple[Row, float]],
    ends: dict[str, Row],
    columns: dict[str, dict[str, str]],
) -> None:
    lines: list[tuple[str, Row, float | None]] = [
        (name, row, seconds) for name, (row, seconds) in rows.items()
    ]
    lines += [(name, row, None) for name, row in ends.items()]
    more = {
        heading: {name: columns[name][heading] for name, _, _ in lines}
        for heading in (SHARPNESS, FRINGES, KID)
    }
    figures = {
        name: as_json(row) | {"seconds": seconds, "looks": columns[name], "options": ROWS.get(name)}
        for name, row, seconds in lines
    }
    write_table(given.out, f"{table(lines, panel, more)}\n\n{described(panel)}\n", figures)


def main() -> None:
    """Parse the command line and print the table."""
    parser = command_line(__doc__, steps=100, of="row with steps", out="decoder")
    parser.add_argument("--statistics", metavar="FILE", help="the file of 'arcinvert calibrate'")
    parser.add_argument("--decoder", metavar="FILE", help="the file of 'arcinvert learn'")
    parser.add_argument("--reported", action="store_true", help="attack held-out people")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), help="the rows (default: all)")
    run_or_exit(compare, parser)


if __name__ == "__main__":
    main()
