"""The composition root of an audit: options to people to units on disk to one JSON description."""

import csv
import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from arcinvert.audit.assemble import Gathered, Row, assemble
from arcinvert.audit.attack import (
    BATCH,
    Attacked,
    attack_classes,
    attack_options,
    attack_templates,
    batches,
    seconds_per_step,
)
from arcinvert.audit.cache import Cache, Unit
from arcinvert.audit.cohort import Cohort, Crop, Reader, sample_identities
from arcinvert.audit.defences import WITHHELD, Cost, ScoreOnly, check_names, cost, make_defence, unit_norm
from arcinvert.audit.evidence import JudgeEvidence
from arcinvert.audit.fold_batchnorm import write_folded
from arcinvert.audit.metrics import paired_similarity, ssim
from arcinvert.audit.options import AuditOptions
from arcinvert.audit.policy import Policy
from arcinvert.audit.pseudonyms import Pseudonyms
from arcinvert.audit.report import JSON_NAME, Picture, write_report
from arcinvert.audit.report.content import audit_blocks
from arcinvert.audit.robustness import TRANSFORMS
from arcinvert.audit.templates import TemplateTable, read_templates
from arcinvert.evaluation.audit_judges import DLIB, AuditJudge, RecogniserJudge, make_judge
from arcinvert.evaluation.judge import to_crop_size
from arcinvert.evaluation.perceptual import find_lpips
from arcinvert.knowledge.activation_statistics import SUFFIX, measure, save_statistics
from arcinvert.subjects import class_centres, embedding_size, template_of
from recognition.checkpoint import load_extra
from recognition.data.faces import at_size
from recognition.data.folders import read_folders
from recognition.errors import InputError
from recognition.images import to_tensor, to_uint8
from recognition.loading import BUNDLED, bundled_path, load
from recognition.recogniser import Recogniser
from recognition.runtime import choose_device
from recognition.seeds import derive_seed

#: People, and calibration photographs, of one unit on disk.
_CHUNK = 32
#: Faces on which a network's withheld statistics are measured.
_MEASURED_FACES = 256
#: Options that change the report and not the work: another of them goes on with what is there.
_REPORT_ONLY = ("max_sar", "policy_fmr", "policy_bound", "fmr", "pictures", "key_file", "subgroups")
_LIBRARIES = ("arcinvert", "torch", "torchvision", "numpy", "pillow", "dlib-bin", "onnx", "fpdf2")
#: Measured on two cores: seconds to detect and align a photograph, and to judge a crop by dlib.
_ALIGN_SECONDS, _JUDGE_SECONDS = 0.03, 0.06

#: The photographs of a person, by their names in units.
_SIDES = (("photograph", "source"), ("another photograph", "second"))

#: Hears of the attack's steps: how many are done, of how many.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Plan:
    """What an audit will do, for `--dry-run`."""

    lines: tuple[str, ...]


class Auditor:
    """One audit: its networks, its people and its units.

    Args:
        options: of the audit.
        out: the report's folder; the work goes below it.
        say: hears of what is worth a line.
        progress: hears of the attack's steps.

    Raises:
        InputError: something given is wrong; it says what.
    """

    def __init__(
        self,
        options: AuditOptions,
        out: Path,
        *,
        say: Callable[[str], None] = lambda line: None,
        progress: Progress = lambda done, steps: None,
    ) -> None:
        self.options = options.resolved()
        self.out = out
        self.say = say
        self.progress = progress
        self.device = choose_device(self.options.device)
        self.attacked = RecogniserJudge(self.options.model, device=self.device)
        self.recogniser: Recogniser = self.attacked.recogniser
        self.dim = embedding_size(self.recogniser)
        self.chosen = attack_options(self.options, self.recogniser)
        self.samples = int(self.chosen["samples"])
        self.steps = int(self.chosen["steps"])
        self.defences = check_names(self.options.defences)
        self.table = self._read_table()
        photographs = self.options.images or self.options.photos
        self.judges = self._make_judges() if photographs else []
        self.roll: Cohort | None = None
        self.folders = read_folders(photographs) if photographs else {}
        #: Of each attacked person: the pseudonym, and the unit and row of its crops.
        self._order: list[str] = []
        self._where: list[tuple[int, int]] = []

    # What is attacked, by whom it is judged.

    def _read_table(self) -> TemplateTable | None:
        options = self.options
        if options.templates is None:
            return None
        return read_templates(
            options.templates,
            dim=self.dim,
            ids=options.ids,
            table=options.table,
            template_column=options.template_column,
            id_column=options.id_column,
        ).first_of_each()

    def _make_judges(self) -> list[AuditJudge]:
        digest = self.recogniser.source.sha256
        names = self.options.judges
        if not names:
            bundled = RecogniserJudge(BUNDLED).recogniser.source.sha256
            names = (DLIB,) if bundled == digest else (DLIB, BUNDLED)
        judges = [make_judge(name, device=self.device) for name in dict.fromkeys(names)]
        for judge in judges:
            if judge.described()["sha256"] == digest:
                raise InputError(
                    f"judges: expected networks that are not attacked, got {judge.name}, which is"
                )
        return judges

    def _trained(self) -> frozenset[str]:
        networks = [self.attacked, *(judge for judge in self.judges if isinstance(judge, RecogniserJudge))]
        return frozenset(name for network in networks for name in network.recogniser.class_names or ())

    def draw(self, people: int) -> Cohort:
        """Who is attacked and who calibrates."""
        options = self.options
        only: frozenset[str] | None = None
        if options.target == "centres":
            class_centres(self.recogniser)
            only = frozenset(self.recogniser.class_names or ())
        elif self.table is not None:
            only = frozenset(self.table.identities)
        return sample_identities(
            self.folders,
            people=people,
            calibration_images=options.calibration_images or 0,
            seed=options.seed,
            trained=self._trained(),
            only=only,
            calibration=read_folders(options.calibration) if options.calibration else None,
        )

    def plan(self) -> Plan:
        """What would be done, and how long it takes by the measured speed of the attack."""
        speed = seconds_per_step(self.recogniser, self.dim, model=self.options.model, options=self.options)
        people = self._affordable(speed)
        roll = self.draw(people) if self.folders else None
        attacked = len(roll.attacked) if roll else self._rows(people)
        images = (len(roll.calibration) + 2 * attacked) if roll else 0
        compared = min(self.options.defence_people or 0, attacked) * bool(self._row_names())
        runs = [len(batches(attacked, self.samples))]
        runs += [len(batches(compared, self.samples))] * len(self._row_names())
        judged = images + (1 + len(TRANSFORMS)) * attacked * self.samples
        judged += compared * self.samples * len(self._row_names())
        seconds = sum(runs) * self.steps * speed
        seconds += images * _ALIGN_SECONDS * (not self.options.aligned) + judged * _JUDGE_SECONDS
        lines = [
            f"Attacked: {self.recogniser.name}, {self._target_words()} of {attacked} identities, "
            f"{self.samples} reconstructions each, {self.steps} steps, {speed:.2f} s a step of {BATCH}",
            f"Judges: {', '.join(judge.name for judge in self.judges) or 'none, for want of photographs'}",
            f"Calibrated on: {len(roll.calibration) if roll else 0} photographs of people outside the attack",
            f"Defences compared on {compared} identities: {', '.join(self._row_names()) or 'none'}",
            f"Time: about {seconds / 60:.0f} minutes; what is done is kept in {self.out}/work, if it is "
            "stopped",
            f"Writes: {self.out}/report.html, report.pdf, report.md, audit.json",
        ]
        return Plan(tuple(lines))

    def _target_words(self) -> str:
        return "class centres" if self.options.target == "centres" else "templates"

    def _rows(self, people: int) -> int:
        rows = len(self.table.identities) if self.table else 0
        return min(people, rows) if people else rows

    def _affordable(self, speed: float) -> int:
        """People that the time allows: half of it for the rest of the work is not needed by any budget."""
        people = int(self.options.people or 0)
        if not self.options.minutes:
            return people
        each = (self.steps * speed / BATCH + _JUDGE_SECONDS * (1 + len(TRANSFORMS))) * self.samples
        allowed = max(2, int(self.options.minutes * 60 / each))
        return min(people, allowed) if people else allowed

    # Pictures for the report.

    def pictures(self, result: dict[str, Any]) -> list[Picture]:
        """The most, the middle and the least at risk, as far as they may be shown."""
        if self.options.pictures == "hidden":
            return []
        store = Cache(self.out / "work", self._fingerprint())
        ranked = [entry["pseudonym"] for entry in result["identities"]]
        middle = len(ranked) // 2
        wanted = dict.fromkeys([*ranked[:4], *ranked[middle - 2 : middle + 2], *ranked[-4:]])
        rows = {name: index for index, name in enumerate(self._order)}
        return [self._picture(store, name, rows[name]) for name in wanted]

    def _picture(self, store: Cache, pseudonym: str, index: int) -> Picture:
        shown: list[tuple[str, Crop]] = []
        if self.options.pictures == "all" and self.roll is not None:
            unit, row = self._where[index]
            crops = store.read(f"people-{unit:05d}") or {}
            shown = [(label, crops[side][row]) for label, side in _SIDES]
        for number, part in enumerate(batches(len(self._order), self.samples)):
            if part.start <= index < part.stop:
                images = (store.read(f"attack-{number:05d}") or {})["images"][index - part.start]
                shown += [(f"reconstruction {sample + 1}", image) for sample, image in enumerate(images)]
        return Picture(pseudonym, tuple(shown))

    # Units of work.

    def run(self) -> dict[str, Any]:
        """Do what is not done yet, and describe it: the content of audit.json."""
        store = Cache(self.out / "work", self._fingerprint())
        keys = Pseudonyms(Path(self.options.key_file or f"{self.out}-key.json"))
        people = int(self.options.people or 0)
        if self.options.minutes:
            people = self._affordable(float(store.unit("speed", self._speed)["seconds_per_step"]))
        self.roll = self.draw(people) if self.folders else None
        gathered = self._gather(store, people)
        self._order = [keys.of(name) for name in gathered.names]
        keys.write([*gathered.names, *(name for name, _, _ in gathered.skipped)])
        options = self.options
        policy = None
        if options.max_sar is not None:
            policy = Policy(options.max_sar, options.policy_fmr, options.policy_bound)
        return assemble(
            gathered,
            options,
            policy=policy,
            pseudonym=keys.of,
            created=store.created,
            groups=_read_groups(options.subgroups, gathered.names) if options.subgroups else {},
        )

    def _speed(self) -> Unit:
        speed = seconds_per_step(self.recogniser, self.dim, model=self.options.model, options=self.options)
        return {"seconds_per_step": np.array(speed)}

    def _fingerprint(self) -> dict[str, Any]:
        options = {k: v for k, v in self.options.described().items() if k not in _REPORT_ONLY}
        listing = "\n".join(f"{name}/{path.name}" for name in self.folders for path in self.folders[name])
        return {
            "options": options,
            "attacked": self.recogniser.source.sha256,
            "judges": [[judge.name, judge.described()["sha256"]] for judge in self.judges],
            "photographs": hashlib.sha256(listing.encode()).hexdigest(),
            "templates": None
            if self.table is None
            else hashlib.sha256(self.table.templates.tobytes()).hexdigest(),
            "libraries": {name: version(name) for name in _LIBRARIES},
        }

    def _gather(self, store: Cache, people: int) -> "Gathered":
        calibration = self._calibrate(store)
        if self.judges and not len(calibration["names"]):
            raise InputError("audit: expected faces in the calibration photographs, found none in any")
        subjects = list(self._subjects(store, people))
        names = [name for unit in subjects for name in unit["names"].tolist()]
        if not names:
            raise InputError("audit: expected faces in the photographs of those attacked, found none in any")
        self._where = where = [
            (unit, row) for unit in range(len(subjects)) for row in range(len(subjects[unit]["names"]))
        ]
        templates = np.concatenate([unit["templates"] for unit in subjects])
        total = self._total_steps(len(names))
        done = 0
        runs = []
        lpips, lpips_reason = find_lpips()

        def heard() -> None:
            nonlocal done
            done += 1
            self.progress(done, total)

        for number, part in enumerate(batches(len(names), self.samples)):
            name = f"attack-{number:05d}"
            if store.has(name):
                done += self.steps
                self.progress(done, total)

            def make(number: int = number, part: slice = part) -> Unit:
                attacked = self._attack(names[part], templates[part], number, heard)
                sources = self._sources(store, where[part])
                return self._judged(attacked, sources, lpips)

            unit = store.unit(name, make)
            # Pictures stay on disk: ten thousand people's would not fit.
            runs.append({key: value for key, value in unit.items() if key != "images"})
        rows = self._compare(store, names, templates, calibration, heard)
        return Gathered(
            names=names,
            skipped=[
                (str(name), str(reason), str(path))
                for unit in [*subjects, calibration]
                for name, reason, path in zip(
                    unit["skipped_names"], unit["skipped_reasons"], unit["skipped_paths"], strict=True
                )
            ],
            judges=[
                self._evidence(f"judge{index}", judge, calibration, subjects, runs)
                for index, judge in enumerate(self.judges)
            ],
            described=[
                judge.described() | {"overlap": {"attacked": judge.overlap(names)}} for judge in self.judges
            ],
            attacked=self._evidence("attacked", self.attacked, calibration, subjects, runs)
            if self.judges
            else None,
            attacked_similarity=_stacked(runs, "similarity"),
            face_detected=_stacked(runs, "face_detected"),
            ssim=_stacked(runs, "ssim") if "ssim" in runs[0] else None,
            lpips=_stacked(runs, "lpips") if "lpips" in runs[0] else None,
            lpips_reason=lpips_reason,
            avoided=self.roll.avoided if self.roll else 0,
            network={
                "name": self.recogniser.name,
                "sha256": self.recogniser.source.sha256,
                "architecture": self.recogniser.source.architecture,
                "classes": None if self.recogniser.centres is None else len(self.recogniser.centres),
                "dimensions": self.dim,
            },
            attack=json.loads(str(runs[0]["meta"])),
            defences=rows,
            libraries={name: version(name) for name in _LIBRARIES},
        )

    def _total_steps(self, people: int) -> int:
        compared = min(self.options.defence_people or 0, people)
        runs = len(batches(people, self.samples))
        return self.steps * (runs + len(self._row_names()) * len(batches(compared, self.samples)))

    def _row_names(self) -> list[str]:
        """Rows of the table of defences, the baseline first; none where nothing is to be compared."""
        rows = [*self.defences, *(variant.partition("=")[0] for variant in self.options.variants)]
        return ["no defence", *rows] if rows and self.judges else []

    def _reader(self) -> Reader:
        return Reader(aligned=self.options.aligned, stop=self.options.on_unreadable == "stop")

    def _embedders(self) -> dict[str, AuditJudge]:
        """Everyone that looks at crops, by the name in units."""
        return {f"judge{index}": judge for index, judge in enumerate(self.judges)} | {
            "attacked": self.attacked
        }

    def _calibrate(self, store: Cache) -> Unit:
        """Embeddings of the photographs outside the attack, chunk by chunk, as one."""
        entries = self.roll.calibration if self.roll else []
        units = []
        for number, begin in enumerate(range(0, len(entries), _CHUNK)):
            part = entries[begin : begin + _CHUNK]
            units.append(store.unit(f"calibration-{number:05d}", partial(self._calibration, part)))
            self.say(f"calibration photographs: {min(begin + _CHUNK, len(entries))} of {len(entries)}")
        return _joined(units) if units else _skipped_unit([], []) | {"names": np.zeros(0, dtype=str)}

    def _calibration(self, entries: Sequence[tuple[Path, str]]) -> Unit:
        reader = self._reader()
        kept = [(crop, name) for path, name in entries if (crop := reader.read(path)) is not None]
        crops = [crop for crop, _ in kept]
        owners = dict(entries)
        found: Unit = {"names": np.array([name for _, name in kept], dtype=str)}
        found |= _skipped_unit([owners[path] for path, _ in reader.skipped], reader.skipped)
        if not crops:
            return found
        return found | {name: judge.embed(crops) for name, judge in self._embedders().items()}

    def _subjects(self, store: Cache, people: int) -> Iterator[Unit]:
        """People by the chunk: crops, templates, embeddings."""
        if self.roll is None:
            table = self.table
            count = self._rows(people)
            if table is not None:
                yield {
                    "names": np.array(table.identities[:count], dtype=str),
                    "templates": table.templates[:count],
                } | _skipped_unit([], [])
            return
        names = list(self.roll.attacked)
        for number, begin in enumerate(range(0, len(names), _CHUNK)):
            part = names[begin : begin + _CHUNK]
            unit = store.unit(f"people-{number:05d}", partial(self._people, part))
            yield {key: value for key, value in unit.items() if key not in ("source", "second")}
            self.say(f"people: {min(begin + _CHUNK, len(names))} of {len(names)}")

    def _people(self, names: Sequence[str]) -> Unit:
        reader = self._reader()
        kept: list[tuple[str, Crop, Crop]] = []
        owners: dict[Path, str] = {}
        for name in names:
            paths = self.roll.attacked[name] if self.roll else []
            owners |= dict.fromkeys(paths, name)
            found = reader.read_two(paths)
            if found is not None:
                kept.append((name, found[0][1], found[1][1]))
        sides = {"source": [crop for _, crop, _ in kept], "second": [crop for _, _, crop in kept]}
        unit: Unit = {
            "names": np.array([name for name, _, _ in kept], dtype=str),
            "templates": self._templates([name for name, _, _ in kept], sides["source"]),
        }
        unit |= _skipped_unit([owners[path] for path, _ in reader.skipped], reader.skipped)
        for side, crops in sides.items():
            unit[side] = np.stack(crops) if crops else np.zeros((0, 112, 112, 3), np.uint8)
            for name, judge in self._embedders().items() if crops else ():
                unit[f"{name}_{side}"] = judge.embed(crops)
        return unit

    def _templates(self, names: list[str], sources: list[Crop]) -> NDArray[np.float32]:
        """What is attacked of each: the table's template, the class centre, or the photograph's."""
        if not names:
            return np.zeros((0, self.dim), np.float32)
        if self.table is not None:
            rows = [self.table.identities.index(name) for name in names]
            return self.table.templates[rows]
        if self.options.target == "centres":
            classes = self.recogniser.class_names or ()
            centres = class_centres(self.recogniser)
            return torch.stack([centres[classes.index(name)] for name in names]).cpu().numpy()
        return np.stack([_template(self.recogniser, crop) for crop in sources])

    def _sources(self, store: Cache, where: Sequence[tuple[int, int]]) -> NDArray[np.uint8] | None:
        """Crops of the photographs that the templates came from, if they are known."""
        if self.roll is None or self.table is not None or self.options.target == "centres":
            return None
        units = {number: store.read(f"people-{number:05d}") for number in {unit for unit, _ in where}}
        return np.stack([units[unit]["source"][row] for unit, row in where])  # type: ignore[index]

    def _attack(
        self, names: list[str], templates: NDArray[np.floating[Any]], number: int, heard: Callable[[], None]
    ) -> Attacked:
        common: dict[str, Any] = {
            "model": self.options.model,
            "options": self.chosen,
            "device": self.options.device,
            "heard": heard,
        }
        if self.options.target == "centres":
            return attack_classes(names, **common)
        return attack_templates(templates, number, **common)

    def _judged(self, attacked: Attacked, sources: NDArray[np.uint8] | None, lpips: Any) -> Unit:
        unit = _attack_unit(attacked) | self._embedded(attacked.images, "")
        if self.judges:
            for index, transform in enumerate(TRANSFORMS.values()):
                shape = attacked.images.shape
                flat = attacked.images.reshape(-1, *shape[2:])
                changed = np.stack([transform(image) for image in flat]).reshape(shape)
                unit |= self._embedded(changed, f"_survived{index}")
        if sources is not None:
            pairs = [
                (image, source) for row, source in zip(attacked.images, sources, strict=True) for image in row
            ]
            shape2 = attacked.images.shape[:2]
            unit["ssim"] = np.array([ssim(image, source) for image, source in pairs]).reshape(shape2)
            if lpips is not None:
                first, second = (np.stack(side) for side in zip(*pairs, strict=True))
                unit["lpips"] = lpips(first, second).reshape(shape2)
        return unit

    def _embedded(self, images: NDArray[np.uint8], suffix: str) -> Unit:
        if not self.judges:
            return {}
        flat = list(images.reshape(-1, *images.shape[2:]))
        return {
            f"{name}{suffix}": judge.embed(flat).reshape(*images.shape[:2], -1)
            for name, judge in self._embedders().items()
            if not (suffix and name == "attacked")
        }

    def _evidence(
        self, key: str, judge: AuditJudge, calibration: Unit, subjects: list[Unit], runs: list[Unit]
    ) -> JudgeEvidence:
        whole = [unit for unit in subjects if len(unit["names"])]
        return JudgeEvidence(
            name=judge.name,
            metric=judge.metric,
            calibration=calibration[key],
            labels=np.unique(calibration["names"], return_inverse=True)[1],
            second=np.concatenate([unit[f"{key}_second"] for unit in whole]),
            source=np.concatenate([unit[f"{key}_source"] for unit in whole]),
            source_is_own=self.table is None and self.options.target == "templates",
            floor=judge.embed([self._mean_face()])[0],
            reconstructions=_stacked(runs, key),
            survived={
                name: _stacked(runs, f"{key}_survived{index}")
                for index, name in enumerate(TRANSFORMS)
                if f"{key}_survived{index}" in runs[0]
            },
        )

    def _mean_face(self) -> Crop:
        path = self.recogniser.source.path
        source = path if path.endswith(".safetensors") else str(bundled_path())
        return np.asarray(to_crop_size(to_uint8(load_extra(source, "mean_face"))[None])[0])

    # The table of defences.

    def _compare(
        self,
        store: Cache,
        names: list[str],
        templates: NDArray[np.floating[Any]],
        calibration: Unit,
        heard: Callable[[], None],
    ) -> list[Row]:
        count = min(self.options.defence_people or 0, len(names))
        rows = []
        for name in self._row_names():
            variant = dict(entry.split("=", 1) for entry in self.options.variants).get(name)
            if variant is not None:
                rows.append(self._variant_row(store, name, variant, names[:count], heard))
            else:
                rows.append(self._defence_row(store, name, templates[:count], calibration, heard))
        return rows

    def _defence_row(
        self,
        store: Cache,
        name: str,
        templates: NDArray[np.floating[Any]],
        calibration: Unit,
        heard: Callable[[], None],
    ) -> Row:
        embeddings = calibration["attacked"]
        labels = np.unique(calibration["names"], return_inverse=True)[1]
        seed = self.options.seed
        if name in ("no defence", WITHHELD):
            defence, estimates, knows = None, templates, "the template"
        else:
            defence = make_defence(name, public=embeddings.astype(np.float64))
            keys = [derive_seed(seed, "own key", "attacked", row) for row in range(len(templates))]
            protected = defence.protect(templates.astype(np.float64), keys)
            estimates = defence.estimate(protected, keys, self.dim)
            knows = "protected template and key" if defence.keyed else "protected template"
            if isinstance(defence, ScoreOnly):
                knows = f"scores of {len(embeddings)} public faces"
        model, chosen = self.options.model, dict(self.chosen)
        if name == WITHHELD:
            path = store.folder / "withheld.onnx"
            if not path.exists():
                write_folded(load(model), path)
            if self._measure_withheld(path):
                knows = "the template, and statistics measured on public faces"
            # The same attack in all but the prior that the statistics made possible.
            meta = json.loads(str((store.read("attack-00000") or {})["meta"]))
            chosen = attack_options(self.options, load(path))
            chosen |= {"parametrisation": meta["parametrisation"]}
            model = str(path)
        runs = self._row_runs(store, name, estimates, model, chosen, heard)
        spent = cost(defence, embeddings, labels, seed=seed)
        described = name if defence is None else defence.described()
        recovered = paired_similarity(unit_norm(estimates.astype(np.float64)), templates, "cosine")
        similarity = _stacked(runs, "similarity")
        return Row(described, knows, spent, recovered, self._row_evidence(runs), similarity)

    def _measure_withheld(self, path: Path) -> bool:
        """What an attacker does without a network's statistics: measure them on faces, if any are at hand.

        The faces are those that calibrate the judges: people outside the attack.
        """
        beside = path.with_name(path.name + SUFFIX)
        if not beside.exists() and self.roll is not None:
            reader = self._reader()
            crops = (reader.read(photograph) for photograph, _ in self.roll.calibration[:_MEASURED_FACES])
            network = load(str(path))
            faces = [to_tensor(at_size(crop, network.input_size)) for crop in crops if crop is not None]
            if faces:
                batches = (torch.stack(faces[n : n + _CHUNK]) for n in range(0, len(faces), _CHUNK))
                save_statistics(beside, measure(network, batches))
        return beside.exists()

    def _row_runs(
        self,
        store: Cache,
        name: str,
        estimates: NDArray[np.floating[Any]],
        model: str,
        chosen: dict[str, Any],
        heard: Callable[[], None],
    ) -> list[Unit]:
        runs = []
        for number, part in enumerate(batches(len(estimates), self.samples)):

            def make(number: int = number, part: slice = part) -> Unit:
                attacked = attack_templates(
                    estimates[part],
                    number,
                    model=model,
                    options=chosen,
                    device=self.options.device,
                    heard=heard,
                )
                return _attack_unit(attacked) | self._embedded(attacked.images, "")

            slug = hashlib.sha256(name.encode()).hexdigest()[:8]
            label = f"defence-{slug}-{number:05d}"
            if store.has(label):
                for _ in range(self.steps):
                    heard()
            unit = store.unit(label, make)
            runs.append({key: value for key, value in unit.items() if key != "images"})
        return runs

    def _row_evidence(self, runs: list[Unit]) -> list[NDArray[Any]]:
        return [_stacked(runs, f"judge{index}") for index in range(len(self.judges))]

    def _variant_row(
        self, store: Cache, name: str, model: str, names: list[str], heard: Callable[[], None]
    ) -> Row:
        """Another network on the same people: its own templates, attacked alike."""
        network = RecogniserJudge(model, device=self.device)
        roll = self.roll
        if roll is None:
            raise InputError("variants: expected photographs to make their templates of, got none")
        slug = hashlib.sha256(name.encode()).hexdigest()[:8]

        def make() -> Unit:
            reader = self._reader()
            kept = [(crop, who) for path, who in roll.calibration if (crop := reader.read(path)) is not None]
            sources = [found[0][1] for who in names if (found := reader.read_two(roll.attacked[who]))]
            return {
                "embeddings": network.embed([crop for crop, _ in kept]),
                "names": np.array([who for _, who in kept], dtype=str),
                "templates": np.stack([_template(network.recogniser, crop) for crop in sources]),
            }

        unit = store.unit(f"variant-{slug}", make)
        labels = np.unique(unit["names"], return_inverse=True)[1]
        chosen = attack_options(self.options, network.recogniser)
        runs = self._row_runs(store, f"variant {name}", unit["templates"], model, chosen, heard)
        spent: Cost = cost(None, unit["embeddings"], labels, seed=self.options.seed)
        whole = np.ones(len(names))
        similarity = _stacked(runs, "similarity")
        return Row(name, "the template", spent, whole, self._row_evidence(runs), similarity)


