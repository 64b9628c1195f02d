"""Damage: files that are nearly sound, of which a reader believes more than it should.

`mutate` damages bytes as any file has them. `mutate_json`, `mutate_lines` and `mutate_members` know a
structure, so that their results pass the first checks of a format: lengths, checksums, brackets.
"""

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

#: Integers at which lengths and shapes overflow.
INTERESTING = (
    0,
    1,
    -1,
    127,
    128,
    255,
    256,
    32767,
    65535,
    65536,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**63 - 1,
    2**64 - 1,
)
#: Values of JSON that stand for another kind than is expected there.
VALUES: tuple[Any, ...] = (
    *(None, True, "", "x", "\x00", "a" * 10_000, [], {}, [[]], {"": {}}, 0, -1, 1e308, 0.1, 2**62, -(2**63)),
    *(10**400, "../../x", "\udcff", "$\\frac", [1] * 1000),
)
#: The same as words in TOML, CSV and pair lists.
WORDS = (
    "",
    "-1",
    "0",
    "nan",
    "inf",
    "1e999",
    "9" * 5000,
    "x" * 1000,
    "[[[[",
    "{}",
    "\x00",
    "\udcff",
    '"',
    ",,,,",
    "\t",
)

Mutation = Callable[[bytes, random.Random], bytes]


def mutate(data: bytes, chance: random.Random) -> bytes:
    """Return damaged bytes: flipped, cut, spliced, repeated, or with interesting integers."""
    damaged = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4))):
        if not damaged:
            return b""
        # Headers decide more than contents do.
        end = min(len(damaged), chance.choice((32, 256, 4096, len(damaged))))
        at = chance.randrange(end)
        kind = chance.randrange(6)
        if kind == 0:
            damaged[at] ^= 1 << chance.randrange(8)
        elif kind == 1:
            del damaged[at if chance.random() < 0.3 else chance.randrange(len(damaged)) :]
        elif kind == 2:
            other = chance.randrange(len(damaged))
            length = chance.randrange(1, 65)
            damaged[at : at + length] = damaged[other : other + length]
        elif kind == 3:
            piece = damaged[at : at + chance.randrange(1, 257)]
            damaged[at:at] = piece * chance.choice((1, 2, 100))
        elif kind == 4:
            size = chance.choice((1, 2, 4, 8))
            number = chance.choice(INTERESTING) % (1 << (8 * size))
            damaged[at : at + size] = number.to_bytes(size, chance.choice(("little", "big")))
        else:
            del damaged[at : at + chance.randrange(1, 65)]
    return bytes(damaged)


def mutate_json(data: bytes, chance: random.Random) -> bytes:
    """Return JSON with values of other kinds, keys missing or renamed, or deep nesting."""
    if chance.random() < 0.2:
        return mutate(data, chance)
    if chance.random() < 0.05:
        depth = chance.choice((100, 100_000))
        return b"[" * depth + b"]" * depth
    value = json.loads(data)
    for _ in range(chance.choice((1, 1, 3))):
        value = _with_change(value, chance)
    return json.dumps(value).encode()


def _with_change(value: Any, chance: random.Random) -> Any:
    """Return the value with one part of it replaced, removed or repeated; every depth is as likely."""
    if not value or not isinstance(value, dict | list) or chance.random() < 0.2:
        return chance.choice(VALUES)
    if isinstance(value, list):
        at = chance.randrange(len(value))
        if chance.random() < 0.2:
            return value[:at] + value[at + 1 :]
        return [*value[:at], _with_change(value[at], chance), *value[at + 1 :]]
    key = chance.choice(list(value))
    changed = dict(value)
    if chance.random() < 0.2:
        del changed[key]
    elif chance.random() < 0.1:
        changed[chance.choice(("x", "", key * 2))] = changed.pop(key)
    else:
        changed[key] = _with_change(value[key], chance)
    return changed


def mutate_lines(data: bytes, chance: random.Random) -> bytes:
    """Return text (TOML, CSV, pair lists) with words replaced, or lines repeated, moved or removed."""
    if chance.random() < 0.2:
        return mutate(data, chance)
    lines = data.decode().split("\n")
    for _ in range(chance.choice((1, 2, 5))):
        at = chance.randrange(len(lines))
        kind = chance.randrange(4)
        if kind == 0:
            lines.insert(at, lines[chance.randrange(len(lines))])
        elif kind == 1 and len(lines) > 1:
            del lines[at]
        else:
            mark = chance.choice((",", "=", " ", "\t"))
            words = lines[at].split(mark)
            words[chance.randrange(len(words))] = chance.choice(WORDS)
            lines[at] = mark.join(words)
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def mutate_safetensors(data: bytes, chance: random.Random) -> bytes:
    """Return a safetensors file with a changed header of the right length, or damaged as bytes."""
    if chance.random() < 0.4:
        return mutate(data, chance)
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length]
    content = json.loads(header)
    metadata = content.get("__metadata__", {})
    inner = [key for key, value in metadata.items() if value[:1] in ("{", "[")]
    if inner and chance.random() < 0.6:
        # JSON inside the header's strings.
        key = chance.choice(inner)
        metadata[key] = mutate_json(metadata[key].encode(), chance).decode("utf-8", "replace")
        header = json.dumps(content).encode()
    else:
        header = mutate_json(header, chance)
    return len(header).to_bytes(8, "little") + header + data[8 + length :]


def mutate_members(data: bytes, chance: random.Random) -> bytes:
    """Return a zip archive with a damaged member and a right checksum, or damaged as bytes."""
    if chance.random() < 0.3:
        return mutate(data, chance)
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(written, "w") as target:
        names = archive.namelist()
        pickles = [name for name in names if name.endswith((".pkl", ".npy"))]
        chosen = chance.choice(pickles or names)
        for name in names:
            content = archive.read(name)
            if name == chosen:
                content = mutate(content, chance)
            how = zipfile.ZIP_DEFLATED if chance.random() < 0.02 else zipfile.ZIP_STORED
            target.writestr(name, content, how)
    return written.getvalue()


def mutate_png(data: bytes, chance: random.Random) -> bytes:
    """Return a PNG with one damaged chunk and right checksums, or damaged as bytes."""
    if chance.random() < 0.4 or not data.startswith(b"\x89PNG"):
        return mutate(data, chance)
    chunks, at = [], 8
    while at + 12 <= len(data):
        length = struct.unpack(">I", data[at : at + 4])[0]
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    chosen = chance.randrange(len(chunks))
    kind, content = chunks[chosen]
    chunks[chosen] = (kind, mutate(content, chance))
    return data[:8] + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )
