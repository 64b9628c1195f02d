"""A straightforward inversion in double precision, made of a plan alone; it shares no code with the engine.

Formulas are those of the sources that the parts name. Only the random augmentation is the package's own,
since its draws are a part of an attack's definition; it has tests of its own.
"""

import copy
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from arcinvert.inversion.augmentation import Augmentation
from arcinvert.knowledge.face_pca import load_face_pca
from arcinvert.plan import AttackPlan
from recognition.recogniser import Recogniser
from recognition.seeds import derive_seed


def reference(plan: AttackPlan, recogniser: Recogniser, start: Tensor, targets: Tensor) -> Tensor:
    """Return the images of the first restart of the first batch.

    Args:
        plan: The plan.
        recogniser: The attacked network, with InsightFace's preprocessing.
        start: The initial images, shape (batch, 3, h, w).
        targets: Class indices, shape (batch,), or templates, shape (batch, dim).
    """
    backbone = copy.deepcopy(recogniser.backbone).double()
    planned, generator = plan.augmentation, torch.Generator()
    generator.manual_seed(derive_seed(plan.seed, "views", 0))
    augmentation = Augmentation(
        flip=planned.flip,
        shift=planned.shift,
        scale=planned.scale,
        wrap=planned.wrap,
        feature_dropout=planned.feature_dropout,
        generator=generator,
    )
    half = min(round(plan.steps * plan.low_resolution), plan.steps - 1)
    images = start.double()
    for steps, low_resolution in ((half, True), (plan.steps - half, False)):
        if steps:
            warm_up = max(1, round(steps * min(1.0, plan.steps * plan.warm_up / steps)))
            images = _stage(
                plan, backbone, recogniser, augmentation, images, targets, (steps, warm_up, low_resolution)
            )
    return images


def _stage(
    plan: AttackPlan,
    backbone: nn.Module,
    recogniser: Recogniser,
    augmentation: Augmentation,
    images: Tensor,
    targets: Tensor,
    schedule: tuple[int, int, bool],
) -> Tensor:
    steps, warm_up, low_resolution = schedule
    size = images.shape[-1]
    inputs: list[tuple[nn.BatchNorm2d, Tensor]] = []
    layers = [module for module in backbone.modules() if isinstance(module, nn.BatchNorm2d)]
    handles = [
        module.register_forward_pre_hook(lambda module, given: inputs.append((module, given[0])))
        for module in layers
    ]
    start = F.avg_pool2d(images, 2) if low_resolution else images
    leaf = _coefficients(start) if plan.parametrisation == "face-pca" else start.clone()
    first, second = torch.zeros_like(leaf), torch.zeros_like(leaf)
    with augmentation.attached(backbone):
        for step in range(steps):
            leaf = leaf.detach().requires_grad_()
            shown = _faces(leaf, size) if plan.parametrisation == "face-pca" else leaf
            if low_resolution:
                shown = F.interpolate(shown, size, mode="bilinear", align_corners=False)
            inputs.clear()
            embeddings = F.normalize(backbone((augmentation(shown) - 0.5) / 0.5))
            loss = _identity(plan, recogniser, embeddings, targets).mean()
            for penalty in plan.penalties:
                loss = loss + penalty.weight * _penalty(penalty.name, shown, leaf, inputs)
            (gradient,) = torch.autograd.grad(loss, leaf)
            # Adam with the decay rates 0.5 and 0.9.
            first, second = 0.5 * first + 0.5 * gradient, 0.9 * second + 0.1 * gradient**2
            mean, square = first / (1 - 0.5 ** (step + 1)), second / (1 - 0.9 ** (step + 1))
            if step < warm_up:
                rate = plan.learning_rate * (step + 1) / warm_up
            else:
                angle = math.pi * (step - warm_up) / max(1, steps - warm_up)
                rate = plan.learning_rate * (1 + math.cos(angle)) / 2
            leaf = leaf.detach() - rate * mean / (square.sqrt() + 1e-8)
            if plan.parametrisation == "pixels":
                leaf = leaf.clamp(0, 1)
    for handle in handles:
        handle.remove()
    shown = _faces(leaf, size) if plan.parametrisation == "face-pca" else leaf
    if low_resolution:
        shown = F.interpolate(shown, size, mode="bilinear", align_corners=False)
    return shown.clamp(0, 1).detach()


