"""Files of IResNets with `body`, and of networks that are no IResNets."""

from collections.abc import Callable
from typing import Any

import torch

from recognition.backbones.inception_resnet import InceptionResnetV1
from tests.recognition.loading import layouts
from tests.recognition.loading.layout_row import (
    ADAFACE,
    FACEX_ZOO,
    FACTORY,
    INSIGHTFACE,
    OPTIMISER,
    TFACE,
    TREBLEN,
    UNKNOWN,
    Layout,
    Loaded,
    Refused,
    bare,
    head_of,
    with_key,
)
from tests.recognition.loading.layouts import DEPTHS, IR_152, Shapes, prefixed, tensors

_EVOLVE = "ZhaoJ9014/face.evoLVe"
_BGR_FIRST, _RGB_FIRST = (ADAFACE, INSIGHTFACE), (INSIGHTFACE, ADAFACE)
_UNPROVED = ("facex-zoo", ADAFACE, INSIGHTFACE)
_IR50, _IR50_SE = layouts.ir_body(DEPTHS[50]), layouts.ir_body(DEPTHS[50], excitation="5")


def _body(preset: str, **options: Any) -> Loaded:
    return Loaded("iresnet-body", preset, **options)


def _facenet(classes: int | None) -> Shapes:
    # The names and shapes of this network are compared with published ones in test_families.py.
    with torch.device("meta"):
        shapes = {name: tuple(one.shape) for name, one in InceptionResnetV1().state_dict().items()}
    return shapes | ({} if classes is None else layouts.linear("logits", classes, 512))


