"""A record set of many identities and the protocols of a million comparisons: seconds, and memory.

    python -m benchmarks.large_sets records
    python -m benchmarks.large_sets protocols

`records` writes a set of small synthetic images, lists it and trains some steps of a small network on it, on
one process and on two ranks (`--ranks`).
`protocols` compares random templates: 1:1 pairs with their intervals, and the rank-one rate among distractors
in a file. Each part runs in a process of its own, so that its peak memory is its own.
"""

import argparse
import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from recognition.data.sources import open_source
from recognition.data.writers import write_records
from recognition.metrics.distractors import describe_distractors, identify_among, read_distractors
from recognition.metrics.pair_lists import describe_pairs
from recognition.metrics.template_protocol import Templates, verify_templates
from recognition.runtime import peak_memory

#: Different images of a set: their content does not matter, and making them takes longer than writing them.
_IMAGES = 64
#: Templates of one person in the protocols, and the length of the noise on each beside that of the person.
_PER_PERSON, _NOISE = 5, 2.0
#: Templates that are written at once.
_CHUNK = 20_000


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("part", choices=["records", "protocols", "list", "pairs", "distractors"])
    parser.add_argument("path", nargs="?", help=argparse.SUPPRESS)
    parser.add_argument("--identities", type=int, default=100_000, help="identities of the record set")
    parser.add_argument("--images", type=int, default=3, help="images of each of them")
    parser.add_argument("--ranks", type=int, default=2, help="ranks of the training on several")
    parser.add_argument("--comparisons", type=int, default=1_000_000, help="pairs of templates")
    parser.add_argument("--distractors", type=int, default=1_000_000, help="distractors")
    parser.add_argument("--probes", type=int, default=500, help="probes among distractors")
    parser.add_argument("--dim", type=int, default=512, help="dimensions of a template")
    options = parser.parse_args()
    {
        "records": _records,
        "protocols": _protocols,
        "list": _list,
        "pairs": _pairs,
        "distractors": _distractors,
    }[options.part](options)


def _records(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        images = _faces()
        count = write_records(
            Path(folder, "set"),
            (
                (f"{person:06d}", [images[(person + number) % _IMAGES] for number in range(options.images)])
                for person in range(options.identities)
            ),
        )
        print(f"{count:,} images of {options.identities:,} identities written in {_since(begun)}", flush=True)
        _part("list", Path(folder, "set"), options)
        begun = time.monotonic()
        command = [
            *("-m", "recognition", "train", str(Path(folder, "set")), "--dry-run"),
            *("--width", "0.125", "--embedding-size", "128", "--batch-size", "32", "--epochs", "1"),
            *("--image-size", "32", "--start-size", "32", "--held-out", "600", "--device", "cpu"),
        ]
        subprocess.run([sys.executable, *command], check=True)
        print(f"20 steps of a training: {_since(begun)} with the start", flush=True)
        begun = time.monotonic()
        ranks = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(options.ranks)]
        subprocess.run([sys.executable, *ranks, *command, "--sample-rate", "0.1"], check=True)
        print(f"20 steps on {options.ranks} ranks, a tenth of the classes each: {_since(begun)}", flush=True)


def _protocols(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "distractors.npy")
        header = {"descr": "<f4", "fortran_order": False, "shape": (options.distractors, options.dim)}
        generator = np.random.default_rng(1)
        # Not mapped: a process that is started counts the pages of the one that starts it.
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            for begin in range(0, options.distractors, _CHUNK):
                rows = min(_CHUNK, options.distractors - begin)
                generator.standard_normal((rows, options.dim), dtype=np.float32).tofile(file)
        _part("pairs", path, options)
        _part("distractors", path, options)


def _part(name: str, path: Path, options: argparse.Namespace) -> None:
    command = [sys.executable, "-m", "benchmarks.large_sets", name, str(path)]
    for option in ("comparisons", "probes", "dim"):
        command += [f"--{option}", str(getattr(options, option))]
    subprocess.run(command, check=True)


def _list(options: argparse.Namespace) -> None:
    begun = time.monotonic()
    source = open_source(options.path)
    faces = sum(len(keys) for keys in source.identities.values())
    print(f"listed {faces:,} faces of {len(source.identities):,} identities: {_cost(begun)}", flush=True)


def _pairs(options: argparse.Namespace) -> None:
    people = 4000
    templates, _ = _people(people, options.dim)
    generator = np.random.default_rng(2)
    mated = np.arange(options.comparisons) % 50 == 0
    first = generator.integers(0, len(templates), options.comparisons)
    other = generator.integers(0, len(templates) - _PER_PERSON, options.comparisons)
    # Nonmated ones skip the first one's person.
    begin = first // _PER_PERSON * _PER_PERSON
    second = np.where(other >= begin, other + _PER_PERSON, other)
    second = np.where(mated, begin + (first - begin + 1) % _PER_PERSON, second)
    numbers = np.arange(len(templates))
    begun = time.monotonic()
    metrics = verify_templates(
        Templates(numbers, templates, np.ones(len(numbers), dtype=np.bool_)), first, second, mated
    )
    print(f"{options.comparisons:,} comparisons: {_cost(begun)}\n{describe_pairs(metrics)}", flush=True)


def _distractors(options: argparse.Namespace) -> None:
    templates, labels = _people(options.probes // _PER_PERSON, options.dim)
    begun = time.monotonic()
    curve = identify_among(templates, labels, read_distractors(Path(options.path), options.dim))
    print(
        f"{len(templates):,} probes among {curve.distractors:,} distractors: {_cost(begun)}\n"
        f"{describe_distractors(curve)}",
        flush=True,
    )


def _people(count: int, dim: int) -> tuple[np.ndarray, np.ndarray]:
    """Return random templates of people, unit norm, shape (templates, dim), and their labels."""
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(count), _PER_PERSON)
    people = generator.standard_normal((count, dim), dtype=np.float32)
    noisy = people[labels] + _NOISE * generator.standard_normal((len(labels), dim), dtype=np.float32)
    return noisy / np.linalg.norm(noisy, axis=1, keepdims=True), labels


def _faces() -> list[bytes]:
    generator = np.random.default_rng(0)
    found: list[bytes] = []
    for _ in range(_IMAGES):
        coarse = generator.integers(0, 256, (7, 7, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(coarse).resize((112, 112), Image.Resampling.BICUBIC).save(file, "JPEG", quality=90)
        found.append(file.getvalue())
    return found


def _since(begun: float) -> str:
    return f"{time.monotonic() - begun:.1f} s"


def _cost(begun: float) -> str:
    memory = peak_memory(torch.device("cpu")) / 2**30
    return f"{_since(begun)} ({time.process_time():.1f} s of CPU with the start), {memory:.2f} GiB at most"


if __name__ == "__main__":
    main()
