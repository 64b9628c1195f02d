"""Everything that decides an audit; free of torch, so that the command line can list it at once."""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from arcinvert.access.options import AccessOptions
from arcinvert.options import AttackOptions
from arcinvert.templates.options import FORMS, ID_COLUMN_HELP, IDS_HELP, TABLE_HELP, TEMPLATE_COLUMN_HELP
from recognition.bundled import BUNDLED
from recognition.config import option
from recognition.errors import InputError
from recognition.options import DEVICE_FORM, Precision

Budget = Literal["quick", "standard", "thorough"]
Pictures = Literal["hidden", "reconstructions", "all"]
Target = Literal["templates", "centres"]
Unreadable = Literal["skip", "stop"]
Bound = Literal["value", "upper"]

#: What a budget stands for; None people are all of them.
BUDGETS: dict[str, dict[str, Any]] = {
    "quick": {"people": 20, "samples": 1, "steps": 50, "calibration_images": 250, "defence_people": 8},
    "standard": {"people": 100, "samples": 2, "steps": 50, "calibration_images": 600, "defence_people": 20},
    "thorough": {
        "people": None,
        "samples": 4,
        "steps": 100,
        "calibration_images": 2000,
        "defence_people": 100,
    },
}

_NETWORK, _INPUTS, _AMOUNT = "network", "people and templates", "amount of work"
_JUDGES, _POLICY, _DEFENCES, _REPORT = "judges", "policy", "defences", "report"


