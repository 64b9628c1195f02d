"""ONNX operators as torch functions, `(node, *inputs)` to the output or a tuple of outputs.

Operators with weights are modules in `recognition.loading.onnx_layers`.

Source: the ONNX operator specification, operator sets 7 to 23.
"""

from recognition.loading.onnx_operators import elementwise, feature_maps, indexing, quantisation, shapes
from recognition.loading.onnx_operators.base import Function

#: Functions by operator.
FUNCTIONS: dict[str, Function] = (
    elementwise.FUNCTIONS
    | shapes.FUNCTIONS
    | indexing.FUNCTIONS
    | feature_maps.FUNCTIONS
    | quantisation.FUNCTIONS
)
