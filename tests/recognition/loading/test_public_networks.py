"""Networks under the names of public projects: their embeddings, preprocessing and class centres."""

import pytest
import torch
import torch.nn.functional as F

from recognition.backbones import build_backbone
from recognition.errors import InputError
from recognition.loading import PRESETS, ModelChoice, load
from tests.recognition.loading import public_networks as public
from tests.recognition.loading.files import save, state_of, tiny_backbone, tiny_body, with_statistics

TOLERANCE = 1e-4
RGB, BGR = PRESETS["insightface"], PRESETS["adaface"]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def prefixed(prefix: str, state: dict) -> dict:
    return {prefix + key: value for key, value in state.items()}


def check(content, oracle, preprocessing, images, tmp_path, *, reason=""):
    """Assert that a file gives an oracle's embeddings of prepared images, and return its recogniser."""
    recogniser = load(save(tmp_path / "network.pth", content))
    assert recogniser.preprocessing == preprocessing
    assert reason in recogniser.source.reason
    with torch.no_grad():
        expected = F.normalize(oracle(preprocessing(images)))
    torch.testing.assert_close(recogniser(images), expected, atol=TOLERANCE, rtol=0)
    return recogniser


def test_insightface_pytorchs_mobilefacenet(images, tmp_path):
    state = public.mobilefacenet_state(nested=False)
    recogniser = check(
        state, lambda x: public.mobilefacenet(state, x), BGR, images, tmp_path, reason="FaceX-Zoo"
    )
    # face.evoLVe's networks have the same names and shapes, and take RGB.
    assert recogniser.source.readings == ("adaface", "insightface")
    assert "face.evoLVe" in recogniser.source.reason


def test_facex_zoos_mobilefacenet_and_its_head(images, tmp_path):
    state = public.mobilefacenet_state(nested=False)
    weight = torch.randn(8, 5)
    content = {
        "state_dict": prefixed("backbone.", state) | {"head.weight": weight},
        "epoch": 3,
        "batch_id": 9,
    }
    recogniser = check(
        content,
        lambda x: public.mobilefacenet(state, x),
        PRESETS["facex-zoo"],
        images,
        tmp_path,
        reason="FaceX-Zoo",
    )
    torch.testing.assert_close(recogniser.centres, F.normalize(weight.T))


def test_tfaces_mobilefacenet_takes_rgb(images, tmp_path):
    state = public.mobilefacenet_state(nested=True)
    check(state, lambda x: public.mobilefacenet(state, x), RGB, images, tmp_path, reason="TFace")


def test_norm_aware_pooling_takes_each_image_alone(images, tmp_path):
    state = public.mobilefacenet_state(nested=True, pooled=True)
    recogniser = check(state, lambda x: public.mobilefacenet(state, x), RGB, images, tmp_path)
    alone = torch.cat([recogniser(image[None]) for image in images])
    torch.testing.assert_close(recogniser(images), alone, atol=1e-5, rtol=0)


def test_spherefaces_network_takes_bgr_of_the_middle_columns(images, tmp_path):
    state = public.sphere_state()
    recogniser = check(
        state, lambda x: public.sphere(state, x[..., 8:104]), PRESETS["facex-zoo"], images, tmp_path
    )
    torch.testing.assert_close(recogniser.centres, F.normalize(state["fc6.weight"].T))


def test_a_layer_of_image_quality_beside_the_embedding_is_left_out(images, tmp_path):
    backbone = tiny_backbone()
    content = state_of(backbone) | {"qs.weight": torch.randn(1, 8), "qs.bias": torch.randn(1)}
    assert check(content, backbone, RGB, images, tmp_path).centres is None


def test_xiaoccers_mobilefacenet_takes_the_middle_columns(images, tmp_path):
    state = public.bottlenecks_state()
    standard = PRESETS["facenet"]
    preprocessing = type(standard)(standard.mean, standard.std)
    content = {"epoch": 68, "net_state_dict": state}
    recogniser = check(
        content, lambda x: public.bottlenecks(state, x[..., 8:104]), preprocessing, images, tmp_path
    )
    assert "112x96" in recogniser.source.reason


def test_a_square_bottleneck_network_takes_all_columns(images, tmp_path):
    state = public.bottlenecks_state(kernel=(7, 7))
    standard = PRESETS["facenet"]
    preprocessing = type(standard)(standard.mean, standard.std)
    check(state, lambda x: public.bottlenecks(state, x), preprocessing, images, tmp_path)


def test_arcface_torchs_large_mobilefacenet(images, tmp_path):
    state = public.large_state()
    check(state, lambda x: public.large(state, x), RGB, images, tmp_path)


