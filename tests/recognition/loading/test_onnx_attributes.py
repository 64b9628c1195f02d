"""Operators over their attributes, in a generated table, against onnxruntime."""

import itertools

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper

from recognition.errors import InputError
from recognition.loading.onnx_network import OnnxNetwork
from tests.recognition.loading.test_onnx_operators import SIDE, model_of

IMAGES = np.random.default_rng(0).normal(size=(2, 3, SIDE, SIDE)).astype(np.float32)
COORDINATES = ("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric")
ROUNDINGS = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
#: Scales of rows and columns: up, down, by odd factors whose sizes are rounded down, to one pixel.
SCALES = ((2.0, 2.0), (1.5, 0.5), (0.7, 1.7), (1 / 6, 3.0))


def run(model: onnx.ModelProto) -> np.ndarray | None:
    """Return onnxruntime's output; None if it does not run the model."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        return session.run(["y"], {"x": IMAGES})[0]
    except Exception:
        return None


def converted(model: onnx.ModelProto) -> np.ndarray:
    network = OnnxNetwork(model, size=SIDE, fixed_batch=None, channels_last=False, file_bytes=0).eval()
    return network(torch.from_numpy(IMAGES)).detach().numpy()


def resize_model(scales=None, sizes=None, opset=19, roi=(), **attributes) -> onnx.ModelProto:
    weights = {"roi": np.array(roi, np.float32)} if roi else {}
    if scales:
        weights["scales"] = np.array(scales, np.float32)
    if sizes:
        weights["sizes"] = np.array(sizes, np.int64)
    names = ["x", "roi" if roi else "", "scales" if scales else "", "sizes" if sizes else ""]
    return model_of([helper.make_node("Resize", names, ["y"], **attributes)], weights, opset)


def agree(model: onnx.ModelProto, tolerance: float = 1e-5) -> bool:
    """Assert that both give the same, and return whether onnxruntime runs the model."""
    expected = run(model)
    if expected is not None:
        np.testing.assert_allclose(converted(model), expected, atol=tolerance, rtol=1e-5)
    return expected is not None


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("coordinates", [*COORDINATES, "tf_half_pixel_for_nn"])
def test_nearest_neighbours_follow_coordinates_and_rounding(coordinates, rounding):
    attributes = {"coordinate_transformation_mode": coordinates, "nearest_mode": rounding}
    opset = 11 if coordinates == "tf_half_pixel_for_nn" else 19
    # tf_half_pixel_for_nn is of operator set 11 alone, which needs a region.
    region = (0.0,) * 4 + (1.0,) * 4 if opset == 11 else ()
    done = [
        agree(resize_model((1, 1, *scales), opset=opset, roi=region, mode="nearest", **attributes))
        for scales in SCALES
    ]
    done.append(
        agree(resize_model(sizes=(2, 3, 9, 4), opset=opset, roi=region, mode="nearest", **attributes))
    )
    assert sum(done) >= 4


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("coordinates", COORDINATES)
def test_kernels_follow_coordinates(coordinates, mode):
    done = []
    for scales in SCALES:
        model = resize_model((1, 1, *scales), mode=mode, coordinate_transformation_mode=coordinates)
        done.append(agree(model, 2e-5))
    done.append(
        agree(resize_model(sizes=(2, 3, 9, 4), mode=mode, coordinate_transformation_mode=coordinates), 2e-5)
    )
    assert sum(done) >= 4


@pytest.mark.parametrize(
    "attributes",
    [
        {"cubic_coeff_a": -0.5},
        {"exclude_outside": 1},
        {"cubic_coeff_a": -0.3, "exclude_outside": 1, "coordinate_transformation_mode": "asymmetric"},
    ],
    ids=["coefficient", "exclude", "both"],
)
def test_cubic_kernels_have_their_coefficient_and_border(attributes):
    assert all(agree(resize_model((1, 1, *scales), mode="cubic", **attributes), 2e-5) for scales in SCALES)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
def test_antialiasing_widens_the_kernel(mode):
    done = [
        agree(resize_model((1, 1, *scales), mode=mode, antialias=1), 1e-4)
        for scales in ((0.5, 0.5), (0.4, 0.7), (2.0, 0.5))
    ]
    assert any(done)


def test_regions_are_cut_out_and_extrapolated():
    # onnxruntime's region is relative to the whole image, and partly outside of it here.
    for region in ((0, 0, 0.2, 0.1, 1, 1, 0.7, 0.9), (0, 0, -0.2, 0.1, 1, 1, 0.7, 1.4)):
        model = resize_model(
            sizes=(2, 3, 5, 4),
            roi=region,
            mode="linear",
            coordinate_transformation_mode="tf_crop_and_resize",
            extrapolation_value=0.3,
        )
        assert agree(model)


@pytest.mark.parametrize("policy", ["stretch", "not_larger", "not_smaller"])
def test_sizes_of_some_axes_keep_the_aspect_ratio_as_asked(policy):
    model = resize_model(sizes=(9, 4), axes=[2, 3], mode="linear", keep_aspect_ratio_policy=policy)
    assert agree(model)


@pytest.mark.parametrize("mode", ["nearest", "linear"])
@pytest.mark.parametrize(("operator", "opset"), [("Upsample", 9), ("Resize", 10)])
def test_older_operator_sets_have_their_own_coordinates(operator, opset, mode):
    done = []
    for scales in SCALES if operator == "Resize" else SCALES[:1]:
        weights = {"scales": np.array((1, 1, *scales), np.float32)}
        nodes = [helper.make_node(operator, ["x", "scales"], ["y"], mode=mode)]
        done.append(agree(model_of(nodes, weights, opset)))
    assert any(done)


def pool_model(operator: str, **attributes) -> onnx.ModelProto:
    return model_of([helper.make_node(operator, ["x"], ["y"], **attributes)], {}, 19)


@pytest.mark.parametrize("operator", ["AveragePool", "MaxPool"])
@pytest.mark.parametrize("dilations", [(1, 1), (2, 1), (2, 2)], ids=str)
@pytest.mark.parametrize("ceil", [0, 1])
def test_pooling_over_its_attributes(operator, dilations, ceil):
    done = 0
    for kernel, strides, pads, counted in itertools.product(
        ((2, 2), (3, 2)), ((1, 1), (2, 2), (2, 3)), ((0, 0, 0, 0), (1, 1, 0, 1), (1, 0, 1, 1)), (0, 1)
    ):
        attributes = {"kernel_shape": kernel, "strides": strides, "pads": pads}
        attributes |= {"dilations": dilations, "ceil_mode": ceil}
        if operator == "AveragePool":
            attributes["count_include_pad"] = counted
        done += agree(pool_model(operator, **attributes))
    assert done >= 12


@pytest.mark.parametrize(
    ("operator", "attributes"),
    [
        ("Selu", {"alpha": 1.2, "gamma": 0.9}),
        ("Selu", {}),
        ("Celu", {"alpha": 2.0}),
        ("Elu", {"alpha": 0.3}),
        ("HardSigmoid", {"alpha": 0.7, "beta": 0.1}),
        ("LeakyRelu", {"alpha": -0.4}),
        ("LpNormalization", {"axis": 2, "p": 1}),
        ("Softmax", {"axis": -2}),
        ("LogSoftmax", {"axis": 0}),
        ("Flatten", {"axis": 0}),
        ("Flatten", {"axis": 3}),
        ("Transpose", {}),
        ("SpaceToDepth", {"blocksize": 3}),
    ],
    ids=str,
)
def test_constants_of_functions_are_used(operator, attributes):
    opset = 13
    assert agree(model_of([helper.make_node(operator, ["x"], ["y"], **attributes)], {}, opset))


def test_attributes_without_a_converter_are_refused():
    made = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2])
    made.attribute.append(helper.make_attribute("gravity", 3))
    with pytest.raises(InputError, match=r"node MaxPool '': no converter for its attributes gravity"):
        converted(model_of([made], {}, 13))
    made = helper.make_node("MaxPool", ["x"], ["y", "indices"], kernel_shape=[2, 2])
    with pytest.raises(InputError, match="MaxPool '': expected one output, got 2"):
        converted(model_of([made], {}, 13))
    weights = {name: np.ones(3, np.float32) for name in "abcd"}
    made = helper.make_node("BatchNormalization", ["x", *"abcd"], ["y"], training_mode=1)
    with pytest.raises(InputError, match="expected training_mode 0, got 1"):
        converted(model_of([made], weights, 15))


@pytest.mark.parametrize(
    ("operator", "attributes", "wrong"),
    [
        ("Conv", {"group": 0}, "group of 1 or more, got 0"),
        ("Conv", {"group": -3}, "group of 1 or more, got -3"),
        ("Conv", {"strides": [1, 0]}, r"strides of 1 or more, got \[1, 0\]"),
        ("Conv", {"dilations": [0, 1]}, r"dilations of 1 or more, got \[0, 1\]"),
        ("ConvTranspose", {"group": 0}, "group of 1 or more, got 0"),
        ("MaxPool", {"kernel_shape": [0, 2]}, r"kernel_shape of 1 or more, got \[0, 2\]"),
        ("AveragePool", {"kernel_shape": [2, 2], "strides": [0, 0]}, "strides of 1 or more"),
        ("LpPool", {"kernel_shape": [2, 2], "p": 0}, "p of 1 or more, got 0"),
        ("LRN", {"size": 0}, "size of 1 or more, got 0"),
        ("DepthToSpace", {"blocksize": 0}, "blocksize of 1 or more, got 0"),
        ("SpaceToDepth", {"blocksize": 0}, "blocksize of 1 or more, got 0"),
        ("GroupNormalization", {"num_groups": 0}, "num_groups of 1 or more, got 0"),
    ],
    ids=str,
)
def test_counts_below_one_are_refused(operator, attributes, wrong):
    weights = {}
    if operator.startswith("Conv"):
        weights = {"w": np.ones((3, 3, 1, 1), np.float32)}
    if operator == "GroupNormalization":
        weights = {name: np.ones(3, np.float32) for name in "ab"}
    made = helper.make_node(operator, ["x", *weights], ["y"], **attributes)
    with pytest.raises(InputError, match=f"node {operator} '': expected {wrong}"):
        converted(model_of([made], weights, 21))


def test_a_range_without_an_end_is_refused():
    weights = {name: np.array(value, np.float32) for name, value in (("a", 0), ("b", 3), ("c", 0))}
    nodes = [helper.make_node("Range", [*"abc"], ["r"]), helper.make_node("Add", ["x", "r"], ["y"])]
    with pytest.raises(InputError, match="expected a delta other than 0"):
        converted(model_of(nodes, weights, 13))
