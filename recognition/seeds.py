"""Seeds of everything random; free of torch."""

import hashlib


def derive_seed(*parts: int | str) -> int:
    """A seed, 0 to 2**63 - 1, that any change of a part makes another."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    # Below 2**63: torch takes a signed seed.
    return int.from_bytes(digest, "little") >> 1
