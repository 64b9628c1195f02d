"""The memory of class centres: computed, and measured by the allocations of a step."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile

from recognition.heads import build_head
from recognition.training.group import Group
from recognition.training.memory import centres_memory
from recognition.training.modules import Modules
from recognition.training.optimiser import Optimiser
from recognition.training.options import TrainingOptions
from recognition.training.whole_head import make_classifier

OPTIONS = TrainingOptions(embedding_size=128, batch_size=64)


def measured(options, classes, tmp_path):
    """Return the most bytes of a head and its optimiser's state in a step."""
    head = build_head(options.head, options.embedding_size, classes, scale=32.0)
    modules = Modules(nn.Identity(), head, nn.ModuleList(), torch.contiguous_format)
    group = Group(torch.device("cpu"))
    classifier = make_classifier(modules, options, group)
    optimiser = Optimiser([], classifier, [], options, group=group, dtype=torch.float32)
    embeddings = torch.randn(options.batch_size, options.embedding_size).requires_grad_()
    labels = torch.randint(0, classes, (options.batch_size,))

    def step(number):
        optimiser.start(0.1)
        classifier.start(labels, number)
        optimiser.backward(classifier.loss(embeddings, embeddings, labels, 1.0)[0])
        optimiser.finish()

    step(0)
    kept = head.weight.nbytes + sum(one.nbytes for one in optimiser.inner.state[head.weight].values())
    # What is left of the first step is no part of the second.
    optimiser.start(0.1)
    classifier.values = None
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        step(1)
    profiler.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    now = most = 0
    for event in sorted((one for one in events if one.get("name") == "[memory]"), key=lambda one: one["ts"]):
        now += event["args"]["Bytes"]
        most = max(most, now)
    return kept + most


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"sample_rate": 0.1},
        {"batch_size": 256},
        {"sample_rate": 0.1, "batch_size": 256},
        {"sample_rate": 0.1, "optimiser": "adamw"},
    ],
)
def test_the_memory_of_a_step_is_as_computed(change, tmp_path):
    options = replace(OPTIONS, **change)
    computed = centres_memory(options, 4000, ranks=1, divided=options.sample_rate < 1)
    assert measured(options, 4000, tmp_path) == pytest.approx(computed, rel=0.08)


def test_each_centre_of_a_class_counts():
    one = centres_memory(OPTIONS, 4000, ranks=1, divided=False)
    three = centres_memory(OPTIONS, 4000, ranks=1, divided=False, subcentres=3)
    assert three == centres_memory(OPTIONS, 12_000, ranks=1, divided=False) > 2 * one


def test_a_tenth_of_the_classes_has_a_third_of_the_memory(tmp_path):
    """As measured for few classes, and as computed for three million, for usual sizes of batches."""
    sampled = replace(OPTIONS, sample_rate=0.1)
    assert 3 * measured(sampled, 4000, tmp_path) <= measured(OPTIONS, 4000, tmp_path)
    for batch in (128, 512, 1024):
        options = TrainingOptions(embedding_size=512, batch_size=batch)
        sampled = replace(options, sample_rate=0.1)
        whole = centres_memory(options, 3_000_000, ranks=1, divided=False)
        assert 3 * centres_memory(sampled, 3_000_000, ranks=1, divided=True) <= whole
        assert 8 * centres_memory(sampled, 3_000_000, ranks=8, divided=True) == pytest.approx(
            centres_memory(sampled, 3_000_000, ranks=1, divided=True), rel=1e-5
        )
