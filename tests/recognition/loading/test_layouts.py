"""The layouts of public files: each is loaded as it should be, or refused with what to do."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recognition.errors import InputError
from recognition.loading import PRESETS
from recognition.loading.class_weights import head_weights
from recognition.loading.families import recognise
from recognition.loading.families.base import Network
from recognition.loading.limits import meta_state
from recognition.loading.state_dicts import Weights, find_weights
from tests.recognition.loading import layouts
from tests.recognition.loading.layout_row import Layout, Loaded, Refused
from tests.recognition.loading.layout_table import LAYOUTS, table

PAGE = Path(__file__).parents[3] / "docs" / "public-files.md"


def rows(kind: type) -> list:
    chosen = [row for row in LAYOUTS if isinstance(row.expected, kind)]
    return [pytest.param(row, id=f"{row.project.split('/')[-1]}-{row.file.split('/')[0]}") for row in chosen]


def path_of(row: Layout) -> Path:
    return Path(row.file.split(" ")[0].split("/")[-1])


def open_layout(row: Layout) -> tuple[Weights, Network, torch.Tensor | None]:
    """Do what `load` does with the file's content."""
    weights = find_weights(row.content(), path_of(row))
    return weights, *recognise(
        weights.tensors, path_of(row), marks=weights.marks, beside=weights.beside | weights.head.keys()
    )


@pytest.mark.parametrize("row", rows(Loaded))
def test_a_public_file_is_taken_for_what_it_is(row):
    expected = row.expected
    weights, network, class_weights = open_layout(row)
    assert network.architecture["network"] == expected.network
    assert network.architecture["embedding_size"] == expected.dim
    assert network.preprocessing == replace(PRESETS[expected.preset], input_size=expected.size)
    assert network.readings == expected.ambiguous
    assert network.reason.startswith("ambiguous") == bool(expected.ambiguous)
    # On the meta device nothing is computed but shapes.
    images = torch.empty(2, 3, expected.size, expected.size, device="meta")
    module = network.module.eval()
    embeddings = torch.func.functional_call(module, meta_state(module), (images,))
    assert embeddings.shape == (2, expected.dim)
    found = class_weights
    if found is None and (head := head_weights(weights.head, expected.dim, path_of(row))) is not None:
        found = head[0]
    assert (found is None) == (expected.classes is None)
    assert found is None or expected.classes in found.shape


@pytest.mark.parametrize("row", rows(Refused))
def test_a_public_file_is_refused_with_what_to_do(row):
    with pytest.raises(InputError) as caught:
        open_layout(row)
    message = str(caught.value)
    assert row.expected.reason in message
    assert row.expected.advice in message
    assert message.startswith(f"{path_of(row)}: ")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("shapes", "changes", "reason"),
    [
        (layouts.iresnet(layouts.DEPTHS[18]), {"fc.weight": (512, 512 * 49 // 4)}, "112x112 images"),
        (layouts.vit(256, 1), {"pos_embed": (1, 49, 256)}, "expected a vision transformer"),
        (layouts.sphere20(), {"fc5.weight": (512, 512 * 49)}, "112x96 images"),
        (layouts.bottlenecks(), {"linear7.conv.weight": (512, 1, 6, 5)}, "112x112 or 112x96 images"),
        (layouts.resnet_face(True), {"fc5.weight": (512, 512 * 49)}, "128x128 images"),
        (layouts.mobilefacenet("linear"), {"conv_6_sep.bn.weight": (9,)}, "do not fit"),
        (layouts.ir_body((1, 1, 1, 1)), {"body.0.res_layer.1.weight": (9, 9, 3, 3)}, "do not fit"),
    ],
    ids=["iresnet", "vit", "sphere", "bottlenecks", "grey", "mobilefacenet", "body"],
)
def test_a_network_that_differs_from_its_family_can_be_built_by_its_own_code(shapes, changes, reason):
    state = layouts.tensors({**shapes, **changes})
    with pytest.raises(InputError, match=reason) as caught:
        recognise(state, Path("network.pth"))
    assert str(caught.value).endswith("give the code that builds it as package.module:factory@network.pth")
    assert "\n" not in str(caught.value)


def test_the_page_shows_the_whole_table():
    assert len({(row.project, row.file) for row in LAYOUTS}) == len(LAYOUTS) >= 60
    text = PAGE.read_text(encoding="utf-8")
    assert table() in text
    assert f"{len(LAYOUTS)} files" in text
