"""An attack's parts, made from its options: a network, its target, its priors, its start."""

import functools
import os
import platform
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor

from arcinvert.inversion.augmentation import FeatureDropout, RandomAugmentation
from arcinvert.inversion.engine import invert
from arcinvert.inversion.initialisation import face_initialisation, noise_initialisation
from arcinvert.inversion.mean_face_from_weights import ROUNDS, mean_face_from_weights
from arcinvert.inversion.parametrisations import PARAMETRISATIONS, Parametrisation
from arcinvert.inversion.penalties.batchnorm import PRIORS, BatchNormPrior, statistics_layers
from arcinvert.inversion.penalties.image import IMAGE_PRIORS, colour_variation
from arcinvert.inversion.restarts import best_of, under_views
from arcinvert.inversion.result import Inversion, Step, StopInversion
from arcinvert.inversion.stages import Stage, in_stages, plan_stages
from arcinvert.inversion.targets import ClassTarget, CosineTarget, EuclideanTarget, Target
from arcinvert.knowledge.activation_statistics import MeasuredStatistics, statistics_for
from arcinvert.knowledge.nearest_neighbours import NEAREST, NearestNeighbours
from arcinvert.knowledge.regression import FACES_A_DIMENSION, REGRESSION_SHARE, FaceRegression
from arcinvert.knowledge.whitening import Whitening, whitening_of
from arcinvert.options import FACE_INITIALISATIONS, OWN, AttackOptions, InitialisationName
from arcinvert.subjects import Subject, class_centres
from recognition.checkpoint import FORMAT, load_extra
from recognition.errors import InputError
from recognition.images import resized
from recognition.loading import ModelChoice, bundled_path, load
from recognition.options import DeviceName
from recognition.recogniser import Recogniser
from recognition.runtime import choose_device, choose_dtype
from recognition.seeds import derive_seed

#: Libraries whose versions a result depends on.
_LIBRARIES = ("arcinvert", "torch", "torchvision", "numpy", "pillow", "dlib-bin", "onnx")


