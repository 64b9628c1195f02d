"""The folder of a synthetic set: pictures, and journals with which a killed run goes on.

Pictures lie in `faces`, in a folder for each identity or in tar files. Each part of a set (a shard) has a
journal with one line for each finished batch, appended once the batch's pictures are written. `set.json` says
what decides the pictures, so that no two sets are mixed.
"""

import contextlib
import io
import json
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from arcinvert.output.folder import write_json
from arcinvert.output.journal import append_line, parsed_line
from arcinvert.synthesis.options import FormatName
from arcinvert.workers.options import Shard
from recognition.checkpoint import write_safetensors
from recognition.content import changed_parts
from recognition.errors import InputError
from recognition.files import printable, read_bytes, read_json
from recognition.images import atomic_path, write_png

FACES, SET, DIRECTIONS = "faces", "set.json", "identities.safetensors"
#: Pictures, about, of one tar file; WebDataset's readers take files of any size.
TAR_PICTURES = 1000
_JOURNAL = re.compile(r"shard-\d+-of-\d+\.jsonl")
#: Largest journal in bytes: a kilobyte for each of four million identities.
_MAX_JOURNAL = 4 << 30


def identity_name(identity: int) -> str:
    """Return the name of an identity, of which numbers sort as names."""
    return f"{identity:06d}"


def picture_name(picture: int) -> str:
    """Return the name of a picture's file in its identity's folder."""
    return f"{picture:03d}.png"


class SetFolder:
    """The folder of a synthetic set.

    Args:
        folder: The folder, which is made.
        decides: What decides the pictures, by part, as JSON.
        output: How pictures are written.

    Raises:
        InputError: If it has another set, or other files, or cannot be written.
    """

    def __init__(self, folder: Path, decides: Mapping[str, Any], output: FormatName) -> None:
        self.path, self._output = folder, output
        known = folder / SET
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not known.exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
                raise InputError(
                    f"{printable(folder)}: expected a new or an empty folder or that of the same set, got "
                    "other files in it; choose another --out"
                )
        except OSError as error:
            raise InputError(
                f"{printable(folder)}: cannot be written ({error.strerror or error}); choose another --out"
            ) from None
        now = json.loads(json.dumps(decides))
        if known.exists():
            if changed := changed_parts(read_json(known, "the description of a synthetic set"), now):
                raise InputError(
                    f"{printable(folder)}: expected the same set as before, got another "
                    f"{', '.join(changed)}; choose another --out"
                )
        else:
            with atomic_path(known) as temporary:
                write_json(temporary, now)
        (folder / FACES).mkdir(exist_ok=True)

    def save_directions(self, directions: Tensor) -> None:
        """Write the identities' directions, unit norm, shape (identities, dim), as float32."""
        try:
            if torch.equal(load_file(self.path / DIRECTIONS)["directions"], directions.float()):
                return
        except (OSError, KeyError, SafetensorError):
            pass
        write_safetensors(self.path / DIRECTIONS, {"directions": directions.float().contiguous()}, {})

    def write(self, shard: Shard, identity: int, picture: int, image: NDArray[np.uint8]) -> None:
        """Write a picture, uint8 RGB of shape (h, w, 3)."""
        path = self._loose(shard, identity, picture)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, image)

    def has(self, shard: Shard, block: int, pictures: Sequence[tuple[int, int]]) -> bool:
        """Return whether all of some pictures of a block, as (identity, picture), are written."""
        if self._output == "webdataset" and self.tar(block).is_file():
            return True
        return all(self._loose(shard, *one).is_file() for one in pictures)

    def finish_block(self, shard: Shard, block: int, pictures: Sequence[tuple[int, int]]) -> None:
        """Put a block's pictures into its tar file, where the set has tar files."""
        if self._output == "folder" or self.tar(block).is_file():
            return
        with atomic_path(self.tar(block)) as temporary, tarfile.open(temporary, "w") as tar:
            for identity, picture in pictures:
                key = f"{identity_name(identity)}_{picture_name(picture).removesuffix('.png')}"
                image = self._loose(shard, identity, picture).read_bytes()
                # Neither time nor owner: equal sets have equal files.
                for name, data in ((f"{key}.png", image), (f"{key}.cls", str(identity).encode())):
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
        shutil.rmtree(self._parts(shard), ignore_errors=True)

    def tar(self, block: int) -> Path:
        """Return the tar file of a block of batches."""
        return self.path / FACES / f"{block:06d}.tar"

    def first_pictures(self, identities: int, pictures: int) -> list[list[bytes]]:
        """Return the files of the first identities' first pictures, by identity.

        Of a set with tar files, pictures of unfinished and of damaged ones are left out.

        Args:
            identities: The largest number of identities.
            pictures: The largest number of pictures of each.
        """
        found: dict[str, list[bytes]] = {}
        for identity, data in self._tarred() if self._output == "webdataset" else self._in_folders():
            if identity not in found and len(found) == identities:
                break
            own = found.setdefault(identity, [])
            if len(own) < pictures:
                own.append(data)
        return list(found.values())

    def _in_folders(self) -> Iterator[tuple[str, bytes]]:
        for folder in sorted(path for path in (self.path / FACES).iterdir() if path.is_dir()):
            for path in sorted(folder.glob("*.png")):
                yield folder.name, path.read_bytes()

    def _tarred(self) -> Iterator[tuple[str, bytes]]:
        for path in sorted((self.path / FACES).glob("*.tar")):
            with contextlib.suppress(tarfile.TarError), tarfile.open(path) as tar:
                for member in tar:
                    file = tar.extractfile(member) if member.name.endswith(".png") else None
                    if file is not None:
                        yield member.name.partition("_")[0], file.read()

    def _parts(self, shard: Shard) -> Path:
        return self.path / f".{shard.name}.parts"

    def _loose(self, shard: Shard, identity: int, picture: int) -> Path:
        root = self.path / FACES if self._output == "folder" else self._parts(shard)
        return root / identity_name(identity) / picture_name(picture)

    def append(self, shard: Shard, line: Mapping[str, Any]) -> None:
        """Add a finished batch to a part's journal.

        Raises:
            InputError: If the disk is full.
        """
        append_line(self._journal(shard), line)

    def mend(self, shard: Shard) -> None:
        """Remove what a killed run left of a journal's last line."""
        path = self._journal(shard)
        if not path.is_file():
            return
        whole = read_bytes(path, "the journal of a synthetic set", _MAX_JOURNAL).rfind(b"\n") + 1
        with path.open("r+b") as file:
            file.truncate(whole)

    def batches(self) -> dict[int, dict[str, Any]]:
        """Return the finished batches of all parts by their number."""
        found: dict[int, dict[str, Any]] = {}
        for path in sorted(self.path.iterdir()):
            if not _JOURNAL.fullmatch(path.name):
                continue
            for line in read_bytes(path, "the journal of a synthetic set", _MAX_JOURNAL).splitlines(True):
                # Another part may be writing its last line now.
                content = parsed_line(line)
                if content is not None and "batch" in content:
                    found[content["batch"]] = content
        return found

    def _journal(self, shard: Shard) -> Path:
        return self.path / f"{shard.name}.jsonl"