@pytest.mark.parametrize(
    "options", [{}, {"batch_norms": True}, {"bias": True, "depth": 3}], ids=["ln", "bn", "bias"]
)
def test_arcface_torchs_vision_transformer(options, images, tmp_path):
    state = public.vit_state(**options)
    recogniser = check(state, lambda x: public.vit(state, x), RGB, images, tmp_path)
    assert recogniser.source.architecture["depth"] == options.get("depth", 2)


@pytest.mark.parametrize(
    "options", [{}, {"excited": False}, {"units": (2, 1, 3, 1)}], ids=["se", "no-se", "units"]
)
def test_arcface_pytorchs_network_takes_grey_images_of_128_pixels(options, tmp_path):
    state = public.grey_state(**options)
    images = torch.rand(2, 3, 128, 128)
    grey = 0.299 * images[:, :1] + 0.587 * images[:, 1:2] + 0.114 * images[:, 2:]
    recogniser = load(save(tmp_path / "resnet18_110.pth", prefixed("module.", state)))
    assert recogniser.input_size == 128
    expected = F.normalize(public.grey(state, 2 * grey - 1))
    torch.testing.assert_close(recogniser(images), expected, atol=TOLERANCE, rtol=0)
    swapped = load(ModelChoice(tmp_path / "resnet18_110.pth"))
    assert swapped.embedding_size == 8


@pytest.mark.parametrize("layout", ["features.module.", "module.features."])
def test_magface_takes_bgr_of_0_to_1(layout, images, tmp_path):
    network = tiny_backbone("iresnet18", 1 / 32, 8)
    state, weight = state_of(network), torch.randn(8, 6)
    for module in network.modules():
        if hasattr(module, "eps"):
            module.eps = 2e-5
    head = "fc.weight" if layout.startswith("features") else "module.fc.weight"
    content = {"state_dict": prefixed(layout, state) | {head: weight}, "arch": "iresnet18", "epoch": 25}
    recogniser = check(content, network, PRESETS["magface"], images, tmp_path, reason="MagFace")
    torch.testing.assert_close(recogniser.centres, F.normalize(weight.T))
    assert {module.eps for module in recogniser.modules() if hasattr(module, "eps")} == {2e-5}


def test_bare_networks_of_tface_and_adaface_are_ambiguous(images, tmp_path):
    network = tiny_body(inner_norm=True, affine=False)
    recogniser = check(state_of(network), network, RGB, images, tmp_path, reason="ambiguous: TFace")
    assert recogniser.source.readings == ("insightface", "adaface")
    assert "--preset adaface" in recogniser.source.reason
    chosen = load(ModelChoice(tmp_path / "network.pth", preset="adaface"))
    assert chosen.preprocessing == BGR
    assert chosen.source.readings == ()


def test_adafaces_own_files_are_not_ambiguous(images, tmp_path):
    network = tiny_body(inner_norm=True, affine=False)
    head = {"head.kernel": torch.randn(8, 4), "head.batch_mean": torch.ones(1)}
    content = {"state_dict": prefixed("model.", state_of(network)) | head, "epoch": 1}
    assert check(content, network, BGR, images, tmp_path, reason="AdaFace").source.readings == ()


@pytest.mark.parametrize("head", [{}, {"head.kernel": (8, 4)}], ids=["alone", "head"])
@pytest.mark.parametrize(
    ("prefix", "inner_norm", "readings"),
    [
        ("backbone.", False, ("facex-zoo", "adaface", "insightface")),
        ("model.", True, ("adaface", "insightface")),
        ("features.", None, ("magface", "insightface")),
        ("module.model.", True, ("adaface", "insightface")),
    ],
)
def test_an_attribute_of_any_module_is_no_proof_of_a_project(
    prefix, inner_norm, readings, head, images, tmp_path
):
    network = tiny_backbone() if inner_norm is None else tiny_body(inner_norm=inner_norm)
    shared = "module." if prefix.startswith("module.") else ""
    beside = {shared + name: torch.randn(shape) for name, shape in head.items()}
    path = save(
        tmp_path / "last.ckpt", {"state_dict": prefixed(prefix, state_of(network)) | beside, "epoch": 3}
    )
    recogniser = load(path)
    assert recogniser.source.readings == readings
    assert recogniser.source.reason.startswith("ambiguous: ")
    assert recogniser.preprocessing == PRESETS[readings[0]]
    # Every reading is a preset that can be given.
    for name in readings:
        chosen = load(ModelChoice(path, preset=name))
        assert (chosen.preprocessing, chosen.source.readings) == (PRESETS[name], ())