def _coefficients(images: Tensor) -> Tensor:
    mean, components, deviations = (tensor.double() for tensor in load_face_pca())
    small = F.interpolate(images, mean.shape[-1], mode="bilinear", antialias=True)
    return torch.einsum("bchw,nchw->bn", small - mean, components) / deviations


def _faces(coefficients: Tensor, size: int) -> Tensor:
    mean, components, deviations = (tensor.double() for tensor in load_face_pca())
    small = mean + torch.einsum("bn,nchw->bchw", coefficients * deviations, components)
    return F.interpolate(small, size, mode="bicubic")


def _identity(plan: AttackPlan, recogniser: Recogniser, embeddings: Tensor, targets: Tensor) -> Tensor:
    if plan.loss == "cosine":
        return 1 - (embeddings * targets).sum(1)
    if plan.loss == "euclidean":
        return plan.loss_scale * ((embeddings - targets).square().sum(1) + 1e-8).sqrt()
    assert recogniser.centres is not None
    centres = recogniser.centres.double()
    if plan.whiten_centres:
        mean = centres.mean(0)
        covariance = (centres - mean).T @ (centres - mean) / len(centres)
        # A tenth of the mean variance is added to each direction.
        shrunk = covariance + 0.1 * covariance.trace() / len(covariance) * torch.eye(len(covariance))
        variances, directions = torch.linalg.eigh(shrunk)
        matrix = directions @ torch.diag(variances**-0.5) @ directions.T
        embeddings, centres = (F.normalize((one - mean) @ matrix) for one in (embeddings, centres))
    logits = embeddings @ centres.T
    rows = torch.arange(len(targets))
    angles = torch.acos(logits[rows, targets])
    # Beyond the half turn, the cosine of the sum would rise again.
    beyond = torch.cos(angles) - plan.loss_margin * math.sin(plan.loss_margin)
    margined = torch.where(angles + plan.loss_margin < math.pi, torch.cos(angles + plan.loss_margin), beyond)
    logits = logits.index_put((rows, targets), margined)
    return F.cross_entropy(plan.loss_scale * logits, targets, reduction="none")


def _penalty(name: str, images: Tensor, leaf: Tensor, inputs: list[tuple[nn.BatchNorm2d, Tensor]]) -> Tensor:
    """Return the mean penalty of a batch."""
    if name == "tv":
        return images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean()
    if name == "colour-tv":
        return _penalty("tv", images - images.mean(1, keepdim=True), leaf, inputs)
    if name == "pca-prior":
        return leaf.square().mean()
    if name == "tv-norm":
        pairs = (
            (images[..., 1:], images[..., :-1]),
            (images[..., 1:, :], images[..., :-1, :]),
            (images[..., 1:, 1:], images[..., :-1, :-1]),
            (images[..., 1:, :-1], images[..., :-1, 1:]),
        )
        norms = [(2 * (one - other)).square().sum().sqrt() for one, other in pairs]
        return torch.stack(norms).sum()
    if name == "l2-norm":
        return (2 * images - 1).square().sum((1, 2, 3)).sqrt().mean()
    terms = []
    for number, (layer, given) in enumerate(inputs):
        assert layer.running_mean is not None
        assert layer.running_var is not None
        mean, variance = given.mean((0, 2, 3)), given.var((0, 2, 3), correction=0)
        means, face_variance = (mean - layer.running_mean).square(), layer.running_var
        if name == "bn":
            ratios = (variance / face_variance + 1e-8).sqrt()
            terms.append((means / face_variance + (ratios - 1).square()).mean() / len(inputs))
        elif name == "bn-arcface":
            deviations = (variance + 1e-8).sqrt() - face_variance.sqrt()
            terms.append(means.sum() + deviations.square().sum())
        else:
            assert name == "bn-deepinversion"
            variances = (variance - face_variance).square()
            terms.append((means.sum().sqrt() + variances.sum().sqrt()) * (10 if number == 0 else 1))
    return torch.stack(terms).sum()