def _template(recogniser: Recogniser, crop: Crop) -> NDArray[np.float32]:
    return np.asarray(template_of(recogniser, at_size(crop, recogniser.input_size)).numpy())


def _attack_unit(attacked: Attacked) -> Unit:
    meta = {
        "knowledge": attacked.knowledge,
        "options": attacked.options,
        "environment": attacked.environment,
        "loss": attacked.loss,
        "parametrisation": attacked.parametrisation,
    }
    return {
        "images": attacked.images,
        "similarity": attacked.similarity,
        "face_detected": attacked.face_detected,
        "meta": np.array(json.dumps(meta)),
    }


def _skipped_unit(owners: Sequence[str], skipped: Sequence[tuple[Path, str]]) -> Unit:
    return {
        "skipped_names": np.array(owners, dtype=str),
        "skipped_reasons": np.array([reason for _, reason in skipped], dtype=str),
        "skipped_paths": np.array([str(path) for path, _ in skipped], dtype=str),
    }


def _joined(units: Sequence[Unit]) -> Unit:
    """Units of the same arrays as one; an array that a unit without faces lacks is taken from the others."""
    keys = dict.fromkeys(key for unit in units for key in unit)
    return {key: np.concatenate([unit[key] for unit in units if key in unit]) for key in keys}