@pytest.mark.parametrize("inner_norm", [False, True], ids=["curricularface", "tface"])
def test_squeeze_and_excitation_under_its_other_name(inner_norm, images, tmp_path):
    network = tiny_body(inner_norm=inner_norm, excitation=True, affine=False)
    number = 6 if inner_norm else 5
    state = {
        key.replace(f"res_layer.{number}.", "res_layer.se_block."): value
        for key, value in state_of(network).items()
    }
    assert any("se_block" in key for key in state)
    recogniser = check(state, network, RGB, images, tmp_path)
    assert recogniser.source.architecture["excitation"] is True


def test_curricularface_takes_rgb(images, tmp_path):
    network = tiny_body(inner_norm=False, affine=False)
    recogniser = check(state_of(network), network, RGB, images, tmp_path, reason="CurricularFace")
    assert recogniser.source.readings == ()


def test_insightface_pytorch_and_face_evolve_are_ambiguous(images, tmp_path):
    network = tiny_body(inner_norm=False)
    recogniser = check(
        state_of(network), network, BGR, images, tmp_path, reason="ambiguous: InsightFace_Pytorch"
    )
    assert recogniser.source.readings == ("adaface", "insightface")


def test_facex_zoos_iresnet_is_known_by_what_is_beside_it(images, tmp_path):
    network = tiny_body(inner_norm=False)
    state = prefixed("backbone.", state_of(network)) | {"head.weight": torch.randn(8, 4)}
    content = {"state_dict": state, "epoch": 17, "batch_id": 9}
    recogniser = check(content, network, PRESETS["facex-zoo"], images, tmp_path, reason="FaceX-Zoo")
    assert recogniser.centres.shape == (4, 8)


def test_an_iresnet_for_224_pixels_has_a_larger_last_layer(tmp_path):
    network = tiny_body(inner_norm=False)
    network.output_layer[3] = torch.nn.Linear(5 * 14 * 14, 8)
    network = with_statistics(network, 224)
    recogniser = load(save(tmp_path / "ir224.pth", state_of(network)))
    assert recogniser.input_size == 224
    images = torch.rand(2, 3, 224, 224)
    with torch.no_grad():
        expected = F.normalize(network(2 * images.flip(1) - 1))
    torch.testing.assert_close(recogniser(images), expected, atol=TOLERANCE, rtol=0)


def test_bottleneck_units_and_crops_of_eyes_are_refused(tmp_path):
    state = state_of(tiny_body(inner_norm=True, affine=False))
    with pytest.raises(InputError, match="got bottlenecks of three, as IR-152"):
        load(save(tmp_path / "ir152.pth", state | {"body.0.res_layer.7.weight": torch.ones(2, 2, 1, 1)}))
    state = state_of(tiny_body(inner_norm=False))
    state["output_layer.3.weight"] = torch.randn(8, 5 * 4 * 7)
    with pytest.raises(InputError, match="expected a network for square images"):
        load(save(tmp_path / "eyes.pth", state))


@pytest.mark.parametrize(
    "key",
    [
        "net_state_dict",
        "state_dict_ema",
        "model_state",
        "params_ema",
        "ema",
        "weights",
        "generator",
        "student",
    ],
)
def test_the_only_dict_of_tensors_is_taken(key, images, tmp_path):
    backbone = tiny_backbone()
    content = {
        "epoch": 3,
        "lr": [0.1],
        key: state_of(backbone),
        "optimizer": {"state": {}, "param_groups": []},
    }
    check(content, backbone, RGB, images, tmp_path)


def test_dicts_in_dicts_are_opened(images, tmp_path):
    backbone = tiny_backbone()
    for content in (
        {"model": {"ema_net": state_of(backbone)}, "epoch": 1},
        {"a": {"b": state_of(backbone)}},
        {"a": {"b": {"c": {"d": state_of(backbone)}}}},
        {"checkpoint": {"net": state_of(backbone), "lr": 0.1}, "x": 1},
    ):
        check(content, backbone, RGB, images, tmp_path)


def test_what_is_no_network_beside_one_is_left_out(images, tmp_path):
    """Moments of an optimiser have the network's shapes; a random generator's state is a tensor."""
    backbone = tiny_backbone()
    state = state_of(backbone)
    content = {
        "model": state,
        "optimizer": {"state": {key: {"exp_avg": one} for key, one in state.items()}, "param_groups": []},
        "OPTIM": state,
        "rng": {"cpu": torch.zeros(5, dtype=torch.uint8)},
        "scaler": {"scale": torch.tensor(2.0)},
        "step": torch.tensor(3),
    }
    content["itself"] = content
    assert check(content, backbone, RGB, images, tmp_path).centres is None