def of_bodies() -> list[Layout]:
    ada, curricular = "mk-minchul/AdaFace", "HuangYG123/CurricularFace"
    lightning = {"epoch": 24, "pytorch-lightning_version": "1.8.6", "optimizer_states": [OPTIMISER]}
    kernel = head_of("head.kernel", 85742, transposed=True)
    kernel |= {f"head.{name}": (1,) for name in ("t", "batch_mean", "batch_std")}
    rows = [
        Layout(
            ada,
            f"adaface_ir{depth}_ms1mv2.ckpt",
            with_key(
                "state_dict",
                prefixed("model.", layouts.ir_body(units, inner_norm=True, affine=False)) | kernel,
                **lightning,
            ),
            _body(ADAFACE, classes=85742),
        )
        for depth, units in ((18, DEPTHS[18]), (50, DEPTHS[50]), (101, DEPTHS[100]))
    ]
    rows += [
        Layout(
            TFACE,
            f"IR_{depth}/Backbone_Epoch_24_checkpoint.pth",
            bare(layouts.ir_body(units, inner_norm=True, affine=False)),
            _body(INSIGHTFACE, ambiguous=_RGB_FIRST),
        )
        for depth, units in ((18, DEPTHS[18]), (34, DEPTHS[34]), (50, DEPTHS[50]), (101, DEPTHS[100]))
    ]
    tface_se = layouts.ir_body(DEPTHS[50], inner_norm=True, excitation="se_block", affine=False)
    tface_152 = layouts.ir_body(IR_152, inner_norm=True, affine=False, bottleneck=True)
    tface_200 = layouts.ir_body((3, 24, 36, 3), inner_norm=True, affine=False, bottleneck=True)
    large = layouts.ir_body(DEPTHS[50], inner_norm=True, affine=False, side=14)
    bottlenecks = Refused("got bottlenecks of three", FACTORY)
    tface = "Backbone_Epoch_24_checkpoint.pth"
    more: list[tuple[str, str, Callable[[], Any], Loaded | Refused]] = [
        (TFACE, f"IR_SE_50/{tface}", bare(tface_se), _body(INSIGHTFACE, ambiguous=_RGB_FIRST)),
        (
            TFACE,
            f"IR_50 for 224 pixels/{tface}",
            bare(large),
            _body(INSIGHTFACE, size=224, ambiguous=_RGB_FIRST),
        ),
        (TFACE, f"IR_152/{tface}", bare(tface_152), bottlenecks),
        (TFACE, f"IR_200/{tface}", bare(tface_200), bottlenecks),
        (
            curricular,
            "CurricularFace_Backbone.pth (IR_101)",
            bare(layouts.ir_body(DEPTHS[100], affine=False)),
            _body(INSIGHTFACE),
        ),
        (
            curricular,
            "Backbone_IR_SE_101.pth",
            bare(layouts.ir_body(DEPTHS[100], affine=False, excitation="se_block")),
            _body(INSIGHTFACE),
        ),
        (
            curricular,
            "Head_CurricularFace.pth",
            lambda: {
                "EPOCH": 4,
                "HEAD": tensors({"kernel": (512, 85742), "t": (1,)}),
                "OPTIMIZER": OPTIMISER,
            },
            Refused(UNKNOWN, "give it as --centres"),
        ),
        (
            "cavalleria/cavaface",
            "Backbone_IR_100.pth",
            bare(layouts.ir_body(DEPTHS[100], affine=False)),
            _body(INSIGHTFACE),
        ),
        (
            "cavalleria/cavaface",
            "Backbone_IR_SE_152.pth",
            bare(layouts.ir_body(IR_152, affine=False, excitation="5")),
            _body(INSIGHTFACE),
        ),
        (TREBLEN, "model_ir_se50.pth", bare(_IR50_SE), _body(ADAFACE, ambiguous=_BGR_FIRST)),
        (TREBLEN, "model_ir_152.pth", bare(layouts.ir_body(IR_152)), _body(ADAFACE, ambiguous=_BGR_FIRST)),
        (
            TREBLEN,
            "head_final.pth",
            lambda: tensors({"kernel": (512, 85742)}),
            Refused(UNKNOWN, "give it as --centres"),
        ),
        (_EVOLVE, "backbone_ir50_ms1m_epoch120.pth", bare(_IR50), _body(ADAFACE, ambiguous=_BGR_FIRST)),
        (
            _EVOLVE,
            "Backbone_IR_152_Epoch_112.pth",
            bare(layouts.ir_body(IR_152)),
            _body(ADAFACE, ambiguous=_BGR_FIRST),
        ),
        (
            _EVOLVE,
            "Backbone_IR_SE_50, several GPUs",
            bare(prefixed("module.", _IR50_SE)),
            _body(ADAFACE, ambiguous=_BGR_FIRST),
        ),
        (
            FACEX_ZOO,
            "Resnet50-ir/Epoch_17.pt",
            with_key(
                "state_dict",
                prefixed("backbone.", _IR50) | head_of("head.weight", 72778, transposed=True),
                epoch=17,
                batch_id=1,
            ),
            _body("facex-zoo", classes=72778),
        ),
        (
            FACEX_ZOO,
            "Resnet152-irse/Epoch_17.pt",
            with_key(
                "state_dict",
                prefixed("backbone.", layouts.ir_body(IR_152, excitation="5")),
                epoch=17,
                batch_id=9,
            ),
            _body("facex-zoo"),
        ),
        (
            FACEX_ZOO,
            "Resnet50-ir of crops of eyes",
            with_key(
                "state_dict",
                prefixed("backbone.", _IR50 | layouts.linear("output_layer.3", 512, 512 * 4 * 7)),
            ),
            Refused("expected a network for square images", FACTORY),
        ),
    ]
    inner = layouts.ir_body(DEPTHS[50], inner_norm=True, affine=False)
    anyone = "any project, with an attribute"
    more += [
        (
            f"{anyone} `backbone`",
            "IR_50, last.ckpt",
            with_key("state_dict", prefixed("backbone.", _IR50)),
            _body("facex-zoo", ambiguous=_UNPROVED),
        ),
        (
            f"{anyone} `model`",
            "IR_50, last.ckpt",
            with_key("state_dict", prefixed("model.", inner) | head_of("head.kernel", 100, transposed=True)),
            _body(ADAFACE, classes=100, ambiguous=_BGR_FIRST),
        ),
    ]
    return rows + [Layout(*row) for row in more]


