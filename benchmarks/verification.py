"""Time and memory of `verify` for many images.

    python -m benchmarks.verification [--images 10000 100000] [--dim 512]

Each size is computed in a process of its own, with random embeddings of ten images an identity.
"""

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

from recognition.metrics.verification import verify


def main() -> int:
    """Print a table."""
    parser = argparse.ArgumentParser(description="Measure time and memory of verify.")
    parser.add_argument(
        "--images", type=int, nargs="+", default=[10_000, 100_000], help="Numbers of images (10 an identity)"
    )
    parser.add_argument("--dim", type=int, default=512, help="Dimensions of an embedding")
    parser.add_argument("--single", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.single is not None:
        print(json.dumps(_measure(options.single, options.dim)))
        return 0
    print("images     nonmated pairs  seconds  CPU seconds  peak memory")
    for images in options.images:
        command = (sys.executable, "-m", "benchmarks.verification", "--single", str(images))
        done = subprocess.run(
            (*command, "--dim", str(options.dim)), check=True, capture_output=True, text=True
        )
        found = json.loads(done.stdout)
        print(
            f"{images:7,} {found['nonmated']:17,} {found['seconds']:8.1f} {found['cpu']:12.1f} "
            f"{found['bytes'] / 2**30:8.2f} GiB"
        )
    return 0


def _measure(images: int, dim: int) -> dict[str, float]:
    generator = np.random.default_rng(0)
    labels = np.arange(images) // 10
    embeddings = generator.standard_normal((labels.max() + 1, dim), dtype=np.float32)[labels]
    embeddings += generator.standard_normal((images, dim), dtype=np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    begin, cpu = time.monotonic(), time.process_time()
    metrics = verify(embeddings, labels)
    # Kilobytes, but on macOS bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "nonmated": metrics.points[0].nonmated,
        "seconds": time.monotonic() - begin,
        "cpu": time.process_time() - cpu,
        "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
    }


if __name__ == "__main__":
    sys.exit(main())
