"""A folder of public faces for 'arcinvert calibrate'; no benchmark attacks or judges by anybody of it.

    python -m benchmarks.public_faces --aligned aligned --out public

Those of the bundled network's training identities who have a single photograph, as its eigenfaces; no
network but the bundled one was trained on them.
"""

import argparse
import shutil
from pathlib import Path

from benchmarks.people import single_photographs
from recognition.data.folders import read_folders
from recognition.loading import load


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--aligned", type=Path, required=True, help="aligned LFW, a folder per identity")
    parser.add_argument("--out", type=Path, required=True, help="the folder to fill")
    options = parser.parse_args()
    paths = single_photographs(load().class_names or (), read_folders(options.aligned))
    if not paths:
        raise SystemExit(f"{options.aligned}: expected LFW's people, found none; check --aligned")
    try:
        options.out.mkdir(parents=True)
    except OSError as error:
        raise SystemExit(f"{options.out}: cannot be made ({error.strerror}); choose another --out") from None
    for path in paths:
        shutil.copyfile(path, options.out / f"{path.parent.name}{path.suffix}")
    print(f"Wrote {len(paths)} faces to {options.out}")


if __name__ == "__main__":
    main()
