"""Templates alone as subjects: open-set, without any photograph."""

import hashlib
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from torch import Tensor

from arcinvert.evaluation.scores import Reference
from arcinvert.subjects.subject import Subject
from recognition.checkpoint import sha256
from recognition.errors import InputError, one_line
from recognition.files import check_regular, printable

#: Largest file of templates in bytes: sixteen million templates of 512 float32 numbers have 32 GB.
_MAX_BYTES = 64 << 30
#: Templates of a file that are checked at once.
_BLOCK = 1024


class TemplateSubjects(Sequence[Subject]):
    """Subjects of an open-set attack from templates.

    A file stays where it is: each template is read when it is asked for.

    Args:
        dim: Dimensions of the attacked network's templates.
        templates: A .npy file, an array or a tensor, shape (dim,) or (n, dim), of any positive norm.

    Raises:
        InputError: If it is something else, has another dimension, or has NaN, infinite or zero templates.
    """

    def __init__(self, dim: int, templates: Any) -> None:
        if isinstance(templates, str | os.PathLike):
            path = Path(templates)
            self._name, self._stem = path.name, path.stem
            self._templates = _checked(map_npy(path), dim, str(path))
            self._digest = sha256(path)
        else:
            self._name = self._stem = "template"
            self._templates = _checked(_as_array(templates), dim, "templates")
            self._digest = hashlib.sha256(self._templates.tobytes()).hexdigest()

    def __len__(self) -> int:
        return len(self._templates)

    @overload
    def __getitem__(self, index: int) -> Subject: ...
    @overload
    def __getitem__(self, index: slice) -> list[Subject]: ...
    def __getitem__(self, index: int | slice) -> Subject | list[Subject]:
        if isinstance(index, slice):
            return [self[one] for one in range(len(self))[index]]
        index = range(len(self))[index]
        template = self._templates[index].astype(np.float64)
        # Divided by the largest number first: the squares of a norm could leave the range.
        template /= np.abs(template).max()
        template /= np.linalg.norm(template)
        digits = len(str(len(self) - 1))
        return Subject(
            f"{self._name}[{index}]",
            None,
            torch.from_numpy(template.astype(np.float32)),
            Reference(),
            sha256=self._digest,
            # All of one length, so that folders list them in order.
            stem=self._stem if len(self) == 1 else f"{self._stem}-{index:0{digits}}",
        )


def map_npy(path: Path) -> Any:
    """Return the array of a .npy file, which stays where it is.

    Raises:
        InputError: If there is no such file, or it is no .npy file of numbers.
    """
    check_regular(path, "a .npy file of templates", _MAX_BYTES)
    try:
        # It is mapped, so that no size in its header allocates anything; numpy warns of one that overflows.
        with warnings.catch_warnings(action="ignore", category=RuntimeWarning):
            return np.lib.format.open_memmap(path, mode="r")
    except Exception as error:
        # A damaged header raises whatever the tokeniser, the parser or the allocator do.
        raise InputError(
            f"{printable(path)}: expected a .npy file of numbers, got something else "
            f"({one_line(error)}); save it with numpy.save"
        ) from None


def _as_array(templates: Any) -> Any:
    if isinstance(templates, Tensor):
        return templates.detach().float().cpu().numpy()
    if isinstance(templates, np.ndarray):
        return templates
    raise InputError(f"templates: expected a .npy file, an array or a tensor, got {type(templates).__name__}")


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
