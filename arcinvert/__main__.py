"""`python -m arcinvert`."""

from arcinvert.cli import main

if __name__ == "__main__":
    main()
