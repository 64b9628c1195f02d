"""What an audit works on, opened and checked once: networks, judges, photographs, templates, defences."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from arcinvert.attacked import network_digest
from arcinvert.audit.attack import NetworkAttack, attack_by, load_attack, load_attacker
from arcinvert.audit.black_box_attack import load_black_box_attack
from arcinvert.audit.cohort import Cohort, Crop, sample_identities
from arcinvert.audit.defences import make_defences
from arcinvert.audit.defences.base import Defence
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.shipped import shipped_thresholds
from arcinvert.audit.subgroups import read_groups
from arcinvert.evaluation.calibration import shipped_calibration
from arcinvert.evaluation.judges import DLIB, Judge, RecogniserJudge, make_judge, related
from arcinvert.knowledge.first_use import OnFaces
from arcinvert.knowledge.public_photographs import PhotographKey
from arcinvert.subjects import class_centres, class_label, template_of
from arcinvert.templates.table import TemplateTable, read_templates
from recognition.checkpoint import sha256
from recognition.config import kinds, to_json
from recognition.content import content_digest
from recognition.data.faces import at_size
from recognition.data.folders import read_folders
from recognition.errors import InputError
from recognition.loading import UNDISTILLED
from recognition.perceptual_hash import BYTES
from recognition.recogniser import Recogniser

#: Options that change the report and not the work: with others the work that is there goes on.
_REPORT_ONLY = (
    "max_sar",
    "policy_fmr",
    "policy_bound",
    "fmr",
    "pictures",
    "key_file",
    "subgroups",
    "attributes",
    "allow_overlap",
)
LIBRARIES = ("arcinvert", "torch", "torchvision", "numpy", "pillow", "dlib-bin", "onnx", "fpdf2")


@dataclass(frozen=True)
class AuditInputs:
    """What an audit works on.

    Args:
        options: Of the audit, with its budget.
        attack: The attacked network and the plan of its attack.
        attacked: The attacked network as a verifier.
        judges: Who judges; nobody without photographs.
        table: The database of templates; None if photographs or class centres are attacked.
        photographs: Identity to photographs; empty without them.
        calibration: Other people to calibrate on; None for those of `photographs` who are not attacked.
        defences: Which defences are compared.
        people_given: Whether the number of people was given, and is not the budget's.
    """

    options: AuditOptions
    attack: NetworkAttack
    attacked: RecogniserJudge
    judges: tuple[Judge, ...]
    table: TemplateTable | None
    photographs: dict[str, list[Path]]
    calibration: dict[str, list[Path]] | None
    defences: tuple[Defence, ...]
    people_given: bool = False

    @property
    def recogniser(self) -> Recogniser:
        """The attacked network."""
        return self.attack.recogniser

    @property
    def template_known(self) -> bool:
        """Whether the photographs that the templates came from are known, so that Type I can be judged."""
        return self.table is None and self.options.target == "templates"

    def sample_cohort(self, people: int | None) -> Cohort | None:
        """Draw who is attacked and who calibrates; None without photographs.

        Args:
            people: How many to attack; None attacks all.

        Raises:
            InputError: If nobody can be attacked, nobody is outside the attack although somebody must be, or
                a file of groups names none of them.
        """
        if not self.photographs:
            return None
        only: frozenset[str] | None = None
        if self.options.target == "centres":
            class_centres(self.recogniser)
            only = frozenset(self.recogniser.class_names or ())
        elif self.table is not None:
            only = frozenset(self.table.identities)
        networks = [self.attacked, *(judge for judge in self.judges if isinstance(judge, RecogniserJudge))]
        trained = frozenset(name for network in networks for name in network.recogniser.class_names or ())
        cohort = sample_identities(
            self.photographs,
            people=people,
            calibration_images=self.options.calibration_images or 0,
            seed=self.options.seed,
            trained=trained,
            only=only,
            calibration=self.calibration,
            keep_outside=not self.people_given
            and (bool(self.defences) or not all(shipped_thresholds(judge) for judge in self.judges)),
        )
        self.check_outside(cohort)
        self._check_groups(cohort)
        return cohort

    def _check_groups(self, cohort: Cohort) -> None:
        """Check that the files of groups name somebody, which an attack of an hour should not come before.

        Raises:
            InputError: If one names nobody.
        """
        options, attacked = self.options, list(cohort.attacked)
        outside = sorted({name for _, name in cohort.calibration})
        for path, names in (
            (options.subgroups, attacked),
            (options.attributes, attacked),
            (options.attributes, outside),
        ):
            if path is not None:
                read_groups(path, names)

    def check_outside(self, cohort: Cohort) -> None:
        """Check that somebody is outside the attack where defences are compared.

        Raises:
            InputError: If nobody is.
        """
        if not cohort.calibration and self.defences:
            raise InputError(
                "defences: expected people outside the attack, whose templates the attacker has, got none; "
                "give others with --calibration DIR, or attack fewer with --people"
            )

    def table_rows(self, people: int | None) -> int:
        """Return how many templates of the database are attacked without photographs."""
        rows = len(self.table.identities) if self.table else 0
        return rows if people is None else min(people, rows)

    def stored(self, names: Sequence[str]) -> dict[str, NDArray[np.float32]] | None:
        """Return the database's template of each person; None without a database."""
        table = self.table
        return None if table is None else {name: table.templates[self._rows[name]] for name in names}

    @cached_property
    def _rows(self) -> dict[str, int]:
        """The row of each identity of the database."""
        return {} if self.table is None else {name: row for row, name in enumerate(self.table.identities)}

    def check_variants(self) -> None:
        """Check that the variants can be attacked, for a preview; an audit loads them for its fingerprint.

        Raises:
            InputError: If one cannot be.
        """
        for model in self.options.variant_models().values():
            load_attack(self.options, model)

    def fingerprint(self) -> dict[str, Any]:
        """Return everything that decides the work on disk, as JSON."""
        # The content of files counts, and not where they are.
        left_out = {*_REPORT_ONLY, *(name for name, kind in kinds(AuditOptions).items() if kind.base is Path)}
        table, described = self.table, self.attack.describe()
        return {
            "options": {name: one for name, one in to_json(self.options).items() if name not in left_out},
            "plan": self.attack.plan.describe(),
            "attacked network": network_digest(self.recogniser),
            "public-face statistics": content_digest(self.attack.knowledge),
            "judges": {judge.name: _judge_digest(judge) for judge in self.judges},
            "judges' calibration": content_digest(
                shipped_calibration(), [shipped_thresholds(judge) for judge in self.judges]
            ),
            "photographs": self._listing(self.photographs),
            "calibration photographs": self._listing(self.calibration or {}),
            "templates": None if table is None else content_digest(table.identities, table.templates),
            "variants": {
                name: _variant_digest(self.options, model)
                for name, model in self.options.variant_models().items()
            },
            "libraries": {name: _version(name) for name in (*LIBRARIES, "lpips")},
            # Queries are counted in one run: what an earlier one asked for would be missing.
            "queries": None if self.options.access == "weights" else secrets.token_hex(8),
            "environment": described["environment"],
        }

    @cached_property
    def contents(self) -> dict[Path, str]:
        """SHA-256 of every photograph; empty for one that cannot be read, which its reader will report."""
        folders = [*self.photographs.values(), *(self.calibration or {}).values()]
        return {path: _sha256(path) for paths in folders for path in paths}

    def keys_of(self, people: Mapping[str, Sequence[Path]]) -> Iterator[PhotographKey]:
        """Yield what identifies the files of people's photographs, without their perceptual hashes."""
        nothing = np.zeros((0, BYTES), np.uint8)
        for name, paths in people.items():
            for path in paths:
                yield PhotographKey(f"{name}/{path.name}", self.contents[path] or None, nothing)

    def _listing(self, folders: Mapping[str, Sequence[Path]]) -> str:
        """Return a digest of which photographs there are, and of their content."""
        return content_digest(
            [[name, path.name, self.contents[path]] for name in folders for path in folders[name]]
        )


