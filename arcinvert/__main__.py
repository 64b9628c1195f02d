"""`python -m arcinvert`."""

from arcinvert.cli.main import main

if __name__ == "__main__":
    main()
