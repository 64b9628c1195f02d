"""Templates alone as subjects: open-set, without any photograph."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from arcinvert.evaluation.scores import Reference
from arcinvert.subjects.subject import Subject
from arcinvert.templates.npy import map_npy
from arcinvert.templates.options import TemplateOptions
from arcinvert.templates.table import read_templates
from recognition.checkpoint import sha256
from recognition.errors import InputError

#: Templates of a file that are checked at once.
_BLOCK = 1024
#: Identities that a message lists, and characters of each.
_SHOWN, _NAME = 3, 60
#: Every template of a file, where its form has them.
_ALL = TemplateOptions()


class TemplateSubjects(Sequence[Subject]):
    """Subjects of an open-set attack from templates.

    They have the names of the file's identities, numbered where an identity has several templates; without
    identities, the file's name and the number of the row. A .npy file stays where it is: each template is
    read when it is asked for.

    Args:
        dim: Dimensions of the attacked network's templates.
        templates: A file, see `read_templates`, an array or a tensor, shape (dim,) or (n, dim), of any
            positive norm.
        options: Where they are in a file, and which of them are attacked.

    Raises:
        InputError: If it is something else, has another dimension, or has NaN, infinite or zero templates; or
            an identity is not in it.
    """

    def __init__(self, dim: int, templates: Any, options: TemplateOptions = _ALL) -> None:
        identities: Sequence[str] | None = None
        if isinstance(templates, str | os.PathLike):
            path = Path(templates)
            self._name, self._stem = path.name, path.stem
            if path.suffix.lower() == ".npy" and options.ids is None:
                self._templates = _checked(map_npy(path), dim, str(path))
            else:
                table = read_templates(
                    path,
                    dim=dim,
                    ids=options.ids,
                    table=options.table,
                    template_column=options.template_column,
                    id_column=options.id_column,
                )
                self._templates = table.templates
                identities = table.identities if table.named else None
            self._digest = sha256(path)
        else:
            if options.ids is not None:
                raise InputError("ids: expected it with a file of templates, got it with templates in memory")
            self._name = self._stem = "template"
            self._templates = _checked(_as_array(templates), dim, "templates")
            self._digest = hashlib.sha256(self._templates.tobytes()).hexdigest()
        self._rows: Sequence[int] = range(len(self._templates))
        if options.identities is not None:
            self._rows = _chosen(self._name, identities, len(self._templates), options.identities)
        self._identities = None if identities is None else _distinct(identities)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Subject: ...
    @overload
    def __getitem__(self, index: slice) -> list[Subject]: ...
    def __getitem__(self, index: int | slice) -> Subject | list[Subject]:
        if isinstance(index, slice):
            return [self[one] for one in range(len(self))[index]]
        row = self._rows[index]
        template = self._templates[row].astype(np.float64)
        # Divided by the largest number first: the squares of a norm could leave the range.
        template /= np.abs(template).max()
        template /= np.linalg.norm(template)
        if self._identities is not None:
            name = stem = self._identities[row]
        else:
            name = f"{self._name}[{row}]"
            digits = len(str(len(self._templates) - 1))
            # All of one length, so that folders list them in order.
            stem = self._stem if len(self._templates) == 1 else f"{self._stem}-{row:0{digits}}"
        return Subject(
            name,
            None,
            torch.from_numpy(template.astype(np.float32)),
            Reference(),
            sha256=self._digest,
            stem=stem,
        )


def _chosen(file: str, identities: Sequence[str] | None, count: int, wanted: Sequence[str]) -> list[int]:
    """Return the rows of the wanted identities, in the order of the file.

    Args:
        file: The name of the file.
        identities: The identity of each row; None if these are the rows' numbers.
        count: The number of rows.
        wanted: The identities, or numbers of rows.

    Raises:
        InputError: If there is no such identity or row.
    """
    if not wanted:
        raise InputError("identities: expected at least one, got none; leave it out for all")
    known = list(map(str, range(count))) if identities is None else identities
    if missing := set(wanted).difference(known):
        first = next(name for name in wanted if name in missing)
        listed = ", ".join(repr(name[:_NAME]) for name in dict.fromkeys(known[:_SHOWN]))
        what = f"identities of {file}, such as {listed}"
        if identities is None:
            what = f"numbers of rows of {file}, which has no identities, from 0 to {count - 1}"
        raise InputError(f"identities: expected {what}, got {first[:_NAME]!r}; check --identities")
    chosen = {*wanted}
    return [row for row, name in enumerate(known) if name in chosen]


def _distinct(identities: Sequence[str]) -> list[str]:
    """Return a name for each row: the identity, with a number where it has several templates."""
    several = {name for name, count in Counter(identities).items() if count > 1}
    seen: Counter[str] = Counter()
    taken = {*identities}
    names = []
    for identity in identities:
        name = identity
        while identity in several and (name == identity or name in taken):
            name = f"{identity}[{seen[identity]}]"
            seen[identity] += 1
        names.append(name)
    return names


def _as_array(templates: Any) -> Any:
    if isinstance(templates, Tensor):
        return templates.detach().float().cpu().numpy()
    if isinstance(templates, np.ndarray):
        return templates
    raise InputError(f"templates: expected a file, an array or a tensor, got {type(templates).__name__}")


def _checked(templates: Any, dim: int, name: str) -> Any:
    """Return templates as (n, dim), checked block by block."""
    if not isinstance(templates, np.ndarray) or templates.ndim not in (1, 2) or templates.shape[-1] != dim:
        shape = getattr(templates, "shape", "an archive")
        raise InputError(f"{name}: expected templates of {dim} numbers, ({dim},) or (n, {dim}), got {shape}")
    if templates.dtype.kind not in "fiu":
        raise InputError(f"{name}: expected real numbers, got {templates.dtype}")
    rows = np.atleast_2d(templates)
    if not len(rows):
        raise InputError(f"{name}: expected at least one template, got none")
    for first in range(0, len(rows), _BLOCK):
        largest = np.abs(rows[first : first + _BLOCK].astype(np.float64)).max(1)
        wrong = np.flatnonzero(~np.isfinite(largest) | (largest == 0))
        if len(wrong):
            raise InputError(
                f"{name}: expected finite, non-zero templates, got NaN, infinite or zero ones (the first "
                f"is number {first + wrong[0]}); enrol them again"
            )
    return rows
