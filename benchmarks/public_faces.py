"""A folder of public faces for 'arcinvert calibrate'.

    python -m benchmarks.public_faces --aligned aligned --out public
    python -m benchmarks.public_faces --aligned aligned --out everyone --everyone

The faces are those of the bundled network's training identities with a single photograph, as in its face PCA:
no benchmark attacks or judges by any of them. Each is in a folder of its person's name, which calibrate
lists (salted) beside digests of the photographs, so that attacks and audits notice an overlap.
With `--everyone` they are all of its training identities, for benchmarks of other networks, which attack
held-out people; settings must not be tuned with them.
"""

import argparse
import shutil
from pathlib import Path

from benchmarks.people import single_photographs
from recognition.data.folders import read_folders
from recognition.loading import load


def main() -> None:
    """Parse the command line and run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--aligned", type=Path, required=True, help="aligned LFW: a folder of one folder for each identity"
    )
    parser.add_argument("--out", type=Path, required=True, help="the folder to fill")
    parser.add_argument("--everyone", action="store_true", help="include people with several photographs")
    options = parser.parse_args()
    names, folders = load().class_names or (), read_folders(options.aligned)
    if options.everyone:
        paths = [path for name in names for path in folders.get(name, ())]
    else:
        paths = single_photographs(names, folders)
    if not paths:
        raise SystemExit(f"{options.aligned}: expected LFW's people, found none; check --aligned")
    try:
        options.out.mkdir(parents=True)
    except OSError as error:
        raise SystemExit(f"{options.out}: cannot be made ({error.strerror}); choose another --out") from None
    for path in paths:
        (options.out / path.parent.name).mkdir(exist_ok=True)
        shutil.copyfile(path, options.out / path.parent.name / path.name)
    print(f"Wrote {len(paths)} faces to {options.out}")


if __name__ == "__main__":
    main()
