"""Class weights beside a backbone in one dict, under the names that projects and their users choose."""

import shlex
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from recognition.errors import InputError, InputWarning
from recognition.loading import ModelChoice, load
from tests import forked
from tests.recognition.loading.files import save, state_of, tiny_backbone, tiny_body, tiny_facenet

CENTRES = torch.randn(11, 8, generator=torch.Generator().manual_seed(3))
ACROSS = CENTRES.T.contiguous()
NETWORKS = {
    "iresnet": lambda: state_of(tiny_backbone()),
    "body": lambda: state_of(tiny_body(inner_norm=False)),
    "facenet": lambda: state_of(tiny_facenet()),
}
#: Names of heads with their weights.
HEADS = {
    "arcface.weight": CENTRES,
    "margin.kernel": ACROSS,
    "classifier.W": ACROSS,
    "product.weight": CENTRES,
    "metric_fc.weight": CENTRES,
    "loss.weight": CENTRES,
    "_head.weight": CENTRES,
    "arc_margin.weight": CENTRES,
    "ArcMarginProduct.weight": CENTRES,
    "fc_pid.weight": CENTRES,
    "id_classifier.fc.weight": CENTRES,
    "criterion.centers": CENTRES,
    "partial_fc.weight": CENTRES,
    "arclayer.weight": CENTRES,
    "proxies": CENTRES,
}
#: Names of backbones; a much used project calls it `arcface`, and others so their heads.
PREFIXES = ("", "backbone.", "module.", "module.net.", "embedding_net.", "trunk.", "arcface.")


def write(path, network, prefix, head):
    """Write one state dict of a backbone under a prefix and a head beside it."""
    outer = "module." if prefix.startswith("module.") else ""
    backbone = {prefix + key: value for key, value in network.items()}
    return save(path, backbone | {outer + key: value for key, value in head.items()})


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    return NETWORKS[request.param]()


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_head_is_found_beside_any_prefix(prefix, network, tmp_path):
    path = write(tmp_path / "both.pth", network, prefix, {"head.kernel": ACROSS})
    recogniser = load(ModelChoice(path, preset="insightface"))
    torch.testing.assert_close(recogniser.centres, F.normalize(CENTRES))


@pytest.mark.parametrize("prefix", ["", "trunk."])
@pytest.mark.parametrize("name", HEADS)
def test_a_head_is_found_under_its_name(name, prefix, tmp_path):
    network = NETWORKS["body"]()
    path = write(tmp_path / "both.pth", network, prefix, {name: HEADS[name]})
    recogniser = load(ModelChoice(path, preset="insightface"))
    torch.testing.assert_close(recogniser.centres, F.normalize(CENTRES))
    # As centres of the backbone alone, too.
    alone = save(tmp_path / "alone.pth", network)
    recogniser = load(ModelChoice(alone, preset="insightface", centres=path))
    torch.testing.assert_close(recogniser.centres, F.normalize(CENTRES))


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_subcentres_beside_a_backbone_are_found(prefix, network, tmp_path):
    weights = CENTRES[:, None] * torch.tensor([1.0, 0.5, 0.2])[:, None]
    path = write(tmp_path / "both.pth", network, prefix, {"arc_head.weight": weights})
    recogniser = load(ModelChoice(path, preset="insightface"))
    torch.testing.assert_close(recogniser.centres, F.normalize(CENTRES))
    assert recogniser.subcentres.count == 3


@pytest.mark.parametrize("prefix", ["", "backbone.", "trunk."])
@pytest.mark.parametrize(
    "extra",
    [
        {"projection.weight": torch.ones(4, 8)},
        {"neck.weight": torch.ones(8), "neck.bias": torch.ones(8), "arcface.weight": CENTRES},
        {"colours.weight": torch.ones(3, 3)},
    ],
    ids=["after it", "between", "before it"],
)
def test_what_may_be_a_layer_is_refused(extra, prefix, network, tmp_path):
    path = write(tmp_path / "both.pth", network, prefix, extra)
    first = next(iter(extra))
    with pytest.raises(
        InputError, match=rf"got '{first}' .*may be another layer.*package\.module:fact"
    ) as error:
        load(ModelChoice(path, preset="insightface"))
    assert str(error.value).count("package.module:factory") == 1


