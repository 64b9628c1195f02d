"""`python -m recognition`."""

from recognition.cli.main import main

if __name__ == "__main__":
    main()