def open_inputs(options: AuditOptions, measuring: OnFaces | None = None) -> AuditInputs:
    """Open and check everything that an audit works on.

    Args:
        options: Everything that decides the audit.
        measuring: See `attack_by`.

    Raises:
        InputError: If something given cannot be used.
    """
    people_given = options.people is not None
    options = options.with_budget()
    for path in (options.subgroups, options.attributes):
        if path is not None:
            # At once, and not when the report is written.
            read_groups(path, ())
    defences = tuple(make_defences(options.defences))
    folder = options.images or options.photos
    photographs = read_folders(folder) if folder else {}
    calibration = read_folders(options.calibration) if options.calibration else None
    if options.access == "weights":
        attacker = load_attacker(options)
        networks: tuple[Recogniser, ...] = (attacker.recogniser,)
    else:
        black_box = load_black_box_attack(options)
        networks = black_box.networks
    judges = _open_judges(options, networks) if photographs else ()
    table = _open_table(options, networks[0].embedding_size)
    # Last, since the first use of a network takes a minute or more, which no bad input should cost.
    attack = attack_by(attacker, options, measuring) if options.access == "weights" else black_box
    return AuditInputs(
        options=options,
        attack=attack,
        attacked=RecogniserJudge(networks[0]),
        judges=judges,
        table=table,
        photographs=photographs,
        calibration=calibration,
        defences=defences,
        people_given=people_given,
    )


