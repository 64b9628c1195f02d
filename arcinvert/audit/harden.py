"""Apply a defence that needs no training, and write what can be kept or released in place of the old."""

import json
import secrets
from pathlib import Path
from typing import Any

import numpy as np

from arcinvert.audit.defences import TEMPLATE_DEFENCES, make_defence
from arcinvert.audit.fold_batchnorm import write_folded
from arcinvert.audit.templates import read_templates
from arcinvert.subjects import embedding_size
from recognition.errors import InputError
from recognition.images import atomic_path
from recognition.loading import load
from recognition.seeds import derive_seed

#: The version of the key file's fields.
KEY_SCHEMA = "arcinvert-template-key-1"


def harden_model(model: str, out: Path) -> int:
    """Write a network as ONNX without its BatchNorm statistics and class centres; layers changed.

    Raises:
        InputError: the network has no statistics, or `out` is no .onnx file that can be written.
    """
    if out.suffix.lower() != ".onnx":
        raise InputError(f"{out}: expected a file that ends in .onnx; name --out so")
    return write_folded(load(model), out)


def harden_templates(
    templates: str, defence: str, out: Path, *, model: str, key_file: Path | None, **where: Any
) -> int:
    """Write protected templates, (n, k) float32, in the order of the given ones; how many.

    A keyed defence has one key for each identity, derived from the key file's secret; fresh templates of
    the same people must be protected with the same file. The noise of an unkeyed one is thrown away.

    Args:
        key_file: made where it does not exist; None for defences without keys.
        where: see `read_templates`.

    Raises:
        InputError: an unknown defence, unusable templates, or a missing or superfluous key file.
    """
    if defence.partition(":")[0] not in TEMPLATE_DEFENCES:
        raise InputError(
            f"defence: expected one of {', '.join(TEMPLATE_DEFENCES)} for templates, got {defence!r}"
        )
    chosen = make_defence(defence)
    if chosen.keyed != (key_file is not None):
        wants = "a --key-file, which must be kept apart" if chosen.keyed else "no --key-file"
        raise InputError(f"defence {chosen.name}: expected {wants}, got {'none' if chosen.keyed else 'one'}")
    if out.suffix.lower() != ".npy":
        raise InputError(f"{out}: expected a file that ends in .npy; name --out so")
    table = read_templates(templates, dim=embedding_size(load(model)), **where)
    secret = secrets.token_hex(32) if key_file is None else _secret(key_file, chosen.described())
    who = table.identities if chosen.keyed else tuple(map(str, range(len(table.identities))))
    keys = [derive_seed(secret, name) for name in who]
    protected = chosen.protect(table.templates.astype(np.float64), keys).astype(np.float32)
    with atomic_path(out) as temporary, temporary.open("wb") as file:
        np.save(file, protected)
    return len(protected)


def _secret(path: Path, defence: str) -> str:
    if path.exists():
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            schema, made_for, secret = content["schema"], content["defence"], str(content["secret"])
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(f"{path}: expected a key file of harden, got something else") from None
        if schema != KEY_SCHEMA or made_for != defence:
            raise InputError(f"{path}: expected a key file of {defence}, got one of {made_for}")
        return secret
    secret = secrets.token_hex(32)
    with atomic_path(path) as temporary:
        temporary.write_text(
            json.dumps({"schema": KEY_SCHEMA, "defence": defence, "secret": secret}, indent=1)
        )
    path.chmod(0o600)
    return secret
