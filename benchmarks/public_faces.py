"""A folder of public faces for 'arcinvert calibrate'.

    python -m benchmarks.public_faces --aligned aligned --out public
    python -m benchmarks.public_faces --aligned aligned --out everyone --everyone
    python -m benchmarks.public_faces --aligned aligned --out training --training

The faces are those of the bundled network's training identities with a single photograph, as in its face PCA:
no benchmark attacks or judges by any of them. Each is in a folder of its person's name, which calibrate
lists (salted) beside digests of the photographs, so that attacks and audits notice an overlap.
With `--everyone` they are all of its training identities, for benchmarks of other networks, which attack
held-out people; settings must not be tuned with them. With `--training` they are the photographs that the
bundled network was trained on, without the reserved one of each reported class: for what comes with this
network, such as its decoder.
"""

import argparse
from pathlib import Path

from benchmarks.face_folders import copy_faces
from benchmarks.people import single_photographs, without_reserved
from recognition.checkpoint import load_notes
from recognition.data.folders import read_folders
from recognition.loading import bundled_path, load


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--aligned", type=Path, required=True, help="aligned LFW: a folder of one folder for each identity"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder to fill")
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--everyone", action="store_true", help="include people with several photographs")
    group.add_argument(
        "--training",
        action="store_true",
        help="the same without the photographs that were kept out of training",
    )
    options = parser.parse_args()
    names, folders = load().class_names or (), read_folders(options.aligned)
    if options.everyone or options.training:
        paths = [path for name in names for path in folders.get(name, ())]
    else:
        paths = single_photographs(names, folders)
    if options.training:
        paths = without_reserved(paths, load_notes(bundled_path())["split"]["reserved"])
    if not paths:
        raise SystemExit(f"{options.aligned}: expected LFW's people, found none; check --aligned")
    copy_faces(paths, options.out)
    print(f"Wrote {len(paths)} faces to {options.out}")


if __name__ == "__main__":
    main()
