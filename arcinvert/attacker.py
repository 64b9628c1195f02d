"""An attacker: a loaded network and what is known of public faces, used many times."""

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, get_args

from arcinvert.arguments import check_path, check_word
from arcinvert.attacked import Model, as_recogniser
from arcinvert.batch_size import images_that_fit
from arcinvert.evaluation.judges import DlibJudge, Judge
from arcinvert.inversion.progress import OnStep
from arcinvert.knowledge.first_use import OnFaces
from arcinvert.knowledge.knowledge import Knowledge, load_knowledge
from arcinvert.knowledge.overlap import attack_overlap
from arcinvert.knowledge.public_photographs import Overlap
from arcinvert.network_attacker import NetworkAttacker
from arcinvert.options import AttackOptions, attack_options, checked_options
from arcinvert.plan import AttackPlan
from arcinvert.precision import dtype_of
from arcinvert.recipes import TargetKind, preset
from arcinvert.resolve import resolve, uses_decoder, uses_measured_faces
from arcinvert.run import Run
from arcinvert.runner import run_plan
from arcinvert.subjects import (
    TemplateSubjects,
    class_subjects,
    crop_subjects,
    training_notes,
)
from arcinvert.subjects.classes import wanted_classes
from arcinvert.subjects.descriptions import describe_photographs, last_part, name_of, without_type_2
from arcinvert.subjects.subcentres import subcentre_choice, subcentre_subjects
from arcinvert.subjects.subject import Subject
from arcinvert.templates.options import TemplateOptions, template_options
from arcinvert.workers.base import InProcess, Workers
from recognition.config import takes, to_json
from recognition.errors import InputError
from recognition.loading import BUNDLED
from recognition.options import Detector, Precision
from recognition.recogniser import Preprocessing
from recognition.runtime import Device, choose_device


