"""What an audit works on, opened and checked once: networks, judges, photographs, templates, defences."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from arcinvert.audit.attack import NetworkAttack, load_attack
from arcinvert.audit.cohort import Cohort, Crop, sample_identities
from arcinvert.audit.defences import make_defences
from arcinvert.audit.defences.base import Defence
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.templates import TemplateTable, read_templates
from arcinvert.evaluation.judges import DLIB, Judge, RecogniserJudge, make_judge
from arcinvert.subjects import class_centres, class_label, template_of
from recognition.checkpoint import sha256
from recognition.config import to_json
from recognition.data.faces import at_size
from recognition.data.folders import read_folders
from recognition.errors import InputError
from recognition.loading import BUNDLED, bundled_path
from recognition.recogniser import Recogniser

#: Options that change the report and not the work: with others the work that is there goes on.
_REPORT_ONLY = ("max_sar", "policy_fmr", "policy_bound", "fmr", "pictures", "key_file", "subgroups")
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
    """

    options: AuditOptions
    attack: NetworkAttack
    attacked: RecogniserJudge
    judges: tuple[Judge, ...]
    table: TemplateTable | None
    photographs: dict[str, list[Path]]
    calibration: dict[str, list[Path]] | None
    defences: tuple[Defence, ...]

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
            InputError: If nobody can be attacked, or too few people are outside the attack.
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
        return sample_identities(
            self.photographs,
            people=people,
            calibration_images=self.options.calibration_images or 0,
            seed=self.options.seed,
            trained=trained,
            only=only,
            calibration=self.calibration,
        )

    def table_rows(self, people: int | None) -> int:
        """Return how many templates of the database are attacked without photographs."""
        rows = len(self.table.identities) if self.table else 0
        return rows if people is None else min(people, rows)

    def templates(self, names: Sequence[str], sources: Sequence[Crop]) -> NDArray[np.float32]:
        """Return what is attacked of each person: the database's template, or what the network makes.

        Args:
            names: The people.
            sources: Their first photographs' crops.
        """
        if self.table is None:
            return templates_of(self.recogniser, self.options.target, names, sources)
        rows = [self.table.identities.index(name) for name in names]
        return self.table.templates[rows]

    def fingerprint(self) -> dict[str, Any]:
        """Return everything that decides the work on disk, as JSON."""
        options = {k: v for k, v in to_json(self.options).items() if k not in _REPORT_ONLY}
        files = [model for model in self.options.variant_models().values() if Path(model).is_file()]
        if self.options.statistics is not None:
            files.append(str(self.options.statistics))
        return {
            "options": options,
            "plan": self.attack.plan.describe(),
            "attacked": self.recogniser.source.sha256,
            "judges": [[judge.name, judge.describe()["sha256"]] for judge in self.judges],
            "photographs": _listing(self.photographs),
            "calibration": _listing(self.calibration or {}),
            "templates": None
            if self.table is None
            else hashlib.sha256(self.table.templates.tobytes()).hexdigest(),
            "files": {path: sha256(path) for path in files},
            "libraries": {name: version(name) for name in LIBRARIES},
        }


def open_inputs(options: AuditOptions) -> AuditInputs:
    """Open and check everything that an audit works on.

    Raises:
        InputError: If something given cannot be used.
    """
    options = options.with_budget()
    defences = tuple(make_defences(options.defences))
    attack = load_attack(options)
    folder = options.images or options.photos
    photographs = read_folders(folder) if folder else {}
    return AuditInputs(
        options=options,
        attack=attack,
        attacked=RecogniserJudge(attack.recogniser),
        judges=_open_judges(options, attack.recogniser) if photographs else (),
        table=_open_table(options, attack.recogniser.embedding_size),
        photographs=photographs,
        calibration=read_folders(options.calibration) if options.calibration else None,
        defences=defences,
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


def _open_judges(options: AuditOptions, attacked: Recogniser) -> tuple[Judge, ...]:
    digest = attacked.source.sha256
    names = options.judges
    if names is None:
        names = (DLIB,) if sha256(str(bundled_path())) == digest else (DLIB, BUNDLED)
    judges = tuple(make_judge(name, device=attacked.device) for name in dict.fromkeys(names))
    for judge in judges:
        if judge.describe()["sha256"] == digest:
            raise InputError(
                f"judges: expected networks that are not attacked, got {judge.name}, which is; name others"
            )
    return judges


def _listing(folders: dict[str, list[Path]]) -> str:
    """Return a digest of which photographs there are, and of their sizes."""
    lines = (f"{name}/{path.name} {_size(path)}" for name in folders for path in folders[name])
    return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def _size(path: Path) -> int:
    """Return the size of a file; -1 if it is gone or a link to nothing, which its reader will report."""
    try:
        return path.stat().st_size
    except OSError:
        return -1
