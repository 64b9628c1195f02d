"""The table of operators and their attributes against onnxruntime, and that it leaves none out."""

from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from recognition.errors import InputError
from recognition.loading.onnx_network import OPERATORS, OnnxNetwork
from recognition.loading.onnx_operators.attributes import IMPLEMENTED
from tests.recognition.loading import test_onnx_attributes as attributes_tests
from tests.recognition.loading.onnx_table import TABLE, WITHOUT_EFFECT, Row
from tests.recognition.loading.test_onnx_attributes import converted, run
from tests.recognition.loading.test_onnx_operators import CASES, SIDE, model_of

#: Attributes of resizing, which has tests of its own over their combinations.
RESIZING = IMPLEMENTED["Resize"]


def identified(row: Row) -> str:
    return f"{row.operator}-{TABLE.index(row)}"


@pytest.mark.parametrize("row", TABLE, ids=identified)
def test_an_operator_follows_its_attributes(row):
    done = 0
    for given, model in row.models():
        expected = run(model)
        if expected is None:
            # onnxruntime does not have this combination.
            continue
        found = converted(model)
        done += 1
        np.testing.assert_allclose(
            found.astype(np.float32), expected, atol=row.tolerance, rtol=1e-5, err_msg=str(given)
        )
    assert done, "onnxruntime ran none of the row's models"


def test_every_attribute_that_is_implemented_is_in_the_table():
    tested: dict[str, set[str]] = {}
    for row in TABLE:
        used = {name for name, values in row.attributes.items() if any(one is not None for one in values)}
        tested.setdefault(row.operator, set()).update(used)
    for operator, names in IMPLEMENTED.items():
        known = tested.get(operator, set()) | WITHOUT_EFFECT.get(operator, {}).keys()
        missing = set(names.split()) - known - (set(RESIZING.split()) if operator == "Resize" else set())
        assert not missing, f"{operator}: {missing}"
    assert IMPLEMENTED.keys() <= OPERATORS


def test_resizing_is_tested_over_all_its_attributes():
    text = Path(attributes_tests.__file__).read_text(encoding="utf-8")
    assert [name for name in RESIZING.split() if name not in text] == []


def test_the_table_and_the_single_cases_have_every_operator_with_attributes():
    assert IMPLEMENTED.keys() - {"Constant"} <= {row.operator for row in TABLE} | {one[0] for one in CASES}


@pytest.mark.parametrize("operator", sorted(OPERATORS - {"Constant"}))
def test_an_attribute_that_is_not_implemented_is_refused_in_one_line(operator):
    made = helper.make_node(operator, ["x"], ["y"], gravity=9.81)
    with pytest.raises(InputError, match=f"node {operator} '': .*gravity") as caught:
        OnnxNetwork(model_of([made], {}, 20), size=SIDE, fixed_batch=None, channels_last=False, file_bytes=0)
    assert "\n" not in str(caught.value)
