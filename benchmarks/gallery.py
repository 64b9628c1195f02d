"""Search a gallery of a million templates: seconds, and the memory it takes.

    python -m benchmarks.gallery

The gallery is random unit vectors in a file that is read as needed; the probes are some of its entries with
noise, so that the right answers are known.
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from recognition.metrics.identification import search
from recognition.runtime import peak_memory

#: The number of templates written at once.
CHUNK = 20_000
#: The length of the noise on a probe, which is a unit vector.
NOISE = 0.5


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--entries", type=int, default=1_000_000, help="the templates in the gallery (default: %(default)s)"
    )
    parser.add_argument("--dim", type=int, default=512, help="the dimensions of a template (default: 512)")
    parser.add_argument("--probes", type=int, default=100, help="the templates searched for (default: 100)")
    parser.add_argument("--top", type=int, default=10, help="the results of each search (default: 10)")
    options = parser.parse_args()
    generator = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        shape = (options.entries, options.dim)
        gallery = np.lib.format.open_memmap(Path(folder, "g.npy"), mode="w+", dtype=np.float32, shape=shape)
        for begin in range(0, options.entries, CHUNK):
            end = min(begin + CHUNK, options.entries)
            chunk = generator.standard_normal((end - begin, options.dim), dtype=np.float32)
            gallery[begin:end] = chunk / np.linalg.norm(chunk, axis=1, keepdims=True)
        truth = generator.choice(options.entries, options.probes, replace=False)
        noise = generator.standard_normal((options.probes, options.dim), dtype=np.float32)
        probes = gallery[truth] + NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
        probes /= np.linalg.norm(probes, axis=1, keepdims=True)
        begun, cpu = time.monotonic(), time.process_time()
        found = search(probes, gallery, top=options.top)
        seconds, cpu = time.monotonic() - begun, time.process_time() - cpu
        right = float((found.indices[:, 0] == truth).mean())
    memory = peak_memory(torch.device("cpu")) / 2**30
    print(
        f"{options.probes} probes in {options.entries:,} x {options.dim}: {seconds:.1f} s ({cpu:.1f} s of "
        f"CPU), {memory:.2f} GiB at most, the gallery's own pages included; right first: {right:.2f}"
    )


if __name__ == "__main__":
    main()
