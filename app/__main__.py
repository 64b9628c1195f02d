"""python -m app: the same as `arcinvert app`."""

import sys

from arcinvert.cli.main import main

if __name__ == "__main__":
    main(["app", *sys.argv[1:]])
