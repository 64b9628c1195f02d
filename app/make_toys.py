"""Write the trainings of the Learn tab: `python -m app.make_toys`, from the repository, in seconds."""

from pathlib import Path

from .toy import FILE, make_toys


def main() -> None:
    """Write the file with the trainings, and print its size."""
    path = Path(__file__).parent / "data" / FILE
    content = make_toys()
    path.write_text(content, encoding="utf-8")
    print(f"{path.name}: {len(content):,} bytes")


if __name__ == "__main__":
    main()
