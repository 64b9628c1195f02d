"""Class centres from shards, files and photographs."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from recognition.checkpoint import save_recogniser
from recognition.errors import InputError, InputWarning
from recognition.loading import ModelChoice, load
from recognition.loading.centres import as_rows
from recognition.loading.grouped_rows import likely_subcentres
from tests.recognition.loading.files import save, state_of, tiny_body, tiny_facenet

CENTRES = torch.randn(11, 8, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return state_of(tiny_body(inner_norm=False))


def write_ranks(folder, state, sizes, *, transpose=False):
    """Write arcface_torch's checkpoint of every rank and return the first."""
    for rank, part in enumerate(CENTRES.split(sizes)):
        weight = {"kernel": part.T.contiguous()} if transpose else {"weight": part.clone()}
        save(
            folder / f"checkpoint_gpu_{rank}.pt",
            {"epoch": 1, "state_dict_backbone": state, "state_dict_softmax_fc": weight},
        )
    return folder / "checkpoint_gpu_0.pt"


@pytest.mark.parametrize("transpose", [False, True])
@pytest.mark.parametrize("sizes", [[11], [6, 5], [3, 3, 3, 2]])
def test_shards_of_all_ranks_are_joined_in_order(sizes, transpose, state, tmp_path):
    recogniser = load(write_ranks(tmp_path, state, sizes, transpose=transpose))
    torch.testing.assert_close(recogniser.centres, F.normalize(CENTRES))


def test_ten_ranks_are_in_numerical_order(state, tmp_path):
    recogniser = load(write_ranks(tmp_path, state, [1] * 11))
    torch.testing.assert_close(recogniser.centres, F.normalize(CENTRES))


def test_a_missing_shard_is_named(state, tmp_path):
    path = write_ranks(tmp_path, state, [3, 3, 3, 2])
    (tmp_path / "checkpoint_gpu_2.pt").unlink()
    with pytest.raises(InputError, match=r"ranks 0 to 3, found no checkpoint_gpu_2\.pt"):
        load(path)


def test_a_missing_last_shard_is_found_by_the_count(state, tmp_path):
    path = write_ranks(tmp_path, state, [3, 3, 3, 2])
    assert len(load(ModelChoice(path, classes=11)).centres) == 11
    (tmp_path / "checkpoint_gpu_3.pt").unlink()
    with pytest.raises(InputError, match="expected 11 class centres, got 9; a shard may be missing"):
        load(ModelChoice(path, classes=11))


def test_shards_of_two_trainings_are_refused(state, tmp_path):
    path = write_ranks(tmp_path, state, [3, 8])
    with pytest.raises(InputError, match=r"shards of one training.*checkpoint_gpu_0\.pt: 3, .*gpu_1\.pt: 8"):
        load(path)


@pytest.mark.parametrize("form", ["npy", "big-endian.npy", "pt", "kernel", "safetensors", "folder", "rank"])
def test_centres_are_read_from_separate_files(form, state, tmp_path):
    model = save(tmp_path / "backbone.pth", state)
    source = tmp_path / f"centres.{form}"
    if form == "npy":
        np.save(source, CENTRES.numpy())
    elif form == "big-endian.npy":
        np.save(source, CENTRES.double().numpy().astype(">f8"))
    elif form == "pt":
        save(source, CENTRES)
    elif form == "kernel":
        source = save(tmp_path / "head.pth", {"kernel": CENTRES.T.contiguous()})
    elif form == "safetensors":
        save_file({"centres": CENTRES}, source)
    else:
        source.mkdir()
        for rank, part in enumerate(CENTRES.split([6, 5])):
            save(source / f"rank:{rank}_softmax_weight.pt", part.clone())
        source = source / "rank:1_softmax_weight.pt" if form == "rank" else source
    recogniser = load(ModelChoice(model, centres=source))
    torch.testing.assert_close(recogniser.centres, F.normalize(CENTRES))


