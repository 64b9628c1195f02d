"""What decides an audit; free of torch, so that the command line can list it at once."""

import difflib
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

from recognition.errors import InputError
from recognition.options import DeviceName

Budget = Literal["quick", "standard", "thorough"]
Pictures = Literal["hidden", "reconstructions", "all"]
Target = Literal["templates", "centres"]
Unreadable = Literal["skip", "stop"]
Bound = Literal["value", "upper"]

#: What a budget stands for; 0 people means all of them.
BUDGETS: dict[str, dict[str, Any]] = {
    "quick": {"people": 20, "samples": 1, "steps": 100, "calibration_images": 250, "defence_people": 8},
    "standard": {"people": 100, "samples": 2, "steps": 100, "calibration_images": 600, "defence_people": 20},
    "thorough": {"people": 0, "samples": 4, "steps": 100, "calibration_images": 2000, "defence_people": 100},
}


def _option(default: Any, text: str, *, least: float | None = None) -> Any:
    return field(default=default, metadata={"help": text, "least": least})


@dataclass(frozen=True)
class AuditOptions:
    """Everything that decides what an audit finds; each field says its meaning in its metadata.

    Raises:
        InputError: a value is out of its range, or the inputs do not go together.
    """

    model: str = _option("lfw-iresnet18", "the network to attack: the bundled one or a file")
    images: str | None = _option(None, "photographs, a folder per identity: their templates are attacked")
    templates: str | None = _option(None, "a database of templates to attack: .npy, .parquet, .sqlite, .db")
    photos: str | None = _option(None, "with --templates: photographs, a folder per identity, to judge by")
    ids: str | None = _option(None, "with --templates FILE.npy: a text file, the identity of each row")
    table: str = _option("templates", "with SQLite: the table")
    template_column: str = _option("template", "with SQLite or Parquet: the column of the templates")
    id_column: str = _option("identity", "with SQLite or Parquet: the column of the identities")
    calibration: str | None = _option(
        None, "photographs of other people, to calibrate the judges by (default: those not attacked)"
    )
    aligned: bool = _option(False, "the photographs are aligned 112x112 crops already")
    target: Target = _option("templates", "templates of photographs, or the network's class centres")
    budget: Budget = _option("standard", "people, steps and photographs at once; each can be set alone")
    people: int | None = _option(None, "identities to attack, drawn by the seed; 0: all", least=0)
    samples: int | None = _option(None, "reconstructions of each identity", least=1)
    steps: int | None = _option(None, "of each reconstruction", least=1)
    minutes: float | None = _option(
        None, "attack so many identities as this allows, by the measured speed", least=0
    )
    calibration_images: int | None = _option(None, "photographs the judges are calibrated on", least=3)
    judges: tuple[str, ...] = _option(
        (),
        "dlib, the bundled network or model files (default: dlib, and the bundled network unless attacked)",
    )
    fmr: tuple[float, ...] = _option((1e-2, 1e-3, 1e-4), "false match rates to report SAR at")
    max_sar: float | None = _option(None, "policy: the highest SAR that passes, a fraction", least=0)
    policy_fmr: float = _option(1e-3, "policy: the false match rate that it speaks of", least=0)
    policy_bound: Bound = _option("value", "policy: compare the found value, or its interval's upper end")
    defences: tuple[str, ...] = _option((), "defences to compare: names, or all; none without")
    defence_people: int | None = _option(None, "identities that defences are compared on", least=2)
    variants: tuple[str, ...] = _option((), "NAME=MODEL: networks trained under a defence, to compare")
    subgroups: str | None = _option(None, "a CSV with the column identity and one column a grouping")
    pictures: Pictures = _option("hidden", "what the report shows; anything but hidden is biometric data")
    key_file: str | None = _option(None, "where the pseudonyms are resolved (default: OUT-key.json)")
    on_unreadable: Unreadable = _option("skip", "an unreadable image is reported and skipped, or stops")
    seed: int = _option(0, "of the draw of people and of the attack", least=0)
    device: DeviceName = _option("auto", "auto: CUDA, MPS, else CPU")
    attack: dict[str, Any] = field(
        default_factory=dict, metadata={"help": "further options of the attack, NAME=VALUE", "least": None}
    )

    def __post_init__(self) -> None:
        for option in fields(self):
            self._check(option.name, getattr(self, option.name), option.metadata["least"])
        self._check_inputs()
        self._check_policy()

    def _check_inputs(self) -> None:
        if (self.images is None) == (self.templates is None):
            raise InputError("audit: expected either --images DIR or --templates FILE, got both or none")
        for name in ("photos", "ids"):
            if getattr(self, name) is not None and self.templates is None:
                raise InputError(f"{name}: expected it with --templates, got it without")
        if self.target == "centres" and self.templates is not None:
            raise InputError("target: expected templates with --templates, got centres")
        for variant in self.variants:
            if not all(variant.partition("=")):
                raise InputError(f"variants: expected NAME=MODEL, got {variant!r}")

    def _check_policy(self) -> None:
        if not self.fmr or not all(0 < fmr < 1 for fmr in self.fmr) or not 0 < self.policy_fmr < 1:
            raise InputError("fmr: expected fractions between 0 and 1, got others or none")
        if self.max_sar is not None and self.max_sar > 1:
            raise InputError(f"max_sar: expected a fraction, at most 1, got {self.max_sar}")
        if self.max_sar is not None and self.policy_fmr not in self.fmr:
            raise InputError(f"policy_fmr: expected one of --fmr, got {self.policy_fmr:g}")

    def _check(self, name: str, value: Any, least: float | None) -> None:
        if least is not None and value is not None and not least <= value < float("inf"):
            raise InputError(f"{name}: expected a number from {least} up, got {value}")
        allowed = choices(name)
        if allowed and value not in allowed:
            raise InputError(f"{name}: expected one of {', '.join(allowed)}, got {value!r}")

    def resolved(self) -> "AuditOptions":
        """With what the budget stands for in every place left open."""
        budget = BUDGETS[self.budget]
        return replace(self, **{name: budget[name] for name in budget if getattr(self, name) is None})

    def described(self) -> dict[str, Any]:
        """As JSON: lists in place of tuples."""
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()
        }


