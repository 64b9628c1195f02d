"""What commands refuse of `--workers`, `--threads` and `--shard`: one line, before a network is loaded."""

from pathlib import Path

import pytest

from tests.arcinvert.cli.commands import assert_one_line, names_below, run


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("generate", "--class-id", 1, "--workers", 0), "workers: expected a number of processes from 1 to"),
        (("generate", "--class-id", 1, "--workers", "fast"), "got 'fast'"),
        (("generate", "--class-id", 1, "--threads", 0), "threads: expected"),
        (
            ("from-embedding", "x.npy", "--access", "embeddings", "--workers", 2),
            "workers: expected none with --access embeddings, got 2",
        ),
        (
            ("audit", "--images", ".", "--access", "embeddings", "--workers", 2),
            "workers: expected none with --access embeddings, got 2",
        ),
        (("audit", "--images", ".", "--shard", "2/2"), "shard: expected I/N"),
        (("audit", "--images", ".", "--workers", "-1"), "got '-1'"),
    ],
)
def test_bad_workers_are_refused(
    arguments: tuple[object, ...], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments, "--out", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert_one_line(error)
    assert message in error
    assert names_below(tmp_path) == []
