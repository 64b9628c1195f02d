"""Make arcinvert/data/references.safetensors: what the judge compares pictures of each class with.

    python -m benchmarks.make_references --aligned ALIGNED

One photograph of each class, the one kept out of training if there is one, becomes a judge embedding; the
ceiling is its similarity to another photograph of the person. Beside them stands how many photographs of the
class trained the network, and whether the judge's one was kept out. `--counts` renews these two alone.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor
from tqdm import tqdm

from arcinvert.evaluation.judges import DlibJudge
from arcinvert.evaluation.similarity import similarity
from arcinvert.subjects import class_list_digest
from recognition.checkpoint import load_notes, write_safetensors
from recognition.data.folders import read_folders
from recognition.images import read_image
from recognition.loading import load

#: The file in the package.
PATH = "arcinvert/data/references.safetensors"


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--aligned", type=Path, required=True, help="aligned LFW: a folder of one folder for each identity"
    )
    parser.add_argument(
        "--model", default="lfw-distilled", help="the network with the class names (default: %(default)s)"
    )
    parser.add_argument(
        "--counts", action="store_true", help="keep the embeddings, and renew the numbers of photographs"
    )
    options = parser.parse_args()
    recogniser = load(options.model)
    names, folders = recogniser.class_names or (), read_folders(options.aligned)
    counts = training_counts(names, folders, load_notes(recogniser.source.path)["split"])
    if options.counts:
        kept = load_file(PATH)
        tensors = {name: kept[name] for name in ("embeddings", "ceilings")} | counts
    else:
        tensors = judged(names, folders) | counts
    write_safetensors(PATH, tensors, {"classes_sha256": class_list_digest(names)})
    print(
        f"{len(names)} classes, {int(tensors['ceilings'].isfinite().sum())} with a second photograph, "
        f"{int((counts['trained_on'] == 1).sum())} trained on one photograph, "
        f"{int(counts['held_out'].sum())} judged by a photograph kept out of training"
    )


def judged(names: Sequence[str], folders: Mapping[str, Sequence[Path]]) -> dict[str, Tensor]:
    """Return `embeddings`, (classes, 128), and `ceilings`, (classes,), NaN without a second photograph."""
    judge = DlibJudge()
    embeddings, ceilings = [], []
    for name in tqdm(names, desc="judge", unit="class"):
        # The split reserves the last photograph by name; attacks take those of --photos from the last on.
        photographs = [read_image(path) for path in folders[name][::-1][:2]]
        first, *others = judge.embed(photographs)
        embeddings.append(first)
        ceilings.append(float(similarity(first, others[0])) if others else np.nan)
    return {
        "embeddings": torch.tensor(np.array(embeddings), dtype=torch.float16),
        "ceilings": torch.tensor(ceilings, dtype=torch.float16),
    }


def training_counts(
    names: Sequence[str], folders: Mapping[str, Sequence[Path]], split: Mapping[str, Any]
) -> dict[str, Tensor]:
    """Return `trained_on`, (classes,), photographs that trained each class, and `held_out`, (classes,).

    Args:
        names: The classes.
        folders: The photographs of each person.
        split: What the network's file says of its training.

    Raises:
        SystemExit: If the photographs are not those that the network was trained on.
    """
    reserved = split["reserved"]
    # The judge's photograph is the last one.
    held_out = [reserved.get(name) == folders[name][-1].name for name in names]
    trained_on = [len(folders[name]) - (name in reserved) for name in names]
    if sum(trained_on) != split["train_images"]:
        raise SystemExit(
            f"--aligned: expected the {split['train_images']:,} photographs that trained the network, found "
            f"{sum(trained_on):,} of its classes; align LFW whole"
        )
    return {
        "trained_on": torch.tensor(trained_on, dtype=torch.int32),
        "held_out": torch.tensor(held_out, dtype=torch.uint8),
    }


if __name__ == "__main__":
    main()
