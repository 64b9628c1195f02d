"""One way for options: a frozen dataclass becomes command-line arguments, a TOML table and JSON.

A class of options declares each field with `option`: its help text, its group and its range. The same
declaration then serves `argparse`, configuration files, keyword arguments in Python and the JSON that results
keep. `None` always means "not given", and nothing else does. This module does not import torch.
"""

from recognition.config.fields import Kind, check, check_name, kinds, option
from recognition.config.python import takes, to_json
from recognition.config.sources import add_arguments, gather, parse_pairs, read_toml

__all__ = [
    "Kind",
    "add_arguments",
    "check",
    "check_name",
    "gather",
    "kinds",
    "option",
    "parse_pairs",
    "read_toml",
    "takes",
    "to_json",
]