def _stacked(runs: Sequence[Unit], key: str) -> NDArray[Any]:
    return np.concatenate([unit[key] for unit in runs])


def _read_groups(path: str, names: Sequence[str]) -> dict[str, list[str | None]]:
    """For each grouping of a CSV, the group of each name; None where the file does not say.

    Raises:
        InputError: no CSV with a column `identity` and another one.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path}: expected a CSV file ({error})") from None
    columns = [column for column in (rows[0] if rows else {}) if column and column != "identity"]
    if not rows or "identity" not in rows[0] or not columns:
        raise InputError(f"{path}: expected a CSV with the column 'identity' and one column a grouping")
    by_name = {row["identity"]: row for row in rows}
    return {
        column: [(by_name.get(name, {}).get(column) or "").strip() or None for name in names]
        for column in columns
    }


def audit(
    options: AuditOptions,
    out: Path,
    *,
    say: Callable[[str], None] = lambda line: None,
    progress: Progress = lambda done, steps: None,
) -> dict[str, Any]:
    """Audit, and write the report; the content of audit.json.

    Args:
        options, out, say, progress: see `Auditor`.

    Raises:
        InputError: something given is wrong; it says what.
    """
    auditor = Auditor(options, out, say=say, progress=progress)
    result = auditor.run()
    blocks = audit_blocks(result, auditor.pictures(result))
    write_report(result, blocks, out, stem="report", json_name=JSON_NAME)
    return result
