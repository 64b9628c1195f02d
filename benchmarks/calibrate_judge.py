"""Calibrate the judge: its fixed warp and its thresholds, and write arcinvert/data/judge.json.

python -m benchmarks.calibrate_judge --photos LFW/images --aligned ALIGNED --split split.json
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arcinvert.audit.metrics import compare_all
from arcinvert.evaluation.judges import CHIP_SIZE, DlibJudge
from arcinvert.evaluation.similarity import similarity
from benchmarks.judged import PHOTOS_PER_PERSON, calibrated
from benchmarks.people import calibration_people
from recognition.data.folders import read_folders
from recognition.detection.alignment import (
    REFERENCE_POINTS,
    face_detector,
    five_points,
    landmark_predictor,
    similarity_transform,
)
from recognition.images import atomic_path, read_image
from recognition.metrics.verification import make_pairs

#: dlib's padding of its chips, as a fraction of the face, in the training of its network.
CHIP_PADDING = 0.25
#: The edges of the histograms of similarities; they include all pairs of photographs.
EDGES = np.linspace(-0.4, 1, 71)


def fixed_warp(photographs: list[Path]) -> NDArray[np.float64]:
    """Return the median transform from the 112x112 crop to dlib's own chip, shape (2, 3)."""
    import dlib

    detector, predictor = face_detector(), landmark_predictor()
    matrices = []
    for path in photographs:
        image = read_image(path)
        boxes = detector(image, 0)
        if len(boxes) != 1:
            continue
        shape = predictor(image, boxes[0])
        landmarks = np.array([(point.x, point.y) for point in shape.parts()], dtype=np.float64)
        to_crop = similarity_transform(five_points(landmarks), REFERENCE_POINTS)
        details = dlib.get_face_chip_details(shape, CHIP_SIZE, CHIP_PADDING)
        rectangle, angle = details.rect, details.angle
        x = np.array([rectangle.left(), rectangle.right()])
        y = np.array([rectangle.top(), rectangle.bottom()])
        corners = np.array([(x[0], y[0]), (x[1], y[0]), (x[0], y[1]), (x[1], y[1])])
        centre = np.array([x.mean(), y.mean()])
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        last = CHIP_SIZE - 1
        chip_corners = np.array([(0, 0), (last, 0), (0, last), (last, last)], dtype=np.float64)
        to_chip = similarity_transform((corners - centre) @ turn.T + centre, chip_corners)
        whole = np.vstack([to_chip, (0, 0, 1)]) @ np.linalg.inv(np.vstack([to_crop, (0, 0, 1)]))
        matrices.append(whole[:2])
    matrix = np.median(matrices, axis=0)
    # A face and its mirror image are to be treated alike, so there is no rotation.
    matrix[0, 1] = matrix[1, 0] = 0
    return matrix


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--photos", type=Path, required=True, help="photographs: a folder of one folder for each identity"
    )
    parser.add_argument(
        "--aligned", type=Path, required=True, help="aligned crops: a folder of one folder for each identity"
    )
    parser.add_argument("--split", type=Path, required=True, help="the bundled network's split.json")
    options = parser.parse_args()
    people = calibration_people(json.loads(options.split.read_text())["held_out"])
    photos = read_folders(options.photos)
    matrix = fixed_warp([path for name in people for path in photos[name][:1]])
    aligned = read_folders(options.aligned)
    samples = [(path, name) for name in people for path in aligned.get(name, [])[:PHOTOS_PER_PERSON]]
    labels = np.unique([name for _, name in samples], return_inverse=True)[1]
    embeddings = DlibJudge(matrix).embed([read_image(path) for path, _ in samples])
    nonmated = compare_all(embeddings, embeddings, labels, "euclidean").nonmated.similarities
    pairs = make_pairs(labels)
    mated = similarity(*(embeddings[pairs.indices[pairs.mated, side]] for side in (0, 1)))
    described = {
        "judge": DlibJudge.network,
        "similarity": "1 - Euclidean distance",
        "matrix": matrix.round(5).tolist(),
        "thresholds": [asdict(threshold) for threshold in calibrated(embeddings, labels)],
        "mean_mated": float(mated.mean()),
        "mean_nonmated": float(nonmated.mean()),
        "histograms": {
            "edges": EDGES.round(2).tolist(),
            "nonmated": _shares(nonmated),
            "mated": _shares(mated),
        },
        "data": "LFW, deep-funneled; two thirds of the bundled network's held-out identities, at most "
        f"{PHOTOS_PER_PERSON} photographs each",
        "people": people,
    }
    with atomic_path(Path("arcinvert/data/judge.json")) as temporary:
        temporary.write_text(json.dumps(described, indent=1) + "\n")
    print(json.dumps({key: value for key, value in described.items() if key != "people"}, indent=1))


def _shares(similarities: NDArray[np.floating[Any]]) -> list[float]:
    """Return the share of the similarities in each bin of `EDGES`."""
    counts = np.histogram(similarities, EDGES)[0]
    if counts.sum() != len(similarities):
        raise SystemExit(
            f"similarities from {similarities.min()} to {similarities.max()} leave the histogram"
        )
    shares: list[float] = (counts / counts.sum()).round(7).tolist()
    return shares


if __name__ == "__main__":
    main()