def test_square_weights_are_transposed_by_their_key():
    square = torch.randn(8, 8)
    assert torch.equal(as_rows(square, 8, "x", transposed=True), square.T)
    assert torch.equal(as_rows(square, 8, "x", transposed=False), square)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (torch.ones(5, 7), r"\(classes, 8\) or \(8, classes\), got \(5, 7\)"),
        (torch.ones(8), "expected class centres"),
        (torch.full((5, 8), torch.nan), "finite, non-zero centres"),
        (torch.cat([torch.ones(2, 8), torch.zeros(1, 8)]), "the first is class 2"),
    ],
)
def test_other_weights_are_refused(weights, message):
    with pytest.raises(InputError, match=message):
        as_rows(weights, 8, "x", transposed=False)


def test_centres_of_photographs_are_the_mean_embeddings(state, people, tmp_path):
    model = save(tmp_path / "backbone.pth", state)
    recogniser = load(ModelChoice(model, centres=people))
    assert recogniser.class_names == tuple(sorted(folder.name for folder in people.iterdir()))
    from recognition.images import read_image, to_tensor

    rows = []
    for path in sorted((people / recogniser.class_names[3]).iterdir()):
        image = to_tensor(read_image(path))[None]
        rows.append(F.normalize(recogniser(image) + recogniser(image.flip(-1)))[0])
    torch.testing.assert_close(recogniser.centres[3], F.normalize(sum(rows), dim=0), atol=1e-5, rtol=0)


def test_missing_centres_are_refused(state, tmp_path):
    model = save(tmp_path / "backbone.pth", state)
    with pytest.raises(InputError, match="found no such file"):
        load(ModelChoice(model, centres=tmp_path / "none"))
    with pytest.raises(InputError, match="expected 5 class centres, got a backbone alone"):
        load(ModelChoice(model, classes=5))
    with pytest.raises(InputError, match=r"expected class centres \(.*found none"):
        load(ModelChoice(model, centres=save(tmp_path / "other.pt", {"a": 1})))


def test_a_backbone_is_not_taken_for_centres(state, tmp_path):
    """The last layer of an IResNet has the shape (dim, 25,088), as if these were its classes."""
    from tests.recognition.loading.files import tiny_backbone

    network = tiny_backbone()
    model = save(tmp_path / "backbone.pth", state_of(network))
    for name, content in {
        "same.pth": state_of(network),
        "wrapped.pth": {"state_dict": state_of(network), "epoch": 1},
        "module.pth": {f"module.{key}": value for key, value in state_of(network).items()},
        "body.pth": state,
    }.items():
        with pytest.raises(InputError, match=rf"{name}: expected class centres, got a network's weights"):
            load(ModelChoice(model, centres=save(tmp_path / name, content)))


@pytest.mark.parametrize(
    "content",
    [
        {"W": CENTRES.T.contiguous()},
        {"loss.W": CENTRES.T.contiguous()},
        {"state_dict": {"head.kernel": CENTRES.T.contiguous(), "head.t": torch.zeros(1)}, "epoch": 3},
        {"module.weight": CENTRES},
        {"EPOCH": 3, "HEAD": {"kernel": CENTRES.T.contiguous(), "t": torch.zeros(1)}, "OPTIMIZER": {}},
        {"TRAIN": {"weight": CENTRES}},
        {"loss_func": {"W": CENTRES.T.contiguous()}, "step": 1},
        {"weight": CENTRES, "epoch": 5},
    ],
    ids=["pml", "pml-nested", "lightning", "data-parallel", "curricularface", "tface", "loss", "mixed"],
)
def test_heads_of_public_projects_are_read(content, state, tmp_path):
    model = save(tmp_path / "backbone.pth", state)
    recogniser = load(ModelChoice(model, centres=save(tmp_path / "head.pth", content)))
    torch.testing.assert_close(recogniser.centres, F.normalize(CENTRES))


