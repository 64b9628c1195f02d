"""Which names of columns, arrays and keys of JSON mean identities."""

import re

#: Such names in letters alone, in the singular or the plural.
_IDENTITY = re.compile(
    r"((class|label|identity|person|subject|user|target)(name|id|label)?|people|name|id|key|y)(e?s)?|identities"
)


def means_identity(name: str) -> bool:
    """Return whether a name says that what is under it are identities: their names, numbers or labels."""
    return _IDENTITY.fullmatch("".join(filter(str.isalpha, name.lower()))) is not None
