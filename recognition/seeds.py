"""Seeds of random numbers. Imports no torch."""

import hashlib


def derive_seed(*parts: int | str) -> int:
    """Return a seed in [0, 2**63) that follows from all of its parts.

    A change of any part gives an unrelated seed, so that every epoch, subject or batch has random numbers of
    its own.
    """
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    # Below 2**63, because torch takes a signed seed.
    return int.from_bytes(digest, "little") >> 1
