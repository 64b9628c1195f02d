"""`python -m recognition`."""

from recognition.cli import main

if __name__ == "__main__":
    main()
