import pytest

from recognition.cli import main as cli

#: One short epoch on the synthetic people.
TRAINING = [
    *("--width", "0.125", "--embedding-size", "8", "--epochs", "1"),
    *("--batch-size", "8", "--held-out", "2", "--device", "cpu"),
]


def run(capsys, *arguments: object) -> tuple[int, str, str]:
    """Run a command; return its exit code, its output, and its standard error without progress bars."""
    with pytest.raises(SystemExit) as left:
        cli.main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    lines = [line.split("\r")[-1] for line in printed.err.splitlines()]
    kept = [line for line in lines if line.strip() and "|" not in line]
    return left.value.code, printed.out, "\n".join(kept)
