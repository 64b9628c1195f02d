"""Well-known public networks: their licences, downloads and checksums."""

import http.client
import shutil
import tomllib
import urllib.error
import urllib.request
import zipfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from recognition.checkpoint import sha256
from recognition.errors import InputError, one_line
from recognition.images import atomic_path

#: Number of bytes read at once.
_BLOCK = 1 << 18
#: Seconds after which a server that does not answer is given up.
_TIMEOUT = 30


@dataclass(frozen=True)
class KnownModel:
    """A public network.

    Args:
        name: Its name in the model zoo.
        network: Architecture, loss, training data and embedding size in words.
        licence: Licence in words.
        page: Address of its authors' description.
        preset: A name of `recognition.loading.PRESETS`.
        file: Name of the model file.
        size: Size of the model file in bytes.
        sha256: Hexadecimal SHA-256 of the model file.
        url: Address of the file, or of the archive that contains it; None if there is no direct download.
        member: Name of the file in the archive; None if `url` is the file.
        archive_size: Size of the archive in bytes.
        archive_sha256: Hexadecimal SHA-256 of the archive.
    """

    name: str
    network: str
    licence: str
    page: str
    preset: str
    file: str = ""
    size: int = 0
    sha256: str = ""
    url: str | None = None
    member: str | None = None
    archive_size: int = 0
    archive_sha256: str = ""


def model_zoo() -> dict[str, KnownModel]:
    """Return the networks of model_zoo.toml by name."""
    text = files("recognition").joinpath("model_zoo.toml").read_text(encoding="utf-8")
    return {name: KnownModel(name, **entry) for name, entry in tomllib.loads(text).items()}


def fetch(model: KnownModel, folder: Path) -> Path:
    """Return the path of a network's file, downloaded if necessary and checked.

    An interrupted download is resumed. A progress bar is shown.

    Args:
        model: The network.
        folder: Where the file is stored.

    Raises:
        InputError: If there is no direct download, the server cannot be reached, or the file is not the
            expected one.
    """
    if model.url is None:
        raise InputError(f"{model.name}: has no direct download; see {model.page} for how to get it")
    path = folder / model.file
    if path.is_file() and sha256(path) == model.sha256:
        return path
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{model.file}.part"
    size, digest = (model.archive_size, model.archive_sha256) if model.member else (model.size, model.sha256)
    _download(model.url, part, size)
    if part.stat().st_size != size or sha256(part) != digest:
        part.unlink()
        raise InputError(
            f"{model.url}: expected the known file ({size:,} bytes, SHA-256 {digest[:12]}), got another; "
            f"it was deleted, see {model.page}"
        )
    if model.member is None:
        part.replace(path)
    else:
        _extract(part, model.member, model, path)
        part.unlink()
    return path


def _download(url: str, part: Path, size: int) -> None:
    from tqdm import tqdm

    have = part.stat().st_size if part.exists() else 0
    if have >= size:
        return
    # All addresses are those of model_zoo.toml, which are https.
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
            # A server without support for ranges sends the whole file.
            resumed = answer.status == http.HTTPStatus.PARTIAL_CONTENT
            have = have if resumed else 0
            bar = tqdm(total=size, initial=have, desc=part.stem, unit="B", unit_scale=True)
            with part.open("ab" if resumed else "wb") as file, bar:
                while (block := answer.read(_BLOCK)) and have <= size:
                    file.write(block)
                    have += len(block)
                    bar.update(len(block))
    except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise InputError(
            f"{url}: cannot be downloaded ({one_line(Exception(str(reason)))}); check the network and try "
            "again, which resumes the download"
        ) from None


def _extract(archive: Path, member: str, model: KnownModel, path: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as opened, atomic_path(path) as temporary:
            with opened.open(member) as source, temporary.open("wb") as target:
                shutil.copyfileobj(source, target)
            if sha256(temporary) != model.sha256:
                raise InputError(f"{member}: expected SHA-256 {model.sha256[:12]}, got another file")
    except (KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{archive}: expected {member} in it ({one_line(error)}); see {model.page}"
        ) from None


def find(name: str) -> KnownModel:
    """Return the network of this name.

    Raises:
        InputError: If there is none.
    """
    models = model_zoo()
    if name not in models:
        raise InputError(f"model: expected one of {', '.join(models)}, got {name!r}")
    return models[name]