def choices(name: str) -> tuple[str, ...]:
    """The words that an option of this name takes; empty where it takes others."""
    hint = get_type_hints(AuditOptions)[name]
    return tuple(word for word in get_args(hint) if isinstance(word, str))


def value_type(name: str) -> type:
    """What one value of an option is: bool, int, float, str or dict."""
    hint = get_type_hints(AuditOptions)[name]
    if choices(name):
        return str
    if hint in (bool, int, float, str):
        return hint
    if hint == dict[str, Any]:
        return dict
    return next(kind for kind in get_args(hint) if isinstance(kind, type) and kind is not type(None))


def is_list(name: str) -> bool:
    """Whether an option takes several values."""
    return isinstance(next(option for option in fields(AuditOptions) if option.name == name).default, tuple)


def read_config(path: str) -> dict[str, Any]:
    """The options in a TOML file, by the names of `AuditOptions`.

    Raises:
        InputError: the file is no TOML, or has an unknown option or a value of another type.
    """
    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: expected a TOML file, cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise InputError(f"{path}: expected TOML, got something else ({error})") from None
    known = [option.name for option in fields(AuditOptions)]
    options = {}
    for name, value in content.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise InputError(f"{path}: expected options of the audit, got {name!r}; the nearest is {near!r}")
        options[name] = _typed(path, name, value)
    return options


def _typed(path: str, name: str, value: Any) -> Any:
    kind = value_type(name)
    values = value if is_list(name) else [value]
    if not isinstance(values, list):
        raise InputError(f"{path}: {name}: expected a list, got {value!r}")
    fitting = (int, float) if kind is float else kind
    for one in values:
        if not isinstance(one, fitting) or (isinstance(one, bool) and kind is not bool):
            raise InputError(f"{path}: {name}: expected {kind.__name__}, got {one!r}")
    return tuple(values) if is_list(name) else value


def parse_attack(pairs: list[str]) -> dict[str, Any]:
    """NAME=VALUE as typed options of the attack, by the types of its fields.

    Raises:
        InputError: no such option, or a value of another type.
    """
    from arcinvert import options

    names = [option.name for option in fields(options.AttackOptions)]
    found: dict[str, Any] = {}
    for pair in pairs:
        name, _, text = pair.partition("=")
        name = name.replace("-", "_")
        if name not in names or not text:
            raise InputError(f"attack: expected NAME=VALUE with NAME of {', '.join(names)}, got {pair!r}")
        kind = options.value_type(name)
        try:
            found[name] = text == "true" if kind is bool else kind(text)
        except ValueError:
            raise InputError(f"attack: {name}: expected {kind.__name__}, got {text!r}") from None
    return found