def test_several_dicts_of_tensors_are_listed_with_a_command(tmp_path):
    state = state_of(tiny_backbone())
    for first, second in (
        ("student", "teacher"),
        ("state_dict", "state_dict_ema"),
        ("model", "ema"),
        ("net", "model"),
    ):
        content = {first: state, second: state, "epoch": 1, "other": None}
        with pytest.raises(InputError, match=rf"got 2 \('{first}', '{second}'\).*\['{first}'\]"):
            load(save(tmp_path / "two.pth", content))


def test_tensors_beside_a_dict_of_tensors_are_a_second_network(tmp_path):
    state = state_of(tiny_backbone())
    with pytest.raises(InputError, match=r"got 2 \('the tensors beside it', 'ema'\).*\['ema'\]"):
        load(save(tmp_path / "two.pth", state | {"ema": state}))


@pytest.mark.parametrize(
    ("network", "head", "weights"),
    [
        ("backbone", "head", "rows"),
        ("model", "criterion", "rows"),
        ("model", "loss_fn", "columns"),
        ("model", "metric_fc", "sub-centres"),
        ("net", "margin", "alone"),
    ],
)
def test_a_head_in_a_dict_of_its_own_gives_the_centres(network, head, weights, images, tmp_path):
    backbone, rows = tiny_backbone(), F.normalize(torch.randn(5, 8))
    beside = {
        "rows": {"weight": rows, "bias": torch.zeros(5)},
        "columns": {"kernel": rows.T.contiguous(), "t": torch.zeros(1)},
        "sub-centres": {"weight": torch.stack([rows / 2, rows], 1)},
        "alone": rows,
    }[weights]
    content = {network: prefixed("module.", state_of(backbone)), head: beside, "epoch": 1}
    recogniser = check(content, backbone, RGB, images, tmp_path)
    torch.testing.assert_close(recogniser.centres, rows)
    assert (recogniser.subcentres is not None) == (weights == "sub-centres")


@pytest.mark.parametrize(
    "head",
    [{"weight": (5, 9)}, {"0.weight": (16, 8), "2.weight": (5, 16)}, {"a": (5, 8), "b": (6, 8)}],
    ids=["other-size", "two-layers", "two-heads"],
)
def test_a_head_that_does_not_fit_gives_no_centres(head, images, tmp_path):
    backbone = tiny_backbone()
    beside = {name: torch.randn(shape) for name, shape in head.items()}
    content = {"model": state_of(backbone), "head": beside}
    assert check(content, backbone, RGB, images, tmp_path).centres is None


@pytest.mark.parametrize(
    "head", ["head.weight", "fc.weight", "head.kernel", "classifier.fc.weight", "weight"]
)
def test_a_head_beside_a_backbone_gives_the_centres(head, images, tmp_path):
    backbone, weight = tiny_backbone(), torch.randn(5, 8)
    stored = weight.T.contiguous() if head.endswith("kernel") else weight
    content = {"state_dict": prefixed("module.backbone.", state_of(backbone)) | {f"module.{head}": stored}}
    recogniser = check(content, backbone, RGB, images, tmp_path)
    torch.testing.assert_close(recogniser.centres, F.normalize(weight))


def test_square_class_weights_follow_their_name(tmp_path):
    backbone, weight = tiny_backbone(), torch.randn(8, 8)
    state = prefixed("model.", state_of(backbone))
    rows = load(save(tmp_path / "rows.pth", state | {"fc.weight": weight}))
    torch.testing.assert_close(rows.centres, F.normalize(weight))
    columns = load(save(tmp_path / "columns.pth", state | {"head.kernel": weight}))
    torch.testing.assert_close(columns.centres, F.normalize(weight.T))


def test_a_file_of_a_head_alone_says_what_to_do(tmp_path):
    content = {"EPOCH": 4, "HEAD": {"kernel": torch.randn(8, 5), "t": torch.zeros(1)}, "OPTIMIZER": {}}
    with pytest.raises(InputError, match="head of a training, give it as --centres"):
        load(save(tmp_path / "Head_CurricularFace.pth", content))


def test_unknown_networks_are_refused_with_the_command_that_exports_them(tmp_path):
    path = save(tmp_path / "swin.pth", {f"layers.{number}.weight": torch.ones(2, 2) for number in range(20)})
    with pytest.raises(InputError, match=r"torch\.onnx\.export\(.*'swin\.onnx'"):
        load(path)


def test_mbf_stays_the_network_that_is_trained_here(images, tmp_path):
    network = with_statistics(build_backbone("mobilefacenet", width=1 / 16, embedding_size=8))
    recogniser = check(state_of(network), network, RGB, images, tmp_path)
    assert recogniser.source.architecture["network"] == "mobilefacenet"