class Attacker(NetworkAttacker):
    """A loaded network with what is known of public faces: attacks it any number of times.

    Args:
        model: The bundled network's name, a file, a `ModelChoice`, a `Recogniser`, or any torch module from
            normalised images to embeddings.
        preprocessing: What a torch module expects of an image; required for it, refused for others.
        statistics: The file of 'arcinvert calibrate'; None takes the one beside the network, if there is one.
        decoder: The file of 'arcinvert learn', likewise.
        device: Where attacks run: a `torch.device` or its name, such as `cuda:1`; `auto` is CUDA, then MPS,
            then the CPU.
        precision: The floating-point type; `auto` is bfloat16 where the hardware has it and is faster with
            it, which is measured once for a network.
        knowledge: What is known of public faces, if it is loaded already; None loads it.
        calibrate: Whether a network that has no file of statistics is measured on synthetic faces, once,
            before the first attack that uses them. What is measured is cached.
        deterministic: Whether attacks use deterministic kernels alone, so that a CUDA device repeats its
            results; a CPU does so anyway.
        graphs: Whether steps are captured as a CUDA graph, which takes a CUDA device.
        workers: Where batches are computed, of `open_workers`; None computes them in this process.

    Raises:
        InputError: If the network, the statistics or the decoder cannot be loaded.

    Example:
        >>> attacker = Attacker()
        >>> run = attacker.generate(class_id=123, samples=4)
        >>> run.show()
    """

    def __init__(
        self,
        model: Model = BUNDLED,
        *,
        preprocessing: Preprocessing | None = None,
        statistics: str | os.PathLike[str] | None = None,
        decoder: str | os.PathLike[str] | None = None,
        device: Device = "auto",
        precision: Precision = "auto",
        knowledge: Knowledge | None = None,
        calibrate: bool = True,
        deterministic: bool = False,
        graphs: bool = False,
        workers: Workers | None = None,
    ) -> None:
        check_word("precision", precision, get_args(Precision))
        check_path("statistics", statistics)
        check_path("decoder", decoder)
        chosen = choose_device(device)
        if graphs and chosen.type != "cuda":
            raise InputError(f"graphs: expected a CUDA device, got {chosen}; leave --graphs out")
        recogniser = as_recogniser(model, preprocessing).to(chosen)
        super().__init__(
            recogniser,
            load_knowledge(recogniser, statistics, decoder) if knowledge is None else knowledge,
            dtype_of(recogniser, precision),
            deterministic=deterministic,
            graphs=graphs,
        )
        self._files = {"statistics": statistics, "decoder": decoder}
        self._calibrate = calibrate and knowledge is None
        self.workers = InProcess() if workers is None else workers

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy in another process has; it computes there."""
        return vars(self) | {"workers": InProcess()}

    @cached_property
    def _fitting(self) -> int:
        """Images of a batch that the card's memory holds."""
        _, recipe = preset("arcinvert")
        least = recipe.values("class")["batch_size"]
        return images_that_fit(self.recogniser, self.dtype, least=least)

    @cached_property
    def judge(self) -> Judge:
        """The judge, which is not attacked and steers nothing."""
        return DlibJudge()

    def plan(self, target: TargetKind, **options: Any) -> AttackPlan:
        """Return the complete plan of an attack.

        Args:
            target: `class` or `template`.
            options: Fields of `AttackOptions`.

        Raises:
            InputError: If options are unknown, out of range, or contradict the network or each other.
        """
        check_word("target", target, get_args(TargetKind))
        return self.resolved(attack_options(options), target)

    def resolved(self, options: AttackOptions, target: TargetKind) -> AttackPlan:
        """Return the complete plan of an attack with checked options; see `plan`."""
        for name, file in self._files.items():
            if options.knowledge == "weights" and file is not None:
                raise InputError(
                    f"{name}: expected none with knowledge of the weights alone, got {os.fspath(file)}, "
                    "which is made of public faces"
                )
        self.measure(options)
        # The published recipes have sizes of their own.
        if options.batch_size is None and options.recipe == "arcinvert" and self.device.type == "cuda":
            options = replace(options, batch_size=self._fitting)
        return resolve(options, self.recogniser, self.knowledge, target)

    def measure(self, options: AttackOptions, progress: OnFaces | None = None) -> None:
        """Measure the network on synthetic faces, if it never was and an attack with these options needs it.

        The first such attack does so by itself, with a progress bar. Where it asks for a decoder and the
        network has none, the bundled one is mapped to its templates.

        Args:
            options: Of the attack.
            progress: Receives the number of faces done and of all, often; what it raises ends the
                measurement, of which nothing is kept then. None shows a progress bar.
        """
        if self._wants_faces(options):
            self.use(self.knowledge.with_synthetic_faces(self.recogniser, progress))
            self._calibrate = False
        if self._lacks_decoder(options):
            self.use(self.knowledge.with_mapped_decoder(self.device))

    def faces_to_measure(self, options: AttackOptions) -> int:
        """Return on how many synthetic faces `measure` would measure the network now.

        It is 0 where nothing is measured, or the cache has it.

        Args:
            options: Of the attack.
        """
        return self.knowledge.faces_to_measure(self.recogniser) if self._wants_faces(options) else 0

    def _wants_faces(self, options: AttackOptions) -> bool:
        return self._calibrate and (self._lacks_decoder(options) or uses_measured_faces(options))

    def _lacks_decoder(self, options: AttackOptions) -> bool:
        return self.knowledge.decoder is None and uses_decoder(options)

    @takes(AttackOptions)
    def generate(
        self,
        class_id: int | Sequence[int] | None = None,
        *,
        class_name: str | Sequence[str] | None = None,
        photos: str | os.PathLike[str] | None = None,
        subcentre: int | str | None = None,
        clusters: str | os.PathLike[str] | None = None,
        out: str | os.PathLike[str] | None = None,
        resume: bool = False,
        progress: OnStep | None = None,
        **options: Any,
    ) -> Run:
        """Synthesise faces of classes that the network was trained on (closed-set).

        Args:
            class_id: Class numbers from 0.
            class_name: Class names.
            photos: A folder of one folder for each class name, for the judge, in place of shipped references.
            subcentre: Which centre of a class with several is attacked: `dominant`, `all` one by one, or a
                number from 0; None attacks the one that stands for the class.
            clusters: The data that the network was trained on, to show the photographs nearest to each
                attacked sub-centre and to judge by the nearest.
            out: The folder to write; None writes nothing.
            resume: Whether to keep the finished images of an earlier run to `out` that was stopped.
            progress: Receives every `Step`; raise `StopInversion` in it to stop.

        Raises:
            InputError: If something given cannot be used.
        """
        chosen = checked_options(options, out, progress, photos)
        wanted, choice = wanted_classes(class_id, class_name), subcentre_choice(subcentre, clusters)
        subjects = class_subjects(self.recogniser, wanted, self.judge, photos=photos)
        inputs: dict[str, Any] = {"classes": wanted, "photos": last_part(photos)}
        if choice is not None:
            subjects = subcentre_subjects(subjects, self.recogniser, self.judge, choice)
            inputs |= {"subcentre": choice.which, "clusters": last_part(clusters)}
        # The centres of a class have its note once.
        classes = list({subject.label: subject for subject in reversed(subjects)}.values())[::-1]
        notes = training_notes(classes, photos=photos is not None) + without_type_2(classes, photos)
        return _run(self, "generate", subjects, chosen, inputs, out, resume, progress, notes, True)

    @takes(AttackOptions)
    def from_image(
        self,
        photograph: Any,
        *,
        face: int = 1,
        detector: Detector = "hog",
        photos: str | os.PathLike[str] | None = None,
        out: str | os.PathLike[str] | None = None,
        resume: bool = False,
        allow_overlap: bool = False,
        progress: OnStep | None = None,
        **options: Any,
    ) -> Run:
        """Reconstruct faces from the templates of photographs (open-set).

        Each photograph is aligned and embedded; the attack sees the template alone.

        Args:
            photograph: One or several paths, PIL images or uint8 arrays (height, width, 3) in RGB.
            face: Which face of each photograph, the largest is 1.
            detector: `hog`, or `cnn`, which also finds faces in profile and takes seconds.
            photos: Other photographs of the same people, for Type II and the ceiling.
            out: The folder to write; None writes nothing.
            resume: Whether to keep the finished images of an earlier run to `out` that was stopped.
            allow_overlap: Whether photographs among the attacker's public faces are reported, not refused.
            progress: Receives every `Step`; raise `StopInversion` in it to stop.

        Raises:
            InputError: If something given cannot be used.
        """
        chosen = checked_options(options, out, progress, photos)
        subjects, inputs, notes = describe_photographs(
            self.recogniser, photograph, self.judge, face=face, detector=detector, photos=photos
        )
        return _run(self, "from-image", subjects, chosen, inputs, out, resume, progress, notes, allow_overlap)

    @takes(AttackOptions)
    def from_crops(
        self,
        crops: Any,
        *,
        out: str | os.PathLike[str] | None = None,
        resume: bool = False,
        allow_overlap: bool = False,
        progress: OnStep | None = None,
        **options: Any,
    ) -> Run:
        """Reconstruct faces from the templates of crops that are aligned already (open-set).

        Args:
            crops: One or several paths, PIL images or uint8 arrays, 112x112x3 RGB.
            out: The folder to write; None writes nothing.
            resume: Whether to keep the finished images of an earlier run to `out` that was stopped.
            allow_overlap: Whether crops among the attacker's public faces are reported, not refused.
            progress: Receives every `Step`; raise `StopInversion` in it to stop.

        Raises:
            InputError: If something given cannot be used.
        """
        chosen = checked_options(options, out, progress)
        subjects = crop_subjects(self.recogniser, crops, self.judge)
        inputs = {"crops": [subject.name for subject in subjects]}
        return _run(self, "from-crops", subjects, chosen, inputs, out, resume, progress, (), allow_overlap)

    @takes(AttackOptions)
    @takes(TemplateOptions)
    def from_embedding(
        self,
        templates: Any,
        *,
        out: str | os.PathLike[str] | None = None,
        resume: bool = False,
        progress: OnStep | None = None,
        **options: Any,
    ) -> Run:
        """Reconstruct faces from templates alone (open-set).

        Without photographs the judge can only say whether a face is there.

        Args:
            templates: A file of any form that an audit reads, an array or a tensor, shape (dim,) or
                (n, dim).
            out: The folder to write; None writes nothing.
            resume: Whether to keep the finished images of an earlier run to `out` that was stopped.
            progress: Receives every `Step`; raise `StopInversion` in it to stop.

        Raises:
            InputError: If something given cannot be used.
        """
        where, options = template_options(options)
        chosen = checked_options(options, out, progress)
        subjects = TemplateSubjects(self.recogniser.embedding_size, templates, where)
        inputs = {"templates": name_of(templates)}
        return _run(self, "from-embedding", subjects, chosen, inputs, out, resume, progress)


