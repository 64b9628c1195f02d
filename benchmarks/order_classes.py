"""Put the classes of a trained network into the order of their training photographs, most first.

    python -m benchmarks.order_classes NETWORK --aligned ALIGNED [--out FILE] [--references FILE]

`python -m recognition train` writes this order itself; networks of earlier versions are ordered by name and
have no numbers of photographs. The numbers come from the split that is noted in the network's file, computed
anew from the folder. `--references` orders the judge's references of the same classes likewise.
"""

import argparse
from pathlib import Path

from arcinvert.subjects import class_list_digest
from recognition.checkpoint import load_notes, load_recogniser, read_safetensors, write_safetensors
from recognition.class_order import order_classes
from recognition.data.folders import read_folders, split_identities
from recognition.errors import InputError
from recognition.terminal import Parser, run_command


def training_photographs(network: Path, aligned: Path) -> dict[str, int]:
    """Return the number of photographs of each identity that a network was trained on.

    Raises:
        InputError: If the folder has not the photographs of the split in the network's file.
    """
    notes = load_notes(network)
    options, noted = notes["training"], notes["split"]
    split = split_identities(read_folders(aligned), held_out=options["held_out"], seed=options["seed"])
    photographs = {name: len(paths) for name, paths in split.train.items()}
    total = sum(photographs.values())
    if sorted(split.held_out) != noted["held_out"] or total != noted["train_images"]:
        raise InputError(
            f"{aligned}: expected the {noted['train_images']:,} training photographs of {network}, got "
            f"{total:,} of another split; give the folder that it was trained on"
        )
    return photographs


def order_references(path: Path, before: tuple[str, ...], order: list[int]) -> None:
    """Put the judge's references of a network's classes into a new order.

    Args:
        path: The file of `benchmarks.make_references`, which is replaced.
        before: The class names in their former order.
        order: The former index of each class.

    Raises:
        InputError: If the references are those of other classes.
    """
    tensors, metadata = read_safetensors(path, "a file of references")
    if metadata.get("classes_sha256") != class_list_digest(before):
        raise InputError(f"{path}: expected references of the network's classes, got those of others")
    digest = class_list_digest([before[index] for index in order])
    write_safetensors(
        path,
        {key: value[order].contiguous() for key, value in tensors.items()},
        metadata | {"classes_sha256": digest},
    )


def _run(options: argparse.Namespace) -> int:
    photographs = training_photographs(options.network, options.aligned)
    before = load_recogniser(options.network).class_names or ()
    out = options.out or options.network
    order = order_classes(options.network, out, photographs)
    if options.references is not None:
        order_references(options.references, before, order)
    for label in range(min(8, len(order))):
        name = before[order[label]]
        print(f"{label}: {name}, {photographs[name]} photographs")
    print(f"Wrote {out} with {len(order):,} classes, most photographs first")
    return 0


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = Parser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("network", type=Path, help="the network's file, .safetensors")
    parser.add_argument("--aligned", type=Path, required=True, help="the aligned folder of its training")
    parser.add_argument("--out", type=Path, help="the file to write (default: NETWORK itself)")
    parser.add_argument("--references", type=Path, help="the judge's references of its classes, replaced")
    options = parser.parse_args()
    raise SystemExit(run_command(lambda: _run(options)))


if __name__ == "__main__":
    main()
