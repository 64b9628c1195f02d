"""Commands under a limit of memory: one line and code 2, whatever ends them."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs a limit of memory that holds")

#: A program that runs a command under a limit of memory, in bytes beyond what it has.
PROGRAM = """
import os, resource, sys
from pathlib import Path
from recognition.terminal import run_command
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
limit = used + int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
def command():
    print("printed")
    {body}
sys.exit(run_command(command))
"""


def outcome(body: str, more: int = 1 << 28) -> tuple[int, str, str]:
    program = PROGRAM.replace("{body}", body)
    done = subprocess.run(
        [sys.executable, "-c", program, str(more)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "body",
    [
        "bytearray(1 << 40)",
        "os.write(2, b'terminate called after throwing\\n  what():  std::bad_alloc\\n'); os.abort()",
        "os.kill(os.getpid(), 11)",
    ],
)
def test_no_memory_is_one_line_and_code_2(body):
    code, printed, errors = outcome(body)
    assert code == 2
    assert printed == "printed\n"
    assert errors.startswith("error: memory: there is not enough for this; close other programs, or")
    assert errors.count("\n") == 1


def test_a_command_that_has_enough_ends_as_ever():
    assert outcome("os.write(2, b'shown\\n'); return 3") == (3, "printed\n", "shown\n")
    assert outcome("raise KeyboardInterrupt")[0] == 130
    code, _, errors = outcome("raise ZeroDivisionError")
    assert code == 1
    assert errors.endswith("ZeroDivisionError\n")
    assert outcome("os.kill(os.getpid(), 15)")[0] == 128 + 15


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("arcinvert", "generate", "--class-id", "0", "--steps", "1"),
        ("arcinvert", "from-image", "people/Person_00/Person_00_0001.png"),
        ("arcinvert", "calibrate", "--images", "people"),
        ("arcinvert", "audit", "--images", "people", "--out", "report"),
        ("recognition", "train", "people", "--out", "run"),
        ("recognition", "align", "people", "aligned"),
    ],
)
def test_a_whole_command_without_memory_is_one_line(command, people, tmp_path):
    """So small a limit ends it while its libraries are loaded, whatever their versions."""
    program, *arguments = command
    (tmp_path / "people").symlink_to(people)
    done = subprocess.run(
        ["bash", "-c", f"ulimit -v 614400; exec '{sys.executable}' -m {program} \"$@\"", "-", *arguments],
        cwd=tmp_path,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr[-2000:]
    assert done.stderr.startswith("error: memory: "), done.stderr[-2000:]
    assert done.stderr.count("\n") == 1