def _run(
    attacker: Attacker,
    command: str,
    subjects: Sequence[Subject],
    options: AttackOptions,
    inputs: dict[str, Any],
    out: str | os.PathLike[str] | None,
    resume: bool,
    progress: OnStep | None,
    notes: Sequence[str] = (),
    allow_overlap: bool | None = None,
) -> Run:
    plan = attacker.resolved(options, "class" if command == "generate" else "template")
    overlap = None if allow_overlap is None else overlap_of(attacker, plan, subjects, allowed=allow_overlap)
    return run_plan(
        attacker,
        plan,
        subjects,
        attacker.judge,
        command=command,
        inputs=inputs,
        options=to_json(options),
        out=out,
        progress=progress,
        notes=[*notes, *([sentence] if overlap is not None and (sentence := overlap.sentence()) else [])],
        resume=resume,
        overlap=overlap,
        workers=attacker.workers,
    )


def overlap_of(
    attacker: Attacker, plan: AttackPlan, subjects: Sequence[Subject], *, allowed: bool
) -> Overlap | None:
    """Return which of the subjects are among the public faces that the attack uses; see `attack_overlap`.

    For classes an overlap is allowed, since the network was trained on them anyway.

    Raises:
        InputError: If one is, and that is not allowed.
    """
    people = [subject.name for subject in subjects if subject.label is not None]
    photographs = [one for subject in subjects for one in subject.photograph_keys]
    overlap = attack_overlap(attacker.knowledge, plan.knowledge_used, photographs, people)
    if overlap and not allowed:
        raise overlap.refused()
    return overlap