def test_a_head_beside_a_backbone_is_read_as_centres(state, tmp_path):
    model = save(tmp_path / "backbone.pth", state)
    whole = {f"backbone.{key}": value for key, value in state.items()} | {"fc.weight": CENTRES}
    recogniser = load(ModelChoice(model, centres=save(tmp_path / "whole.pth", {"state_dict": whole})))
    torch.testing.assert_close(recogniser.centres, F.normalize(CENTRES))


@pytest.mark.parametrize("form", ["pml", "rows", "three axes"])
def test_subcentres_are_reduced_to_the_longest_one_of_each_class(form, state, tmp_path):
    """pytorch-metric-learning lists the sub-centres of a class one after another."""
    generator = torch.Generator().manual_seed(1)
    others = F.normalize(torch.randn(11, 2, 8, generator=generator), dim=2) / 2
    longest = F.normalize(CENTRES)
    subcentres = torch.stack([others[:, 0], longest, others[:, 1]], 1)
    flat = subcentres.flatten(0, 1)
    content = {
        "pml": {"W": flat.T.contiguous()},
        "rows": {"weight": flat},
        "three axes": {"weight": subcentres},
    }
    model = save(tmp_path / "backbone.pth", state)
    source = save(tmp_path / "head.pth", content[form])
    recogniser = load(ModelChoice(model, centres=source, classes=11))
    torch.testing.assert_close(recogniser.centres, longest)
    torch.testing.assert_close(recogniser.subcentres.directions, F.normalize(subcentres, dim=2))
    assert recogniser.subcentres.dominant.tolist() == [1] * 11
    assert load(ModelChoice(model, centres=source, subcentres=3)).subcentres.count == 3
    if form != "three axes":
        assert len(load(ModelChoice(model, centres=source)).centres) == 33
        # The number of each serves where that of the classes is not known.
        recogniser = load(ModelChoice(model, centres=source, subcentres=3))
        torch.testing.assert_close(recogniser.centres, longest)
        with pytest.raises(InputError, match=r"multiple of 4 rows for --subcentres 4.*got 33 rows"):
            load(ModelChoice(model, centres=source, subcentres=4))
        with pytest.raises(InputError, match=r"expected 33 class centres, got 11"):
            load(ModelChoice(model, centres=source, classes=33, subcentres=3))


def grouped(classes: int, count: int, alike: float) -> torch.Tensor:
    """Return rows of sub-centres, class by class, whose cosine with their class's direction is given."""
    generator = torch.Generator().manual_seed(classes)
    directions = F.normalize(torch.randn(classes, 1, 8, generator=generator), dim=2)
    own = F.normalize(torch.randn(classes, count, 8, generator=generator), dim=2)
    return F.normalize(alike * directions + (1 - alike**2) ** 0.5 * own, dim=2).flatten(0, 1)


@pytest.mark.parametrize(("classes", "count"), [(200, 3), (40, 10), (300, 2), (100, 4), (90, 6)])
def test_rows_that_are_alike_in_groups_are_asked_for(classes, count, state, tmp_path):
    model = save(tmp_path / "backbone.pth", state)
    rows = grouped(classes, count, 0.8)
    assert likely_subcentres(rows) == count
    source = save(tmp_path / "head.pth", {"weight": rows})
    with pytest.raises(InputError, match=rf"give --subcentres {count}, or --subcentres 1 if each row is a"):
        load(ModelChoice(model, centres=source))
    assert len(load(ModelChoice(model, centres=source, subcentres=count)).centres) == classes
    assert len(load(ModelChoice(model, centres=source, classes=classes)).centres) == classes
    recogniser = load(ModelChoice(model, centres=source, subcentres=1))
    assert (len(recogniser.centres), recogniser.subcentres) == (classes * count, None)