def of_small_networks() -> list[Layout]:
    cavaface, xiaoccer = "cavalleria/cavaface", "Xiaoccer/MobileFaceNet_Pytorch"
    grey, facenet = "ronghuaiyang/arcface-pytorch", "timesler/facenet-pytorch"
    mobile = layouts.mobilefacenet("linear")
    sphere = "clcarwin/sphereface_pytorch"
    rows: list[tuple[str, str, Callable[[], Any], Loaded | Refused]] = [
        (
            TREBLEN,
            "model_mobilefacenet.pth",
            bare(mobile),
            Loaded("mobilefacenet", ADAFACE, ambiguous=_BGR_FIRST),
        ),
        (
            _EVOLVE,
            "Backbone_MobileFaceNet_Epoch_36.pth",
            bare(mobile),
            Loaded("mobilefacenet", ADAFACE, ambiguous=_BGR_FIRST),
        ),
        (
            "any project, with an attribute `backbone`",
            "MobileFaceNet, last.ckpt",
            with_key("state_dict", prefixed("backbone.", mobile)),
            Loaded("mobilefacenet", "facex-zoo", ambiguous=_UNPROVED),
        ),
        (
            FACEX_ZOO,
            "MobileFaceNet/Epoch_17.pt",
            with_key(
                "state_dict",
                prefixed("backbone.", mobile) | head_of("head.weight", 72778, transposed=True),
                epoch=17,
                batch_id=9,
            ),
            Loaded("mobilefacenet", "facex-zoo", classes=72778),
        ),
        (
            TFACE,
            "MobileFaceNet/Backbone_Epoch_24_checkpoint.pth",
            bare(layouts.mobilefacenet("gdc", affine=False)),
            Loaded("mobilefacenet", INSIGHTFACE),
        ),
        (
            TFACE,
            "MobileFaceNet with GNAP",
            bare(layouts.mobilefacenet("gnap")),
            Loaded("mobilefacenet", INSIGHTFACE),
        ),
        (
            cavaface,
            "Backbone_MobileFaceNet.pth (GDC)",
            bare(layouts.mobilefacenet("gdc")),
            Loaded("mobilefacenet", INSIGHTFACE),
        ),
        (
            cavaface,
            "Backbone_MobileFaceNet.pth (GNAP)",
            bare(prefixed("module.", layouts.mobilefacenet("gnap"))),
            Loaded("mobilefacenet", INSIGHTFACE),
        ),
        (
            xiaoccer,
            "068.ckpt",
            with_key("net_state_dict", layouts.bottlenecks(), iters=1, total_iters=9),
            Loaded("mobilefacenet", "facenet", dim=128),
        ),
        (
            grey,
            "resnet18_110.pth",
            bare(prefixed("module.", layouts.resnet_face(True))),
            Loaded("resnet-face", INSIGHTFACE, size=128),
        ),
        (
            grey,
            "resnet18_110.pth without excitation",
            bare(prefixed("module.", layouts.resnet_face(False))),
            Loaded("resnet-face", INSIGHTFACE, size=128),
        ),
        (
            facenet,
            "20180402-114759-vggface2.pt",
            bare(_facenet(8631)),
            Loaded("inception-resnet-v1", "facenet", size=160, classes=8631),
        ),
        (
            facenet,
            "20180408-102900-casia-webface.pt",
            bare(_facenet(10575)),
            Loaded("inception-resnet-v1", "facenet", size=160, classes=10575),
        ),
        (
            facenet,
            "a network without a classifier",
            bare(_facenet(None)),
            Loaded("inception-resnet-v1", "facenet", size=160),
        ),
        (
            sphere,
            "sphere20a_20171020.pth",
            bare(layouts.sphere20()),
            Loaded("spherenet", "facex-zoo", classes=10574),
        ),
        (
            sphere,
            "sphere20a without its classifier",
            bare(layouts.sphere20(None)),
            Loaded("spherenet", "facex-zoo"),
        ),
        (
            "AlfredXiangWu/LightCNN",
            "LightCNN_9Layers_checkpoint.pth.tar",
            with_key("state_dict", prefixed("module.", layouts.light_cnn_9()), epoch=80),
            Refused(UNKNOWN, "torch.onnx.export("),
        ),
        (
            "ox-vgg/vgg_face2",
            "resnet50_scratch.pth",
            bare(layouts.resnet50()),
            Refused(UNKNOWN, "torch.onnx.export("),
        ),
        ("VGG-Face", "vgg_face_dag.pth", bare(layouts.vgg_face()), Refused(UNKNOWN, "torch.onnx.export(")),
    ]
    return [Layout(*row) for row in rows]
