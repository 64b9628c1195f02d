"""Attacks on a black box, from Python: the counterpart of `arcinvert.Attacker` without the weights."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from arcinvert.access.black_box import Images
from arcinvert.access.faces import PublicFaces, load_faces
from arcinvert.access.meter import QueryMeter
from arcinvert.access.options import AccessOptions
from arcinvert.access.surrogate_attacker import BatchesOnSurrogate, SurrogateAttacker
from arcinvert.access.target import Target, open_target
from arcinvert.attack import Task
from arcinvert.attacked import Model
from arcinvert.attacker import Attacker, overlap_of
from arcinvert.inversion.progress import OnStage, OnStep
from arcinvert.knowledge.public_photographs import Overlap
from arcinvert.options import AttackOptions, checked_options
from arcinvert.run import Run
from arcinvert.runner import run_plan
from arcinvert.subjects import Subject, TemplateSubjects, crop_subjects
from arcinvert.subjects.descriptions import describe_photographs, last_part, name_of
from arcinvert.templates.options import TemplateOptions, template_options
from recognition.config import takes, to_json
from recognition.errors import InputError
from recognition.images import to_uint8
from recognition.loading import BUNDLED, with_preset
from recognition.options import Detector, Precision
from recognition.runtime import Device

#: The stage in which the black box is asked.
ASKING = "Asking the black box"


class BlackBoxAttacker:
    """Attacks a recogniser that only answers queries.

    Args:
        options: What may be asked, how often, and what the attacker has.
        model: The network that stands for a system elsewhere, where `options.black_box` names none: see
            `Attacker`.
        device: Where networks run.
        precision: The floating-point type of the attack.
        calibrate: Whether a surrogate without BatchNorm and without a file of statistics is measured first.
        own: The attacker's own network where it is loaded already; None loads `options.surrogate`.
        on_stage: Receives what is done before the first step: its name, how much is done, and of how much.
            What it raises ends the attack. Without it, a measurement of the own network shows a bar.

    Raises:
        InputError: If something given cannot be used.

    Example:
        >>> options = AccessOptions(access="embeddings", queries=1000)
        >>> run = BlackBoxAttacker(options, "model.onnx").from_image("photo.jpg")
        >>> run.result["access"]["queries"]["count"]
    """

    def __init__(
        self,
        options: AccessOptions,
        model: Model = BUNDLED,
        *,
        device: Device = "auto",
        precision: Precision = "auto",
        calibrate: bool = True,
        own: Attacker | None = None,
        on_stage: OnStage | None = None,
    ) -> None:
        self.options = options
        self.meter = QueryMeter(options.query_budget)
        self.target: Target = open_target(options, model, self.meter)
        if own is None:
            surrogate = with_preset(options.surrogate)
            own = Attacker(surrogate, device=device, precision=precision, calibrate=calibrate)
        self._own, self._on_stage = own, on_stage

    @takes(AttackOptions)
    def from_image(
        self,
        photograph: Any,
        *,
        face: int = 1,
        detector: Detector = "hog",
        photos: str | os.PathLike[str] | None = None,
        out: str | os.PathLike[str] | None = None,
        allow_overlap: bool = False,
        person: str | None = None,
        progress: OnStep | None = None,
        **options: Any,
    ) -> Run:
        """Reconstruct faces of the people in photographs.

        With embeddings, each photograph is shown once, for the template that has leaked. With scores and
        decisions, a network of this machine enrols the people; a system elsewhere has enrolled the person.

        Args:
            photograph: One or several paths, PIL images or uint8 arrays (height, width, 3) in RGB.
            face: Which face of each photograph, the largest is 1.
            detector: `hog`, or `cnn`, which also finds faces in profile and takes seconds.
            photos: Other photographs of the same people, for Type II and the ceiling.
            out: The folder to write; None writes nothing.
            allow_overlap: Whether photographs among the attacker's public faces are reported, not refused.
            person: The person's name in a system elsewhere; None takes that of the photograph's folder.
            progress: Receives every `Step`; raise `StopInversion` in it to stop.

        Raises:
            InputError: If something given cannot be used, or the budget is too small.
        """
        chosen = self._checked(options, out, progress, photos)
        several = list(photograph) if isinstance(photograph, list | tuple) else [photograph]
        elsewhere = self.target.enrol is None and self.options.access != "embeddings"
        names: dict[int, str] = {}
        if elsewhere:
            names[0] = self._person_elsewhere(several, person)
        subjects, inputs, notes = describe_photographs(
            _Enrolment(self.target, self.options),
            several,
            self._own.judge,
            face=face,
            detector=detector,
            photos=photos,
        )
        return self._run("from-image", subjects, names, chosen, inputs, out, progress, notes, allow_overlap)

    @takes(AttackOptions)
    def from_crops(
        self,
        crops: Any,
        *,
        out: str | os.PathLike[str] | None = None,
        allow_overlap: bool = False,
        progress: OnStep | None = None,
        **options: Any,
    ) -> Run:
        """Reconstruct faces of the people in crops that are aligned already.

        With embeddings, each crop is shown once, for the template that has leaked. With scores and decisions,
        a network of this machine enrols the people.

        Args:
            crops: One or several paths, PIL images or uint8 arrays, 112x112x3 RGB.
            out: The folder to write; None writes nothing.
            allow_overlap: Whether crops among the attacker's public faces are reported, not refused.
            progress: Receives every `Step`; raise `StopInversion` in it to stop.

        Raises:
            InputError: If something given cannot be used, or the budget is too small.
        """
        chosen = self._checked(options, out, progress, None)
        self._refuse_enrolled_elsewhere("crops")
        subjects = crop_subjects(_Enrolment(self.target, self.options), crops, self._own.judge)
        inputs = {"crops": [subject.name for subject in subjects]}
        return self._run("from-crops", subjects, {}, chosen, inputs, out, progress, (), allow_overlap)

    @takes(AttackOptions)
    @takes(TemplateOptions)
    def from_embedding(
        self,
        templates: Any,
        *,
        out: str | os.PathLike[str] | None = None,
        progress: OnStep | None = None,
        **options: Any,
    ) -> Run:
        """Reconstruct faces from leaked templates of a black box, or from scores against enrolled ones.

        With embeddings the attacker has the templates. With scores and decisions, a network of this machine
        enrols them, and the attacker does not see them.

        Args:
            templates: A file of any form that an audit reads, an array or a tensor, shape (dim,) or
                (n, dim).
            out: The folder to write; None writes nothing.
            progress: Receives every `Step`; raise `StopInversion` in it to stop.

        Raises:
            InputError: If something given cannot be used, or the budget is too small.
        """
        where, options = template_options(options)
        chosen = self._checked(options, out, progress, None)
        self._refuse_enrolled_elsewhere("templates")
        subjects = TemplateSubjects(self.target.dim or self._dim(), templates, where)
        inputs = {"templates": name_of(templates)}
        return self._run("from-embedding", list(subjects), {}, chosen, inputs, out, progress, (), None)

    def _run(
        self,
        command: str,
        subjects: Sequence[Subject],
        names: dict[int, str],
        options: AttackOptions,
        inputs: dict[str, Any],
        out: str | os.PathLike[str] | None,
        progress: OnStep | None,
        notes: Sequence[str],
        allow_overlap: bool | None,
    ) -> Run:
        people = {
            subject.name: names.get(number, person_key(number)) for number, subject in enumerate(subjects)
        }
        if self.target.enrol is not None:
            for subject in subjects:
                self.target.enrol(people[subject.name], subject.template.double().numpy())
        self._report_queries(len(subjects))
        faces = self._faces(options.seed)
        surrogate = SurrogateAttacker(
            self.target.box,
            self._own,
            faces,
            self.options,
            samples=options.samples,
            seed=options.seed,
            on_stage=self._on_stage,
        )
        plan = surrogate.plan(options)
        overlap: Overlap | None = None
        if allow_overlap is not None:
            overlap = overlap_of(surrogate.attacker, plan, subjects, allowed=allow_overlap)
        known = [
            replace(
                subject,
                template=surrogate.estimate(
                    people[subject.name],
                    subject.name,
                    subject.template if self.options.access == "embeddings" else None,
                ),
            )
            for subject in subjects
        ]

        # What is asked about finished images is a part of the steps.
        self.meter.on_charge = lambda: None

        def person_of(task: Task) -> str:
            return people[task.subject.name]

        sentences = [*self.target.notes, *notes]
        if overlap is not None and (sentence := overlap.sentence()):
            sentences.append(sentence)

        def access() -> dict[str, Any]:
            sentences.append(_asked_text(self.meter))
            sentences.append(surrogate.opinion())
            return surrogate.describe()

        return run_plan(
            BatchesOnSurrogate(surrogate, person_of),
            plan,
            known,
            self._own.judge,
            command=command,
            inputs=inputs,
            options=to_json(options) | self._shown_options(),
            out=out,
            progress=progress,
            notes=sentences,
            overlap=overlap,
            attacked=self.target.description,
            access=access,
        )

    def _report_queries(self, people: int) -> None:
        """Report the queries from now on as a stage, of as many as finished images leave of the budget."""
        on_stage = self._on_stage
        if on_stage is None:
            return

        def report() -> None:
            left = self.options.query_budget - self.meter.reserved
            # Embeddings of public faces serve all people, and each has a template.
            total = left + people - 1 if self.options.access == "embeddings" else left * people
            on_stage(ASKING, min(self.meter.count, total), total)

        self.meter.on_charge = report

    def _shown_options(self) -> dict[str, Any]:
        """Return the options of the access for the result, without where files are on this machine."""
        surrogate = with_preset(self.options.surrogate)
        preset = "" if surrogate.preset is None else f"@{surrogate.preset}"
        found = to_json(self.options) | {
            "surrogate": f"{last_part(surrogate)}{preset}",
            "public_faces": last_part(self.options.public_faces),
        }
        return found | {"black_box": self.target.box.name if self.options.black_box else None}

    def _faces(self, seed: int) -> PublicFaces:
        return load_faces(self.options.public_faces, self.options.faces, seed=seed)

    def _dim(self) -> int:
        """Return the dimensions of the black box's embeddings, by one query."""
        grey: Images = to_uint8(torch.full((1, 3, self.target.box.size, self.target.box.size), 0.5))
        return self.target.box.query(grey, "dimensions").shape[1]

    def _refuse_enrolled_elsewhere(self, what: str) -> None:
        if self.target.enrol is None and self.options.access != "embeddings":
            raise InputError(
                f"access: expected embeddings of a system elsewhere for {what}, got {self.options.access}; "
                "use from-image with the name of an enrolled person"
            )

    def _person_elsewhere(self, several: Sequence[Any], person: str | None) -> str:
        if len(several) != 1:
            raise InputError(
                f"photographs: expected one with {self.options.access} of a system elsewhere, got "
                f"{len(several)}; attack one person at a time"
            )
        if person is not None:
            return person
        if not isinstance(several[0], str | os.PathLike):
            raise InputError("person: expected a name with an image in memory, got none; give person")
        return Path(several[0]).resolve().parent.name

    def _checked(self, options: dict[str, Any], out: Any, progress: Any, photos: Any) -> AttackOptions:
        chosen = checked_options(options, out, progress, photos)
        if chosen.knowledge == "weights" or chosen.recipe != "arcinvert":
            raise InputError(
                "knowledge: expected public-faces and the recipe arcinvert with a black box, which answers "
                "about faces, got others"
            )
        self.options.for_estimate(chosen.samples)
        return chosen


def _asked_text(meter: QueryMeter) -> str:
    """Return what is in the place of the attacked network, and how often that was asked."""
    count, most = meter.count, meter.spent()
    of_one = "" if most == count else f", {most:,} times at most for one person"
    return (
        "Attacked as a black box: the gradients are those of the surrogate, and the attacked network was "
        f"asked {count:,} times{of_one}."
    )


def person_key(number: int) -> str:
    """Return the name of a person in a system of this machine, by the person's number from 0."""
    return f"person {number + 1}"


class _Enrolment:
    """Makes the templates of photographs: with embeddings by queries, else as the system enrols them."""

    def __init__(self, target: Target, options: AccessOptions) -> None:
        self._target, self._by_queries = target, options.access == "embeddings"
        self._count = 0
        self.input_size = target.box.size
        self.device = torch.device("cpu")

    def __call__(self, images: Tensor, /) -> Tensor:
        if self._by_queries:
            person = person_key(self._count)
            self._count += 1
            found = self._target.box.query(images, "templates", person=person)
        elif self._target.embed is not None:
            found = self._target.embed(to_uint8(images))
        else:
            # Enrolled elsewhere: nobody here knows the template.
            return torch.zeros(len(images), 1)
        return torch.from_numpy(found).float()