@pytest.mark.parametrize("prefix", ["", "backbone."])
def test_two_heads_are_named_and_none_is_taken(prefix, network, tmp_path):
    heads = {"id_head.weight": CENTRES, "age_head.weight": CENTRES[:5]}
    path = write(tmp_path / "both.pth", network, prefix, heads)
    with pytest.warns(
        InputWarning, match=r"'id_head.weight' \(11, 8\) and 'age_head.weight' \(5, 8\) can be"
    ):
        assert load(ModelChoice(path, preset="insightface")).centres is None


def test_a_head_of_several_layers_gives_no_centres(network, tmp_path):
    heads = {"head.0.weight": torch.ones(8, 8), "head.2.weight": torch.ones(4, 8)}
    path = write(tmp_path / "both.pth", network, "backbone.", heads)
    with warnings.catch_warnings():
        warnings.simplefilter("error", InputWarning)
        assert load(ModelChoice(path, preset="insightface")).centres is None


def test_a_dict_of_its_own_that_is_no_head_is_refused(network, tmp_path):
    path = save(tmp_path / "both.pth", {"model": network, "whitening": {"matrix": torch.eye(8)}})
    with pytest.raises(InputError, match=r"got 'whitening.matrix' \(8, 8\) beside it"):
        load(ModelChoice(path, preset="insightface"))


def test_axes_of_subcentres_that_are_turned_round_are_refused(network, tmp_path):
    turned = CENTRES.expand(3, 11, 8).contiguous()
    path = write(tmp_path / "both.pth", network, "", {"arcface.weight": turned})
    with pytest.raises(
        InputError, match=r"\(classes, K, 8\).*got \(3, 11, 8\), which may be \(K, classes, 8\)"
    ):
        load(ModelChoice(path, preset="insightface"))


class Wrapped(nn.Module):
    """A network of one's own code whose convolutions are all in one layer."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(3, 3, 3, padding=1) for _ in range(5)), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.projection = nn.Linear(3, 8)

    def forward(self, images):
        return self.projection(self.features(images))


@pytest.mark.parametrize("prefix", ["", "module."])
def test_ones_own_code_keeps_the_layers_beside_its_features(prefix, tmp_path):
    torch.manual_seed(0)
    wrapped = Wrapped().eval()
    state = {prefix + key: value for key, value in wrapped.state_dict().items()}
    path = save(tmp_path / "wrapped.pth", state)
    recogniser = load(f"{__name__}:Wrapped@{path}")
    images = torch.rand(2, 3, 112, 112)
    with torch.no_grad():
        torch.testing.assert_close(recogniser(images), F.normalize(wrapped(2 * images - 1)))


@pytest.mark.parametrize("outer", ["", "module."])
def test_networks_side_by_side_are_named_with_the_command_that_saves_one(outer, network, tmp_path):
    state = {f"{outer}{name}.{key}": one for name in ("query", "key") for key, one in network.items()}
    path = save(tmp_path / "both.pth", {"state_dict": state})
    with pytest.raises(InputError, match=r"expected one network, got 2 \('query', 'key'\) beside") as error:
        load(ModelChoice(path, preset="insightface"))
    command = str(error.value).partition("save one of them alone: ")[2]
    python, flag, code = shlex.split(command)
    assert (python, flag) == ("python", "-c")
    done = forked.run(forked.code, code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    alone = load(ModelChoice(tmp_path / "both-network.pth", preset="insightface"))
    whole = load(ModelChoice(save(tmp_path / "whole.pth", network), preset="insightface"))
    images = torch.rand(2, 3, whole.input_size, whole.input_size)
    torch.testing.assert_close(alone(images), whole(images))


def test_counts_of_metrics_beside_a_backbone_are_no_layers(network, tmp_path):
    counts = {"val_acc.tp": torch.tensor(3), "matrix.confusion": torch.ones(8, 8, dtype=torch.int64)}
    path = write(tmp_path / "both.pth", network, "net.", counts | {"loss.weight": CENTRES})
    assert len(load(ModelChoice(path, preset="insightface")).centres) == 11
    path = write(tmp_path / "counts.pth", network, "net.", {"val_acc.tp": torch.tensor(3)})
    assert load(ModelChoice(path, preset="insightface")).centres is None


def test_a_normalisation_behind_a_backbone_is_refused(network, tmp_path):
    norm = state_of(nn.BatchNorm1d(8))
    beside = {f"bottleneck.{key}": one for key, one in norm.items()} | {"head.weight": CENTRES}
    for prefix in ("", "backbone."):
        path = write(tmp_path / "both.pth", network, prefix, beside)
        with pytest.raises(
            InputError, match=r"got 'bottleneck.weight' \(8,\) and .*another layer of the net"
        ):
            load(ModelChoice(path, preset="insightface"))
