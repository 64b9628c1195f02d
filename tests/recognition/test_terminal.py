"""How commands end, and what they print."""

import re
import signal
import subprocess
import sys
import warnings

import pytest

from recognition.errors import InputError
from recognition.terminal import DeferredProgressBar, Parser, StageBars, quiet_warnings, run_command


def test_a_finished_command_gives_its_code(capsys):
    assert run_command(lambda: 0) == 0
    assert capsys.readouterr().err == ""


def test_a_known_error_is_one_line_and_code_2(capsys):
    def fail() -> int:
        raise InputError("photo.jpg: expected a face,\n  got none")

    assert run_command(fail) == 2
    assert capsys.readouterr().err == "error: photo.jpg: expected a face, got none\n"


@pytest.fixture
def interruptible():
    """Python's own handler of Ctrl-C, which a process in the background does not have."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_that_a_library_turns_into_another_error_is_one(interruptible, capsys):
    def interrupt() -> int:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise ImportError("cannot load module more than once per process") from None
        return 0

    assert run_command(interrupt) == 130
    assert capsys.readouterr().err.startswith("interrupted")
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler

    def fail() -> int:
        raise ImportError("no interrupt")

    with pytest.raises(ImportError, match="no interrupt"):
        run_command(fail)


def test_an_output_that_nobody_reads_ends_a_command_quietly():
    code = "from recognition.terminal import run_command\nimport sys\n"
    code += "def talk():\n    for _ in range(100000):\n        print('line')\n    return 0\n"
    command = [sys.executable, "-c", code + "sys.exit(run_command(talk))"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_a_broken_pipe_that_is_not_the_output_is_raised():
    def fail() -> int:
        raise BrokenPipeError("a worker's")

    with pytest.raises(BrokenPipeError, match="a worker's"):
        run_command(fail)


def test_an_interrupt_is_code_130(capsys):
    def interrupt() -> int:
        raise KeyboardInterrupt

    assert run_command(interrupt) == 130
    assert capsys.readouterr().err.startswith("interrupted")


def test_libraries_warnings_are_kept_quiet_and_others_not():
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        quiet_warnings()
        for module in ("torch.nn", "onnx", "torchless", "recognition.training.trainer"):
            warnings.warn_explicit("old", UserWarning, "file.py", 1, module=module)
    assert len(recorded) == 2


def test_a_bug_keeps_its_traceback():
    def bug() -> int:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_command(bug)


def test_the_bar_appears_with_the_first_progress(capsys):
    with DeferredProgressBar() as progress:
        assert capsys.readouterr().err == ""
        bar = progress.bar(4, "attack", done=1)
        assert progress.bar(9, "other") is bar
        assert (bar.total, bar.n, bar.desc) == (4, 1, "attack")
    assert "attack" in capsys.readouterr().err


def test_each_stage_has_a_bar_that_ends_with_it(capsys):
    with StageBars() as bars:
        assert capsys.readouterr().err == ""
        bars("read", 1, 2)
        bars("read", 2, 2)
        # The bar of a finished stage is closed, so that its line ends.
        assert capsys.readouterr().err.endswith("\n")
        bars("embed", 3, 9)
        bars("ask", 0, 4)
    text = capsys.readouterr().err
    assert "embed:  33%" in text
    assert text.index("embed") < text.index("ask")
    assert text.endswith("\n")


def test_memory_that_a_reader_takes_for_damage_is_called_memory(capsys):
    def read() -> int:
        try:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes")
        except RuntimeError:
            raise InputError("model.pt: damaged network file; get an intact copy") from None

    assert run_command(read) == 2
    assert capsys.readouterr().err.startswith("error: memory: there is not enough for this")


def command_line():
    parser = Parser(prog="tool")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    train = commands.add_parser("train")
    train.add_argument("--images-per-identity", type=int)
    train.add_argument("--head", choices=("softmax", "arcface"), default="softmax")
    commands.add_parser("evaluate")
    return parser


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("tarin", ".* \\(did you mean train\\?\\); see tool --help"),
        ("steal", "argument COMMAND: invalid choice: 'steal' [^?]*; see tool --help"),
        ("train --haed arcface", ".*: --haed arcface \\(did you mean --head\\?\\); see tool train --help"),
        ("train --head=arcfcae", ".* \\(did you mean arcface\\?\\); see tool train --help"),
        # No short form: the value is no number of images.
        ("train --images faces", ".*: --images faces \\(did you mean --images-per-identity\\?\\); see .*"),
        ("train --zzz=1", "unrecognized arguments: --zzz=1; see tool train --help"),
        ("evaluate faces", "unrecognized arguments: faces; see tool evaluate --help"),
    ],
)
def test_a_misspelt_word_is_named_with_the_nearest(given, said, capsys):
    with pytest.raises(SystemExit) as ended:
        command_line().parse_args(given.split())
    assert ended.value.code == 2
    assert re.fullmatch(f"error: {said}\n", capsys.readouterr().err)


def test_whole_options_are_taken():
    found = command_line().parse_args(["train", "--images-per-identity=3", "--head", "arcface"])
    assert (found.images_per_identity, found.head) == (3, "arcface")
