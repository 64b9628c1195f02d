"""What a student with random weights learns of its teacher's layers."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmarks import halved, halved_random
from benchmarks.halved_random import Parts, redraw
from recognition.errors import InputError
from recognition.loading import load
from recognition.loading.onnx_network import OnnxNetwork
from recognition.recogniser import Preprocessing, Recogniser
from tests.benchmarks.residual_networks import as_teacher, residual_network

Pair = tuple[Recogniser, Recogniser, dict[str, str]]


@pytest.fixture(scope="module")
def backbone() -> nn.Module:
    """An IResNet-18 whose second and fourth unit of one size of map add nothing."""
    network = residual_network()
    for name in ("layer2", "layer4"):
        last = [
            one for one in network.get_submodule(f"{name}.1").modules() if isinstance(one, nn.BatchNorm2d)
        ]
        nn.init.zeros_(last[-1].weight)
    # With the statistics of its images, whose values are then neither huge nor constant.
    with torch.no_grad():
        for step in range(30):
            network(2 * _images(step) - 1)
    return network.eval()


@pytest.fixture(scope="module")
def folder(backbone: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return as_teacher(backbone, tmp_path_factory.mktemp("halved")).parent


@pytest.fixture
def pair(folder: Path) -> Pair:
    _, same = halved.halved(folder / "teacher.onnx", folder / "half.onnx")
    return load(folder / "half.onnx"), load(folder / "teacher.onnx"), same


def _images(step: int = 0, count: int = 8, size: int = 112, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(1000 * seed + step % 2))


def _network(recogniser: Recogniser) -> OnnxNetwork:
    assert isinstance(recogniser.backbone, OnnxNetwork)
    return recogniser.backbone


def test_a_value_stands_for_what_follows_the_unit_that_was_taken_out(pair: Pair, backbone: nn.Module) -> None:
    """The oracle are hooks on the network before it became a file."""
    _, teacher, same = pair
    prepared = teacher.preprocessing(_images())
    names = ("layer1.0", "layer1.1", "layer2.1", "layer3.0", "layer3.1", "layer4.1")
    wanted: dict[str, Tensor] = {}
    plain = copy.deepcopy(backbone)
    for name in names:
        plain.get_submodule(name).register_forward_hook(
            lambda _module, _given, output, name=name: wanted.update({name: output})
        )
    with torch.no_grad():
        plain(prepared)
        found = _network(teacher).values(prepared, set(same.values()))
    assert len(same) == len(names) == len(found)
    for name, value in zip(names, found.values(), strict=True):
        torch.testing.assert_close(value, wanted[name], atol=1e-4, rtol=1e-3)


def test_what_follows_a_replaced_value_reads_it(pair: Pair) -> None:
    _, teacher, same = pair
    network, prepared = _network(teacher), teacher.preprocessing(_images())
    output = network.output_name
    with torch.no_grad():
        plain = network.values(prepared, {*same.values(), output})
        torch.testing.assert_close(plain[output], network(prepared))
        turned = {name: value.flip(0) for name, value in plain.items() if name != output}
        found = network.values(prepared, {*same.values(), output}, turned)
    torch.testing.assert_close(found[output], plain[output].flip(0), atol=1e-4, rtol=1e-3)
    first, second, *_ = same.values()
    torch.testing.assert_close(found[first], plain[first])
    torch.testing.assert_close(found[second], plain[second].flip(0), atol=1e-4, rtol=1e-3)


def test_a_student_that_computes_what_its_teacher_does_has_no_error(pair: Pair) -> None:
    student, teacher, same = pair
    with torch.no_grad():
        assert Parts(student, teacher, same).together(_images()) < 1e-4
        redraw(student, 0)
        assert Parts(student, teacher, same).together(_images()) > 0.1


def test_the_error_of_a_part_does_not_depend_on_those_before_it(pair: Pair) -> None:
    """With other weights before the first of the inner values, gradients behind it are the same."""
    student, teacher, same = pair
    redraw(student, 0)
    parts = Parts(student, teacher, same)
    weights = [weight.requires_grad_() for weight in student.backbone.parameters()]

    def gradients() -> list[Tensor]:
        student.backbone.zero_grad()
        parts.alone(_images()).backward()
        return [torch.zeros(()) if weight.grad is None else weight.grad.clone() for weight in weights]

    before = gradients()
    with torch.no_grad():
        weights[0].mul_(-2)
    after = gradients()
    assert not torch.allclose(before[0], after[0])
    torch.testing.assert_close(before[-6:], after[-6:])


def test_weights_follow_the_seed(pair: Pair) -> None:
    student, _, _ = pair
    drawn = []
    for seed in (1, 1, 2):
        redraw(student, seed)
        drawn.append(torch.cat([one.flatten() for one in student.backbone.parameters() if one.ndim > 1]))
    torch.testing.assert_close(drawn[0], drawn[1])
    assert torch.cosine_similarity(drawn[0], drawn[2], 0).abs() < 0.1


def test_a_layer_that_cannot_be_drawn_is_refused(pair: Pair) -> None:
    student, _, _ = pair
    student.backbone.layers["odd"] = nn.LayerNorm(3)  # type: ignore[index, operator]
    with pytest.raises(InputError, match="odd: expected a layer whose weights can be drawn, got LayerNorm"):
        redraw(student, 0)


def test_a_network_that_is_no_onnx_file_is_refused(pair: Pair, backbone: nn.Module) -> None:
    student, _, same = pair
    plain = Recogniser(backbone, name="plain", preprocessing=Preprocessing())
    with pytest.raises(InputError, match="plain: expected the network of an ONNX file"):
        Parts(student, plain, same)


def test_random_weights_learn_and_a_stopped_training_gives_the_same(
    pair: Pair, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(halved, "SAVED", 16)
    monkeypatch.setattr(halved, "ALONE", 0.5)
    monkeypatch.setattr(halved_random, "MOMENTUM", 0.5)
    _, teacher, same = pair
    calls = 0

    def stopped(step: int, count: int, size: int, seed: int) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 6:
            raise KeyboardInterrupt
        return _images(step, count, size, seed)

    faces = halved.Images("faces", _images)

    def learn(student: Recogniser, state: str, images: halved.Images = faces) -> None:
        parts = Parts(student, teacher, same)
        halved.learn(student, teacher, images, 8, tmp_path / state, 0, parts, batch_size=8)

    students = [load(folder / "half.onnx") for _ in range(3)]
    for student in students:
        redraw(student, 0)
    whole, part, resumed = students
    with torch.no_grad():
        before = Parts(whole, teacher, same).together(_images())
    learn(whole, "whole.pt")
    with torch.no_grad():
        assert Parts(whole, teacher, same).together(_images()) < 0.9 * before
    with pytest.raises(KeyboardInterrupt):
        learn(part, "part.pt", faces._replace(of=stopped))
    learn(resumed, "part.pt")
    for one, other in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    with pytest.raises(InputError, match="of this teacher, seed and options"):
        halved.learn(resumed, teacher, faces, 8, tmp_path / "part.pt", 0, batch_size=8)
