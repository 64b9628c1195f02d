"""Well-known public networks: where they are, under which licence, and how to know a whole copy."""

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

#: Bytes read at once, and seconds without an answer after which a server is given up.
_BLOCK = 1 << 18
_TIMEOUT = 30


@dataclass(frozen=True)
class KnownModel:
    """A public network.

    Args:
        network, licence: in words; page: where its authors describe it.
        preset: a name of `recognition.loading.PRESETS`.
        file, size, sha256: of the model file.
        url: where it, or the archive that it is a `member` of, is; None where there is no plain download.
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
    """The registry (models.toml), by name."""
    text = files("recognition").joinpath("model_zoo.toml").read_text(encoding="utf-8")
    return {name: KnownModel(name, **entry) for name, entry in tomllib.loads(text).items()}


def fetch(model: KnownModel, folder: Path) -> Path:
    """Download a network with a bar, going on where an earlier try ended, and verify it.

    Raises:
        InputError: no download is known, no network, or what came is not the file that is known.
    """
    if model.url is None:
        raise InputError(f"{model.name}: has no plain download; {model.page} says how to get it")
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
    # Addresses come from the registry alone, which names https.
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT) as answer:  # noqa: S310
            # A server that does not know ranges sends all of it.
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
            "again, what came is kept"
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
    """A network of the registry.

    Raises:
        InputError: there is none of this name.
    """
    models = model_zoo()
    if name not in models:
        raise InputError(f"model: expected one of {', '.join(models)}, got {name!r}")
    return models[name]