def test_a_head_beside_its_network_whose_rows_are_alike_in_groups_is_a_warning(state, tmp_path):
    path = save(tmp_path / "both.pth", {"model": state, "loss": {"W": grouped(200, 3, 0.8).T.contiguous()}})
    with pytest.warns(InputWarning, match=r"600 class centres .* --centres FILE --subcentres 3"):
        assert len(load(ModelChoice(path, preset="adaface")).centres) == 600
    recogniser = load(ModelChoice(path, centres=path, subcentres=3))
    assert (len(recogniser.centres), recogniser.subcentres.count) == (200, 3)


def test_unrelated_rows_are_classes():
    assert likely_subcentres(torch.ones(24, 8)) is None
    for seed in range(30):
        rows = torch.randn(2520, 8, generator=torch.Generator().manual_seed(seed))
        assert likely_subcentres(rows) is None
    # Classes whose order is that of their likeness.
    assert likely_subcentres(torch.randn(2520, 8).cumsum(0)) is None
    assert likely_subcentres(load("lfw-distilled").centres[:5130]) is None


def test_rows_that_a_loss_of_subcentres_may_have_written_are_a_warning(state, tmp_path):
    model = save(tmp_path / "backbone.pth", state)
    source = save(tmp_path / "head.pth", {"W": CENTRES.T.contiguous()})
    with pytest.warns(InputWarning, match=r"11 classes with one centre each are assumed; .*--subcentres K"):
        load(ModelChoice(model, preset="adaface", centres=source))
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        load(ModelChoice(model, preset="adaface", centres=source, subcentres=1))
        load(ModelChoice(model, preset="adaface", centres=source, classes=11))


def test_centres_of_a_file_of_this_project_come_with_their_names(tiny_model, state, tmp_path):
    own = load(tiny_model)
    backbone = save(tmp_path / "backbone.pth", state_of(own.backbone))
    recogniser = load(ModelChoice(backbone, centres=tiny_model))
    torch.testing.assert_close(recogniser.centres, own.centres)
    assert recogniser.class_names == own.class_names
    with pytest.raises(InputError, match=r"tiny\.safetensors: expected class centres \(classes, 8\)"):
        load(ModelChoice(save(tmp_path / "other.pth", state), centres=tiny_model))
    own.centres = own.class_names = None
    save_recogniser(tmp_path / "none.safetensors", own)
    with pytest.raises(InputError, match="got a network without any"):
        load(ModelChoice(backbone, centres=tmp_path / "none.safetensors"))


def test_the_classifier_of_a_known_network_is_read_as_centres(tmp_path):
    state, logits = state_of(tiny_facenet()), torch.randn(7, 8)
    model = save(tmp_path / "backbone.pt", state)
    whole = save(tmp_path / "vggface2.pt", state | {"logits.weight": logits, "logits.bias": torch.zeros(7)})
    recogniser = load(ModelChoice(model, centres=whole))
    torch.testing.assert_close(recogniser.centres, F.normalize(logits))
    with pytest.raises(InputError, match=r"backbone\.pt: expected class centres, got a network's weights"):
        load(ModelChoice(model, centres=model))


def test_subcentres_need_a_file_of_centres(state, tmp_path):
    model = save(tmp_path / "backbone.pth", state)
    with pytest.raises(InputError, match=r"^subcentres: expected a file of class centres.*--centres$"):
        load(ModelChoice(model, subcentres=3))


def test_subcentres_of_equal_length_give_their_mean_direction(state, tmp_path):
    subcentres = F.normalize(torch.randn(11, 3, 8), dim=2)
    model = save(tmp_path / "backbone.pth", state)
    source = save(tmp_path / "head.pth", {"weight": subcentres.flatten(0, 1)})
    recogniser = load(ModelChoice(model, centres=source, classes=11))
    torch.testing.assert_close(recogniser.centres, F.normalize(subcentres.mean(1)))
    assert recogniser.subcentres.dominant is None
