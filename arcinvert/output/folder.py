"""The folder of a run: images, a contact sheet and result.json, written completely or not at all."""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recognition.errors import InputError

#: The version of result.json's fields; it rises when a reader would have to change.
SCHEMA = "arcinvert-result-2"
RESULT_NAME = "result.json"
SHEET_NAME = "sheet.png"


@contextlib.contextmanager
def output_folder(out: str | os.PathLike[str]) -> Iterator[Path]:
    """Open a temporary folder that becomes `out` at the end; nothing remains after an error.

    An earlier result there is replaced; any other folder with files in it is refused.

    Args:
        out: The folder to write.

    Raises:
        InputError: If `out` cannot be written, is a file, or has other files in it.
    """
    out = Path(os.path.realpath(out))
    try:
        if out.exists() and not out.is_dir():
            raise InputError(f"{out}: expected a folder to write to, got a file; choose another --out")
        if out.is_dir() and any(out.iterdir()) and not _is_result(out):
            raise InputError(
                f"{out}: expected a new, an empty or a result's folder, got other files in it; "
                "choose another --out"
            )
        made = [parent for parent in (out.parent, *out.parent.parents) if not parent.exists()]
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".part", dir=out.parent))
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); choose another --out") from None
    try:
        yield temporary
        # mkdtemp makes folders private to the user; results get the permissions of any new folder.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        if out.is_dir():
            retired = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=out.parent))
            out.replace(retired)
            try:
                temporary.replace(out)
            except BaseException:
                retired.replace(out)
                raise
            shutil.rmtree(retired)
        else:
            temporary.replace(out)
    except OSError as error:
        raise InputError(
            f"{out}: cannot be written ({error.strerror or error}); choose another --out or free some space"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        for parent in made:
            with contextlib.suppress(OSError):
                parent.rmdir()


def _is_result(folder: Path) -> bool:
    try:
        content = json.loads((folder / RESULT_NAME).read_text(encoding="utf-8"))
        return str(content["schema"]).startswith("arcinvert-result-")
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that every reader accepts: no NaN, UTF-8, indented."""
    path.write_text(
        json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8"
    )