def templates_of(
    recogniser: Recogniser, target: str, names: Sequence[str], sources: Sequence[Crop]
) -> NDArray[np.float32]:
    """Return a network's templates, or class centres, of people, (people, dim).

    Args:
        recogniser: The network.
        target: `templates` or `centres`.
        names: The people.
        sources: Their first photographs' crops.
    """
    if not len(names):
        return np.zeros((0, recogniser.embedding_size), np.float32)
    if target == "centres":
        labels = [class_label(recogniser, name) for name in names]
        return class_centres(recogniser)[labels].cpu().numpy()
    size = recogniser.input_size
    return torch.stack([template_of(recogniser, at_size(crop, size)) for crop in sources]).numpy()


def _open_table(options: AuditOptions, dim: int) -> TemplateTable | None:
    if options.templates is None:
        return None
    table = read_templates(
        options.templates,
        dim=dim,
        ids=options.ids,
        table=options.table,
        template_column=options.template_column,
        id_column=options.id_column,
        skip=options.on_unreadable == "skip",
    )
    return table.first_of_each()


def _open_judges(options: AuditOptions, networks: Sequence[Recogniser]) -> tuple[Judge, ...]:
    """Return the judges, which are related to none of the networks that an attack optimises against."""
    names = (DLIB, UNDISTILLED) if options.judges is None else options.judges
    judges = tuple(make_judge(name, device=networks[0].device) for name in dict.fromkeys(names))
    if options.judges is None:
        return tuple(judge for judge in judges if not any(related(judge, one) for one in networks))
    for judge in judges:
        for network in networks:
            what = "attacked one" if network is networks[0] else "surrogate"
            if judge.describe()["sha256"] == network.source.sha256:
                raise InputError(
                    f"judges: expected networks other than the {what}, got {judge.name}, which is it; name "
                    "others"
                )
            if related(judge, network):
                raise InputError(
                    f"judges: expected networks that did not learn from the {what}, nor it from them, got "
                    f"{judge.name}; name others"
                )
    _tell_apart(judges)
    return judges


def _tell_apart(judges: Sequence[Judge]) -> None:
    """Give judges of one name, which files have of their architecture, names that tell them apart.

    Raises:
        InputError: If two are the same network.
    """
    names = [judge.name for judge in judges]
    for judge in judges:
        if isinstance(judge, RecogniserJudge) and names.count(judge.name) > 1:
            judge.name = f"{judge.name} {judge.recogniser.source.fingerprint[:8]}"
    names = [judge.name for judge in judges]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise InputError(f"judges: expected each network once, got {twice} twice; leave one out")


def _judge_digest(judge: Judge) -> str:
    """Return a digest of a judge's network; of dlib's, which comes with a library, of what is known of it."""
    if isinstance(judge, RecogniserJudge):
        return network_digest(judge.recogniser)
    return content_digest(judge.describe())


def _variant_digest(options: AuditOptions, model: str) -> str:
    """Return a digest of a variant's network and of what is known of public faces for it."""
    attack = load_attack(options, model)
    return content_digest(network_digest(attack.recogniser), attack.knowledge)


def _sha256(path: Path) -> str:
    try:
        return sha256(path)
    except (InputError, OSError):
        return ""


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
