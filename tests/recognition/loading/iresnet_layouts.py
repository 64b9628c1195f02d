"""Files of IResNets under the names of arcface_torch, in the forms in which projects save them."""

from collections.abc import Callable
from typing import Any

from tests.recognition.loading import layouts
from tests.recognition.loading.layout_row import (
    FACTORY,
    INSIGHTFACE,
    OPTIMISER,
    UNKNOWN,
    Layout,
    Loaded,
    Refused,
    bare,
    head_of,
    with_key,
)
from tests.recognition.loading.layouts import DEPTHS, prefixed, tensors

_ARCFACE_TORCH = "deepinsight/insightface, arcface_torch"
_R50, _R100 = layouts.iresnet(DEPTHS[50]), layouts.iresnet(DEPTHS[100])


def _iresnet(depth: int, preset: str = INSIGHTFACE, **options: Any) -> Loaded:
    return Loaded(f"iresnet{depth}", preset, **options)


def of_arcface_torch() -> list[Layout]:
    rows = [
        Layout(_ARCFACE_TORCH, f"ms1mv3_r{depth}/backbone.pth", bare(layouts.iresnet(units)), _iresnet(depth))
        for depth, units in DEPTHS.items()
    ]
    for name, dim, depth in (("t", 256, 12), ("s", 512, 12), ("b", 512, 24), ("l", 768, 24)):
        file = f"wf42m_pfc03_vit_{name}/model.pt"
        rows.append(Layout(_ARCFACE_TORCH, file, bare(layouts.vit(dim, depth)), Loaded("vit", INSIGHTFACE)))
    training = {
        "epoch": 3,
        "global_step": 9,
        "state_optimizer": OPTIMISER,
        "state_lr_scheduler": {"last": 1},
    }
    centres = tensors(head_of("weight", 93431))
    more: list[tuple[str, Callable[[], Any], Loaded | Refused]] = [
        (
            "wf42m_pfc02_mbf/model.pt",
            bare(layouts.mbf((1, 4, 6, 2), 2)),
            Loaded("mobilefacenet", INSIGHTFACE),
        ),
        (
            "mbf_large/model.pt",
            bare(layouts.mbf((2, 8, 12, 4), 4)),
            Loaded("mobilefacenet-large", INSIGHTFACE),
        ),
        (
            "checkpoint_gpu_0.pt",
            with_key("state_dict_backbone", _R50, state_dict_softmax_fc=centres, **training),
            _iresnet(50),
        ),
        (
            "16backbone.pth, saved from DistributedDataParallel",
            bare(prefixed("module.", _R50)),
            _iresnet(50),
        ),
        (
            "backbone.pth of torch before 0.4.1",
            bare(layouts.iresnet(DEPTHS[34], counters=False)),
            _iresnet(34),
        ),
        ("backbone.pth, saved after torch.compile", bare(prefixed("_orig_mod.", _R50)), _iresnet(50)),
        (
            "ms1mv3_r2060/backbone.pth",
            bare(layouts.iresnet((3, 128, 640, 3))),
            Refused("expected at most 10,000 tensors", "torch.onnx.export("),
        ),
        (
            "backbone.pth of 74 layers",
            bare(layouts.iresnet((3, 6, 24, 3))),
            Refused("expected an IResNet of one of the layouts", FACTORY),
        ),
        (
            "rank_0_softmax_weight.pt",
            lambda: {"weight": centres["weight"]},
            Refused(UNKNOWN, "give it as --centres"),
        ),
    ]
    return rows + [Layout(_ARCFACE_TORCH, *row) for row in more]


def of_iresnets_elsewhere() -> list[Layout]:
    magface, r18 = "IrvingMeng/MagFace", layouts.iresnet(DEPTHS[18])
    quality = _R100 | layouts.linear("qs", 1, 512)
    state, head = "state_dict", head_of("fc.weight", 85742, transposed=True)
    named = {"arch": "iresnet100", "epoch": 25, "best_prec1": 0.9, "optimizer": OPTIMISER}
    return [
        Layout(
            magface,
            "magface_epoch_00025.pth (iresnet100)",
            with_key(state, prefixed("features.module.", _R100) | head, **named),
            _iresnet(100, "magface", classes=85742),
        ),
        Layout(
            magface,
            "magface_iresnet50_MS1MV2_dp.pth",
            with_key(state, prefixed("module.features.", _R50) | {"module.fc.weight": (512, 85742)}, **named),
            _iresnet(50, "magface", classes=85742),
        ),
        Layout(
            magface,
            "magface_iresnet18_casia_dp.pth",
            with_key(state, prefixed("module.features.", r18), **named),
            _iresnet(18, "magface"),
        ),
        Layout(
            "any project, with an attribute `features`",
            "iresnet18, last.ckpt",
            with_key("state_dict", prefixed("features.", r18)),
            _iresnet(18, "magface", ambiguous=("magface", INSIGHTFACE)),
        ),
        Layout("fdbtrs/ElasticFace", "295672backbone.pth", bare(_R100), _iresnet(100)),
        Layout("fdbtrs/CR-FIQA", "181952backbone.pth", bare(quality), _iresnet(100)),
        Layout(
            "lightning, ema", "last.ckpt (state_dict_ema)", with_key("state_dict_ema", _R50), _iresnet(50)
        ),
        Layout("timm's trainings", "model_best.pth.tar", with_key("state_dict", r18, arch="x"), _iresnet(18)),
        Layout(
            "BasicSR and its successors",
            "net_g_latest.pth",
            with_key("params_ema", _R50, iter=9),
            _iresnet(50),
        ),
        Layout("fairseq, vissl", "checkpoint.pth", with_key("model_state", _R50, epoch=1), _iresnet(50)),
        Layout(
            "accelerate, a model and its teacher",
            "both.pth",
            lambda: {"student": tensors(r18), "teacher": tensors(_R50)},
            Refused("expected one state dict, got 2", "torch.save(torch.load('both.pth'"),
        ),
        Layout(
            "any project",
            "last.ckpt (state_dict and state_dict_ema)",
            lambda: {"state_dict": tensors(r18), "state_dict_ema": tensors(r18)},
            Refused("expected one state dict, got 2", "['state_dict'], 'last-network.pth')"),
        ),
        Layout(
            "any project",
            "checkpoint.pth of a network and its head",
            lambda: {"backbone": tensors(r18), "head": tensors(head_of("weight", 100))},
            _iresnet(18, classes=100),
        ),
        Layout(
            "any project",
            "checkpoint.pth of settings and an optimiser alone",
            lambda: {"optimizer": OPTIMISER, "epoch": 3},
            Refused("got other values in it under", "torch.save(network.state_dict()"),
        ),
    ]