@dataclass(frozen=True)
class AuditOptions(AccessOptions):
    """The options of an audit, with those of the access to the network. None means "not given".

    Raises:
        InputError: If a value is out of its range, or the inputs do not go together.
    """

    model: str = option(BUNDLED, help="the network to attack: a bundled one or a file", group=_NETWORK)
    preset: str | None = option(
        help="the preprocessing of the network, if its file does not say it", group=_NETWORK
    )
    centres: Path | None = option(help="the file of the network's class centres", group=_NETWORK)
    classes: int | None = option(
        help="the number of class centres that the network must have", group=_NETWORK, minimum=1
    )
    subcentres: int | None = option(
        help="the number of sub-centres of each class in the file of --centres, which lists them class by "
        "class",
        group=_NETWORK,
        minimum=1,
    )
    output: str | None = option(
        help="which output is the embedding, of a network with several: an ONNX graph's name of it, a key, "
        "or a number from 0",
        group=_NETWORK,
        metavar="NAME",
    )
    statistics: Path | None = option(
        help="the file of public-face knowledge that 'arcinvert calibrate' wrote, if it is not beside the "
        "model",
        group=_NETWORK,
    )
    calibrate: bool = option(
        True,
        help="measure a network that has no file of statistics on synthetic faces, once, before the first "
        "attack on it; what is measured is cached",
        group=_NETWORK,
    )
    device: str = option(
        "auto",
        form=DEVICE_FORM,
        metavar="DEVICE",
        help="the device to compute on; auto is CUDA, then MPS, then the CPU; cuda:1 is the second card",
        group=_NETWORK,
    )
    precision: Precision = option(
        "auto",
        help="the precision of the attack; auto is bfloat16 where the hardware has it and is faster with it, "
        "which is measured once for a network",
        group=_NETWORK,
    )
    images: Path | None = option(
        help="the folder of photographs, with one folder for each identity; their templates are attacked",
        group=_INPUTS,
    )
    templates: Path | None = option(
        help=f"the database of templates to attack: {FORMS}",
        group=_INPUTS,
    )
    photos: Path | None = option(
        help="with --templates: the folder of photographs to judge by, one folder for each identity",
        group=_INPUTS,
    )
    ids: Path | None = option(help=IDS_HELP, group=_INPUTS)
    table: str = option("templates", help=TABLE_HELP, group=_INPUTS)
    template_column: str = option("template", help=TEMPLATE_COLUMN_HELP, group=_INPUTS)
    id_column: str = option("identity", help=ID_COLUMN_HELP, group=_INPUTS)
    on_unreadable: Unreadable = option(
        "skip",
        help="what an unreadable image, or a row of the database without a usable template, does: it is "
        "reported and skipped, or stops the audit",
        group=_INPUTS,
    )
    allow_overlap: bool = option(
        False,
        help="audit people who are among the attacker's public faces too, and report how many; without it "
        "they are refused",
        group=_INPUTS,
    )
    target: Target = option(
        "templates", help="what is attacked: templates of photographs, or the class centres", group=_INPUTS
    )
    budget: Budget = option(
        "standard",
        help="the preset of people, samples, steps and photographs; each of them can be set by itself",
        group=_AMOUNT,
    )
    people: int | None = option(
        help="the number of identities to attack, drawn by the seed; all of them if there are fewer",
        group=_AMOUNT,
        minimum=1,
    )
    samples: int | None = option(
        help="the number of reconstructions of each identity", group=_AMOUNT, minimum=1
    )
    steps: int | None = option(help="the optimiser steps of each reconstruction", group=_AMOUNT, minimum=1)
    minutes: float | None = option(
        help="the minutes that the attack may take: as many identities are attacked as the measured speed "
        "allows; images that have to be attacked again take longer",
        group=_AMOUNT,
        above=0,
    )
    seed: int = option(0, help="the seed of the choice of people and of the attack", group=_AMOUNT, minimum=0)
    attack: AttackOptions | None = option(
        help="further options of the attack, such as recipe=paper or penalty=tv=0", group=_AMOUNT
    )
    judges: tuple[str, ...] | None = option(
        help="the recognisers that judge: dlib, a bundled network or model files, as MODEL or MODEL@PRESET "
        "(default: dlib, and lfw-iresnet18 unless a bundled network is attacked)",
        group=_JUDGES,
    )
    calibration: Path | None = option(
        help="the folder of photographs of other people to calibrate the judges on (default: those of "
        "--images or --photos who are not attacked)",
        group=_JUDGES,
    )
    calibration_images: int | None = option(
        help="the number of photographs that the judges are calibrated on", group=_JUDGES, minimum=3
    )
    fmr: tuple[float, ...] = option(
        (1e-2, 1e-3, 1e-4),
        help="the false match rates (FMR) at which the share of accepted reconstructions (SAR) is reported",
        group=_JUDGES,
        above=0,
        below=1,
    )
    max_sar: float | None = option(
        help="the highest SAR that passes, a fraction", group=_POLICY, minimum=0, maximum=1
    )
    policy_fmr: float = option(
        1e-3, help="the false match rate at which the policy holds", group=_POLICY, above=0, below=1
    )
    policy_bound: Bound = option(
        "upper",
        help="what must not exceed --max-sar for a pass: the upper end of the interval, or the value found",
        group=_POLICY,
    )
    defences: tuple[str, ...] = option(
        (), help="the defences to compare, as NAME or NAME:STRENGTH, or all", group=_DEFENCES, metavar="NAME"
    )
    defence_people: int | None = option(
        help="the number of identities that defences are compared on", group=_DEFENCES, minimum=2
    )
    variants: tuple[str, ...] = option(
        (),
        help="networks trained under a defence, to compare as NAME=MODEL or NAME=MODEL@PRESET",
        group=_DEFENCES,
        metavar="NAME=MODEL",
    )
    subgroups: Path | None = option(
        help="a CSV file with the column identity and one column for each grouping", group=_REPORT
    )
    attributes: Path | None = option(
        help="a CSV file with the column identity and one column for each attribute, such as sex or age "
        "band, of people attacked and of people outside the attack: the report says how often a linear probe "
        "on the judges' embeddings reads them from reconstructions",
        group=_REPORT,
    )
    pictures: Pictures = option(
        "hidden", help="the pictures that the report shows; all but hidden are biometric data", group=_REPORT
    )
    key_file: Path | None = option(
        help="the file that resolves the pseudonyms (default: OUT-key.json)", group=_REPORT
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_access()
        self._check_inputs()
        self._check_policy()

    def _check_access(self) -> None:
        if self.access == "weights":
            return
        if self.black_box is not None:
            raise InputError("black_box: expected a network as --model in an audit, got a system elsewhere")
        if self.target == "centres":
            raise InputError(f"target: expected templates with --access {self.access}, got centres")
        for name in ("defences", "variants", "statistics"):
            if getattr(self, name):
                raise InputError(
                    f"{name}: expected none with --access {self.access}; audit them by the weights"
                )
        if self.attack is not None and (
            self.attack.knowledge == "weights" or self.attack.recipe != "arcinvert"
        ):
            raise InputError(
                "attack: expected the recipe arcinvert and public faces with a black box, got others"
            )

    def access_options(self) -> AccessOptions:
        """Return the options of the access alone."""
        return AccessOptions(**{entry.name: getattr(self, entry.name) for entry in fields(AccessOptions)})

    def _check_inputs(self) -> None:
        if (self.images is None) == (self.templates is None):
            got = "none" if self.images is None else "both"
            raise InputError(f"audit: expected either --images DIR or --templates FILE, got {got}; give one")
        for name in ("photos", "ids"):
            if getattr(self, name) is not None and self.templates is None:
                raise InputError(f"{name}: expected it with --templates, got it without; leave it out")
        if self.target == "centres" and self.templates is not None:
            raise InputError("target: expected templates with --templates, got centres; leave --target out")
        if self.attack is not None and (self.attack.samples, self.attack.seed) != (1, 0):
            raise InputError(
                "attack: expected samples and seed as options of the audit, got them in --attack"
            )
        if self.attack is not None and self.attack.size is not None:
            raise InputError(
                f"attack: expected no size in an audit, got {self.attack.size}: faces are judged and "
                "shown at 112 pixels, and what a larger one adds is invented; leave it out"
            )
        for variant in self.variants:
            if not all(variant.partition("=")):
                raise InputError(f"variants: expected NAME=MODEL, got {variant!r}; give each network a name")
        names = [variant.partition("=")[0] for variant in self.variants]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise InputError(f"variants: expected different names, got {twice!r} twice; rename one")

    def _check_policy(self) -> None:
        if not self.fmr:
            raise InputError("fmr: expected at least one false match rate, got none; leave --fmr out")
        if self.max_sar is not None and self.policy_fmr not in self.fmr:
            raise InputError(f"policy_fmr: expected one of --fmr, got {self.policy_fmr:g}; add it to --fmr")

    def with_budget(self) -> "AuditOptions":
        """Return the options with the budget's values for all that are not given."""
        budget = BUDGETS[self.budget]
        return replace(self, **{name: budget[name] for name in budget if getattr(self, name) is None})

    def variant_models(self) -> dict[str, str]:
        """Return the model file of each variant, by its name."""
        return dict(variant.split("=", 1) for variant in self.variants)