class Attack:
    """The parts of one attack, made from its options: a network, how to invert it, what that rests on."""

    def __init__(
        self, model: str | os.PathLike[str] | ModelChoice, device: DeviceName, options: AttackOptions
    ) -> None:
        self.options = options
        self.device = choose_device(device)
        self.dtype = choose_dtype(self.device, options.precision)
        self.recogniser: Recogniser = load(model).to(self.device)
        self.measured = self._find_measured()
        self.nearest_neighbours = self.measured.nearest_neighbours if self.measured else None
        self.regression = self.measured.regression if self.measured else None
        self.statistics = self._find_statistics()
        self.mean_face, self.mean_face_source = self._find_mean_face()
        self._dream: Tensor | None = None

    def _find_measured(self) -> MeasuredStatistics | None:
        """What 'arcinvert calibrate' measured on public faces, where there is such a file."""
        if self.options.knowledge != "public-faces":
            return None
        return statistics_for(self.recogniser, self.options.statistics or None)

    def _find_statistics(self) -> MeasuredStatistics | None:
        """Measured statistics of activations; None where the network's own are enough, or none are used."""
        prior, measure = self.options.prior, "measure them (arcinvert calibrate --model MODEL --images FACES)"
        places = prior == "per-location"
        if prior == "none" or (not places and statistics_layers(self.recogniser)):
            return None
        known = self.options.knowledge == "public-faces"
        if places and (self.measured is None or not self.measured.maps):
            raise InputError(
                f"{self.recogniser.name}: expected statistics of each place for --prior per-location, found "
                f"none; {measure}, or use --prior scale-free"
            )
        if self.measured is not None:
            return self.measured
        raise InputError(
            f"{self.recogniser.name}: expected BatchNorm layers with statistics for --prior "
            f"{prior}, found none; "
            + (measure if known else "measured ones take --knowledge public-faces")
            + ", or use --prior none"
        )

    def _find_mean_face(self) -> tuple[Tensor, str]:
        path = self.recogniser.source.path
        if self.recogniser.source.format == FORMAT:
            return load_extra(path, "mean_face"), "training faces of the attacked network"
        return load_extra(str(bundled_path()), "mean_face"), "training faces of the bundled network (LFW)"

    def invert(
        self, batch: list[tuple[Subject, int]], number: int, callback: Callable[[Step], None]
    ) -> Inversion:
        """One batch: subjects, each with the number of its sample; `number` seeds the batch's views."""
        target, before = self._target([subject for subject, _ in batch]), 0
        if self.start_name() == "dream" and self._dream is None:
            # The first batch's, and all batches use it.
            before = sum(ROUNDS)
            steps = before + self.restarts() * self.steps()
            try:
                self._dream = mean_face_from_weights(
                    self.recogniser,
                    self._statistics_prior(),
                    dtype=self.dtype,
                    callback=lambda step: callback(replace(step, steps=steps)),
                )
            except StopInversion:
                return self._unbegun(self._seeds(batch), target)

        def told(step: Step) -> None:
            callback(replace(step, number=before + step.number, steps=before + step.steps))

        found = best_of(
            self.restarts(),
            lambda restart, heard: self._invert_once(batch, target, (number, restart), heard),
            lambda images: under_views(self.recogniser, images.to(self.device), target.templates).cpu(),
            told,
        )
        share = self.regression_share(batch[0][0])
        return self._with_regression(found, target, share) if share else found

    @torch.no_grad()
    def _with_regression(self, found: Inversion, target: Target, share: float) -> Inversion:
        """What gradients found, mixed with the regression's faces of the same templates."""
        faces = resized(self._regression().faces(target.templates.cpu()), self.recogniser.input_size)
        images = (1 - share) * found.images + share * faces
        similarity = (self.recogniser(images.to(self.device)) * target.templates).sum(1)
        return replace(found, images=images, similarity=similarity.cpu())

    def _seeds(self, batch: list[tuple[Subject, int]], *again: str | int) -> list[int]:
        """A sample's start depends on the seed, its identity and its number, not on its batch."""
        return [
            derive_seed(self.options.seed, subject.key or subject.name, sample, *again)
            for subject, sample in batch
        ]

    def _invert_once(
        self,
        batch: list[tuple[Subject, int]],
        target: Target,
        seeded: tuple[int, int],
        callback: Callable[[Step], None],
    ) -> Inversion:
        """One restart of a batch; `seeded`: the batch's number and the restart's."""
        options, (number, restart) = self.options, seeded
        again = ("restart", restart) if restart else ()
        parametrisation = self.parametrisation()
        start = self._start([subject for subject, _ in batch], self._seeds(batch, *again), restart)
        generator = torch.Generator().manual_seed(derive_seed(options.seed, "views", number, *again))
        views = self.views()
        variation, norm = IMAGE_PRIORS[options.image_prior]

        def run(stage: Stage, images: Tensor, heard: Callable[[Step], None]) -> Inversion:
            return invert(
                self.recogniser,
                target,
                stage.begin(parametrisation, images.to(self.device)),
                stage.schedule,
                view=RandomAugmentation(
                    flip=options.flip,
                    shift=views["shift"],
                    scale=views["scale"],
                    wrap=options.wrap,
                    generator=generator,
                ),
                dropout=FeatureDropout(views["feature_dropout"], generator),
                image_priors=[
                    (name, weight, prior)
                    for name, weight, prior in (
                        ("variation", options.tv_weight, variation),
                        ("colour", self.colour_weight(), colour_variation),
                        ("l2", options.l2_weight, norm),
                    )
                    if weight
                ],
                statistics_prior=self._statistics_prior(parametrisation.statistics_share),
                coordinate_weight=options.coordinate_weight,
                dtype=self.dtype,
                settle=options.settle,
                callback=heard,
            )

        stages = plan_stages(
            self.steps(),
            options.learning_rate or parametrisation.learning_rate,
            warm_up=options.warm_up,
            coarse=options.coarse,
            average=options.average,
        )
        return in_stages(stages, start, run, callback)

    @torch.no_grad()
    def _unbegun(self, seeds: list[int], target: Target) -> Inversion:
        """What there is of an attack that was stopped before its first step: noise."""
        images = noise_initialisation(seeds=seeds, size=self.recogniser.input_size)
        similarity = (self.recogniser(images.to(self.device)) * target.templates).sum(1)
        return Inversion(images, images, similarity.cpu(), {}, 0, stopped=True)

    def _start(self, subjects: list[Subject], seeds: list[int], restart: int) -> Tensor:
        """The images to begin with, (subjects, 3, size, size), on the CPU."""
        name, size = self.start_name(), self.recogniser.input_size
        if name == "noise":
            return noise_initialisation(seeds=seeds, size=size)
        if name in ("nearest_neighbours", "regression"):
            templates = torch.stack([subject.template for subject in subjects]).cpu()
            if name == "regression":
                guess = self._regression().faces(templates)
            else:
                nearest = NEAREST[restart % len(NEAREST)]
                guess = self._lookalikes().guess(templates, nearest, whiten=self.options.whiten)
            return face_initialisation(guess, seeds=seeds, size=size)
        face = self._dream if self._dream is not None and name == "dream" else self.mean_face
        return face_initialisation(face.expand(len(seeds), -1, -1, -1), seeds=seeds, size=size)

    def _lookalikes(self) -> NearestNeighbours:
        if self.nearest_neighbours is None:
            raise InputError(
                f"start: expected public faces with templates of {self.recogniser.name}, found no such file; "
                "measure it (arcinvert calibrate --model MODEL --images FACES), or use --start mean"
            )
        return self.nearest_neighbours

    def _regression(self) -> FaceRegression:
        if self.regression is None:
            raise InputError(
                f"regression: expected a map from templates of {self.recogniser.name} to faces, found none; "
                f"fit it (arcinvert calibrate --model MODEL --images FACES, with {FACES_A_DIMENSION} faces "
                "or more to a dimension of its templates), or use --start mean --regression-share 0"
            )
        return self.regression

    def _statistics_prior(self, share: float = 1.0) -> tuple[float, BatchNormPrior] | None:
        """The prior on statistics with its weight, of which a parametrisation takes a share."""
        if self.options.prior == "none":
            return None
        return self.options.prior_weight * share, PRIORS[self.options.prior](self.statistics)

    def start_name(self) -> InitialisationName:
        """Where an attack begins: what `auto` stands for."""
        if self.options.start != "auto":
            if self.options.start == "nearest_neighbours":
                self._lookalikes()
            if self.options.start == "regression":
                self._regression()
            return self.options.start
        if self.options.knowledge == "weights":
            return "dream"
        if self.nearest_neighbours is not None:
            return "nearest_neighbours"
        return "mean" if self.regression is None else "regression"

    def parametrisation_name(self) -> str:
        name, start = self.options.parametrisation, self.start_name()
        if name == "eigenfaces" and start not in FACE_INITIALISATIONS:
            raise InputError(
                f"parametrisation: expected pixels or fourier with --start {start}, got eigenfaces"
            )
        if name != "auto":
            return name
        return "eigenfaces" if start in FACE_INITIALISATIONS else "pixels"

    def parametrisation(self) -> type[Parametrisation]:
        """What is optimised, with its own steps, restarts, views and learning rate."""
        return PARAMETRISATIONS[self.parametrisation_name()]

    def steps(self) -> int:
        """Of each beginning: the option's, or where it leaves it, the parametrisation's."""
        return self.options.steps or self.parametrisation().steps

    def restarts(self) -> int:
        """How often each sample is begun: the option's, or where it leaves it, what suits the start."""
        several = self.start_name() == "nearest_neighbours"
        return self.options.restarts or (len(NEAREST) if several else self.parametrisation().restarts)

    def views(self) -> dict[str, float]:
        """Shift, scale and feature dropout: the options', or where they leave it, what suits."""
        parametrisation, near = self.parametrisation(), self.start_name() == "nearest_neighbours"
        own = ((near and parametrisation.views_from_likeness) or parametrisation.views)._asdict()
        chosen = {name: getattr(self.options, name) for name in own}
        return {name: own[name] if value == OWN else value for name, value in chosen.items()}

    def colour_weight(self) -> float:
        """Of the variation of colours: the option's, or where it leaves it, the parametrisation's."""
        chosen = self.options.colour_weight
        return self.parametrisation().colour_weight if chosen == OWN else chosen

    def regression_share(self, subject: Subject) -> float:
        """The option's, or where it leaves it, half of a class's picture where a regression was fitted."""
        chosen = self.options.regression_share
        if chosen == OWN:
            return 0.0 if self.regression is None or subject.label is None else REGRESSION_SHARE
        if chosen:
            self._regression()
        return chosen

    def loss_name(self, subject: Subject) -> str:
        chosen = self.options.loss
        if chosen == "arcface" and subject.label is None:
            raise InputError("loss: expected cosine or euclidean for a template, got arcface")
        if chosen in ("auto", "paper") and subject.label is not None:
            return "arcface"
        return {"auto": "cosine", "paper": "euclidean"}.get(chosen, chosen)

    def _target(self, subjects: list[Subject]) -> Target:
        loss, options = self.loss_name(subjects[0]), self.options
        if loss == "arcface":
            centres = class_centres(self.recogniser)
            labels = torch.tensor([subject.label for subject in subjects], device=self.device)
            return ClassTarget(
                centres,
                labels,
                scale=options.loss_scale or self.recogniser.scale,
                margin=self.recogniser.margin if options.loss_margin == OWN else options.loss_margin,
                whitening=self._whitening,
            )
        templates = torch.stack([subject.template for subject in subjects]).to(self.device)
        if loss == "cosine":
            return CosineTarget(templates)
        return EuclideanTarget(templates, options.loss_scale or 1.0)

    @functools.cached_property
    def _whitening(self) -> Whitening | None:
        """By the class centres, where they tell how templates spread: as few as dimensions leave some out."""
        centres = class_centres(self.recogniser)
        return whitening_of(centres) if self.options.whiten and len(centres) > centres.shape[1] else None

    def knowledge(self, subject: Subject) -> dict[str, Any]:
        """What of public faces is used for a subject: of the level `weights` where it is nothing."""
        known: dict[str, Any] = {}
        start = self.start_name()
        if start == "mean":
            known["mean_face"] = self.mean_face_source
        if start == "nearest_neighbours":
            known["nearest_neighbours"] = f"{len(self._lookalikes())} public faces"
        if start == "regression" or self.regression_share(subject):
            known["regression"] = f"{self._regression().count} public faces"
        if (
            "nearest_neighbours" in known
            or "regression" in known
            or self.parametrisation_name() == "eigenfaces"
        ):
            known["eigenfaces"] = "single-photograph training faces of the bundled network (LFW)"
        if self.statistics is not None:
            known["statistics"] = f"{self.statistics.images} public faces"
        return {"level": "public-faces" if known else "weights"} | known

    def describe_model(self) -> dict[str, Any]:
        source = self.recogniser.source
        centres = self.recogniser.centres
        return {
            "name": self.recogniser.name,
            "sha256": source.sha256,
            "architecture": source.architecture,
            "classes": None if centres is None else len(centres),
            "preprocessing": vars(self.recogniser.preprocessing) | {"reason": source.reason},
        }

    def environment(self) -> dict[str, Any]:
        return {
            "device": str(self.device),
            "dtype": str(self.dtype).removeprefix("torch."),
            "threads": torch.get_num_threads(),
            "python": platform.python_version(),
            "platform": platform.platform(),
            "libraries": {name: version(name) for name in _LIBRARIES},
        }
