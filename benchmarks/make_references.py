"""Make arcinvert/data/references.safetensors: what the judge compares pictures of each class with.

    python -m benchmarks.make_references --aligned ALIGNED

One photograph of each class, the one kept out of training if there is one, becomes a judge embedding; the
ceiling is its similarity to another photograph of the person.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from tqdm import tqdm

from arcinvert.evaluation.judges import DlibJudge
from arcinvert.evaluation.similarity import similarity
from arcinvert.subjects import class_list_digest
from recognition.data.folders import read_folders
from recognition.images import atomic_path, read_image
from recognition.loading import load


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--aligned", type=Path, required=True, help="aligned LFW: a folder of one folder for each identity"
    )
    parser.add_argument(
        "--model", default="lfw-iresnet18", help="the network with the class names (default: %(default)s)"
    )
    options = parser.parse_args()
    names = load(options.model).class_names or ()
    folders = read_folders(options.aligned)
    judge = DlibJudge()
    embeddings, ceilings = [], []
    for name in tqdm(names, desc="judge", unit="class"):
        # The split reserves the last photograph by name; attacks take those of --photos from the last on.
        photographs = [read_image(path) for path in folders[name][::-1][:2]]
        first, *others = judge.embed(photographs)
        embeddings.append(first)
        ceilings.append(float(similarity(first, others[0])) if others else np.nan)
    tensors = {
        "embeddings": torch.tensor(np.array(embeddings), dtype=torch.float16),
        "ceilings": torch.tensor(ceilings, dtype=torch.float16),
    }
    with atomic_path("arcinvert/data/references.safetensors") as temporary:
        save_file(tensors, temporary, {"classes_sha256": class_list_digest(names)})
    print(f"{len(names)} classes, {np.isfinite(ceilings).sum()} with a second photograph")


if __name__ == "__main__":
    main()
