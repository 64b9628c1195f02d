"""The folder of a run: images, a contact sheet and result.json, written completely or not at all."""

import contextlib
import filecmp
import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from arcinvert.output.journal import JOURNAL_NAME, has_finished
from recognition.errors import InputError
from recognition.files import printable
from recognition.images import remove_leftovers
from recognition.lock import beside, locked

#: The version of result.json's fields; it rises when a reader would have to change.
SCHEMA = "arcinvert-result-2"
RESULT_NAME = "result.json"
SHEET_NAME = "sheet.png"
#: What Python keeps of a name that is not UTF-8, and other characters that no text may have.
_SURROGATE = re.compile("[\ud800-\udfff]")


@contextlib.contextmanager
def output_folder(out: str | os.PathLike[str], *, resume: bool = False) -> Iterator[Path]:
    """Open a temporary folder that becomes `out` at the end; nothing remains after an error.

    Only finished batches that a journal names remain, for a run that resumes. An earlier result at `out` is
    replaced; any other folder with files in it is refused. What a killed run left is removed or resumed.

    Args:
        out: The folder to write.
        resume: Whether the finished batches of an earlier run, killed or interrupted, are in the folder.

    Raises:
        InputError: If `out` cannot be written, is a file, has other files in it, or another run writes it.
    """
    out = Path(os.path.realpath(out))
    made: list[Path] = []
    try:
        with contextlib.ExitStack() as stack:
            above = next((parent for parent in out.parents if parent.exists()), out)
            if not above.is_dir():
                raise InputError(
                    f"{printable(above)}: expected a folder to write to, got a file; choose another --out"
                )
            try:
                made = [parent for parent in (out.parent, *out.parent.parents) if not parent.exists()]
                out.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(locked(out))
                work = _prepare(out, resume=resume)
            except OSError as error:
                raise _unwritable(out, error) from None
            try:
                yield work
                _publish(work, out)
            except OSError as error:
                raise _kept(work, _unwritable(out, error)) from None
            except InputError as error:
                raise _kept(work, error) from None
            finally:
                if not has_finished(work) or _same_journal(work, out):
                    shutil.rmtree(work, ignore_errors=True)
    finally:
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()


def _prepare(out: Path, *, resume: bool) -> Path:
    """Return the temporary folder of a run, new or with what an earlier run finished."""
    work, old = beside(out, ".arcinvert.part"), beside(out, ".arcinvert.old")
    if old.is_dir():
        # A run was killed while it replaced the folder: between its two steps, or after them.
        if out.exists():
            shutil.rmtree(old)
        else:
            old.replace(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{printable(out)}: expected a folder to write to, got a file; choose another --out")
    if out.is_dir() and any(out.iterdir()) and not _is_result(out):
        raise InputError(
            f"{printable(out)}: expected a new, an empty or a result's folder, got other files in it; "
            "choose another --out"
        )
    if work.exists() and not (resume and has_finished(work)):
        shutil.rmtree(work)
    if resume and not work.exists() and has_finished(out):
        # The journal comes last: without it, a copy that was killed does not count.
        shutil.copytree(out, work, ignore=shutil.ignore_patterns(JOURNAL_NAME))
        shutil.copy2(out / JOURNAL_NAME, work)
    # Made by mkdir, which gives it the permissions of any new folder.
    work.mkdir(exist_ok=True)
    remove_leftovers(work)
    return work


def _publish(work: Path, out: Path) -> None:
    """Put a finished folder in the place of an earlier one."""
    if not out.is_dir():
        work.replace(out)
        return
    old = beside(out, ".arcinvert.old")
    out.replace(old)
    try:
        work.replace(out)
    except BaseException:
        old.replace(out)
        raise
    shutil.rmtree(old)


def _unwritable(out: Path, error: OSError) -> InputError:
    return InputError(
        f"{printable(out)}: cannot be written ({error.strerror or error}); choose another --out or free "
        "some space"
    )


def _kept(work: Path, error: InputError) -> InputError:
    """Return an error that also says what remains."""
    if str(error).startswith("resume:") or not has_finished(work):
        return error
    return InputError(f"{error}; finished images are kept, and --resume goes on from them")


def _same_journal(work: Path, out: Path) -> bool:
    """Return whether a folder that was copied to go on from has nothing new."""
    try:
        return filecmp.cmp(work / JOURNAL_NAME, out / JOURNAL_NAME, shallow=False)
    except OSError:
        return False


def _is_result(folder: Path) -> bool:
    try:
        content = json.loads((folder / RESULT_NAME).read_text(encoding="utf-8"))
        return str(content["schema"]).startswith("arcinvert-result-")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_json(path: Path, content: dict[str, Any]) -> None:
    r"""Write JSON that every reader accepts: no NaN, UTF-8, indented; other bytes of names as `\xNN`."""
    path.write_text(json_text(content) + "\n", encoding="utf-8")


def json_text(content: Any) -> str:
    """Return the text of `write_json`."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    return _SURROGATE.sub(lambda found: _escaped(ord(found[0])), text)


def _escaped(code: int) -> str:
    """Return what stands in JSON for a lone surrogate, which for a byte of a name is its value."""
    return f"\\\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\\\u{code:04x}"
