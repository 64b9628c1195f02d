"""Apply a defence that needs no training, and write what can be stored or released in place of the old."""

import json
import os
import secrets
from pathlib import Path
from typing import Any

import numpy as np

from arcinvert.audit.defences import DEFENCES, make_defence
from arcinvert.audit.defences.base import TemplateDefence
from arcinvert.audit.defences.folded_batchnorm import write_folded
from arcinvert.templates.table import read_templates
from recognition.errors import InputError
from recognition.files import read_json, refuse_input
from recognition.images import atomic_path, remove_leftovers
from recognition.loading import load
from recognition.seeds import derive_seed

#: The version of the key file's fields, and of the directions that a secret chooses.
KEY_SCHEMA = "arcinvert-template-key-2"
#: The version whose directions leaned towards the negative axes.
_FORMER_KEY_SCHEMA = "arcinvert-template-key-1"


def harden_model(model: str, out: Path) -> int:
    """Write a network as ONNX without BatchNorm statistics and class centres; return how many layers changed.

    Raises:
        InputError: If the network has no statistics, or `out` is no .onnx file that can be written.
    """
    if out.suffix.lower() != ".onnx":
        raise InputError(f"{out}: expected a file that ends in .onnx; rename --out")
    refuse_input(out, model)
    return write_folded(load(model), out)


def harden_templates(
    templates: str, defence: str, out: Path, *, model: str, key_file: Path | None, **where: Any
) -> int:
    """Write protected templates, (n, k) float32, in the order of the given ones; return how many.

    A keyed defence has one key for each identity, derived from the key file's secret; fresh templates of the
    same people must be protected with the same file. The noise of an unkeyed one is thrown away.

    Args:
        templates: The database of templates; see `read_templates`.
        defence: NAME or NAME:STRENGTH.
        out: A file that ends in .npy.
        model: The network that made the templates.
        key_file: Made if it does not exist; None for defences without keys.
        **where: Keyword arguments of `read_templates`.

    Raises:
        InputError: If the defence is unknown or does not change stored templates, the templates cannot be
            used, or a key file is missing or superfluous.
    """
    chosen = make_defence(defence)
    if not isinstance(chosen, TemplateDefence) or not chosen.stored:
        raise InputError(
            f"defence: expected one that changes stored templates, got {chosen.name}; choose another of "
            f"{', '.join(DEFENCES)}"
        )
    if chosen.keyed and key_file is None:
        raise InputError(
            f"defence {chosen.name}: expected a key file, got none; give --key-file and keep the file apart"
        )
    if not chosen.keyed and key_file is not None:
        raise InputError(f"defence {chosen.name}: expected no key file, got one; leave --key-file out")
    if out.suffix.lower() != ".npy":
        raise InputError(f"{out}: expected a file that ends in .npy; rename --out")
    refuse_input(out, templates, model, where.get("ids"), key_file)
    if key_file is not None and os.path.realpath(key_file) == os.path.realpath(out):
        raise InputError(f"{out}: expected another file than the key's; choose another --out or --key-file")
    table = read_templates(templates, dim=load(model).embedding_size, **where)
    secret = secrets.token_hex(32) if key_file is None else _secret(key_file, chosen)
    who = table.identities if chosen.keyed else tuple(map(str, range(len(table.identities))))
    keys = [derive_seed(secret, name) for name in who]
    protected = chosen.protect(table.templates.astype(np.float64), keys).astype(np.float32)
    with atomic_path(out) as temporary, temporary.open("wb") as file:
        np.save(file, protected)
    return len(protected)


def _secret(path: Path, defence: TemplateDefence) -> str:
    """Return the secret in a key file, which is made if it does not exist.

    Raises:
        InputError: If the file is another defence's, or of a version that chose other directions.
    """
    remove_leftovers(path.parent, path.name)
    if path.exists():
        try:
            content = read_json(path, "a key file")
            schema, made_for, secret = content["schema"], content["defence"], str(content["secret"])
        except (OSError, ValueError, KeyError, TypeError):
            raise InputError(
                f"{path}: expected a key file of 'arcinvert harden', got something else"
            ) from None
        if schema not in (KEY_SCHEMA, _FORMER_KEY_SCHEMA) or made_for != defence.label:
            raise InputError(
                f"{path}: expected a key file of {defence.label}, got one of {made_for}; name another"
            )
        # The other keyed defences begin with no rotation: their records are what they were.
        if schema == _FORMER_KEY_SCHEMA and defence.same_estimate:
            raise InputError(
                f"{path}: expected a key file of {KEY_SCHEMA}, got {schema}, under which the mean of a "
                "person's records gives the template away; name a new file, and protect all templates anew"
            )
        return secret
    secret = secrets.token_hex(32)
    with atomic_path(path, mode=0o600) as temporary:
        temporary.write_text(
            json.dumps({"schema": KEY_SCHEMA, "defence": defence.label, "secret": secret}, indent=1)
        )
    return secret
