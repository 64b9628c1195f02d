"""Attacks on a black box from end to end, on tiny networks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from arcinvert.access import black_box_attacker, surrogate_attacker
from arcinvert.access import options as access_options
from arcinvert.access.black_box import comparing_ask, embedding_function
from arcinvert.access.black_box_attacker import BlackBoxAttacker
from arcinvert.access.candidates import candidates
from arcinvert.access.faces import load_faces
from arcinvert.access.meter import QueryMeter
from arcinvert.access.opinion import opinion_of
from arcinvert.access.options import AccessOptions
from arcinvert.access.reference_server import ReferenceServer
from arcinvert.access.surrogate_attacker import SurrogateAttacker
from arcinvert.access.target import local_target
from arcinvert.attacker import Attacker
from arcinvert.run import Run
from recognition.backbones import build_backbone
from recognition.errors import InputError
from recognition.images import to_uint8
from recognition.recogniser import Recogniser
from recognition.source import Source
from tests.arcinvert.access.test_black_box import reachable
from tests.arcinvert.support import leave_out_judge, read_result

#: Options of an attack whose result does not matter.
SHORT: dict[str, Any] = {"steps": 2, "restarts": 1}


@pytest.fixture(autouse=True)
def _unjudged(monkeypatch: pytest.MonkeyPatch) -> None:
    leave_out_judge(monkeypatch)


@pytest.fixture(scope="module")
def target() -> Recogniser:
    """Another tiny network than the surrogate, with other dimensions."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        backbone = build_backbone("iresnet18", width=1 / 16, embedding_size=24)
        backbone.train()
        for _ in range(5):
            backbone(2 * torch.rand(8, 3, 112, 112) - 1)
    return Recogniser(backbone.eval(), name="target").freeze()


class Counting:
    """A target's embeddings as a user's function, which counts the images that it sees."""

    def __init__(self, target: Recogniser) -> None:
        self._embed = embedding_function(target)
        self.seen = 0

    def __call__(self, images: Any) -> Any:
        self.seen += len(images)
        return self._embed(images)


def options(surrogate: Path, access: str, **more: Any) -> AccessOptions:
    budgets = {"embeddings": 40, "scores": 24, "decisions": 90}
    chosen: dict[str, Any] = {"access": access, "queries": budgets[access], "faces": 40}
    return AccessOptions(surrogate=str(surrogate), **(chosen | more))


def attacked(target: Recogniser, surrogate: Path, access: str, **more: Any) -> Run:
    attacker = BlackBoxAttacker(options(surrogate, access, **more), target, device="cpu")
    templates = np.random.default_rng(0).normal(size=(2, 24))
    return attacker.from_embedding(templates, **SHORT)


@pytest.mark.parametrize("access", ["embeddings", "scores", "decisions"])
def test_the_budget_is_kept_and_reported(target: Recogniser, tiny_model: Path, access: str) -> None:
    threshold = 0.0 if access == "decisions" else 0.3
    run = attacked(target, tiny_model, access, threshold=threshold)
    found = run.result["access"]
    queries = found["queries"]
    assert 0 < queries["most_for_one_person"] <= queries["budget_for_each_person"]
    assert queries["count"] == sum(queries["by_purpose"].values())
    assert queries["by_purpose"]["results"] == len(found["own_opinion"]) == len(run.images) == 2
    assert found["kind"] == access
    assert run.result["attacked"]["name"] == "target"
    assert not any("is assumed" in note for note in run.result["notes"])
    assert found["surrogate"]["name"] == "tiny"
    counted = f"asked {queries['count']:,} times"
    # What serves both people counts for each.
    of_one = f", {queries['most_for_one_person']} times at most for one person."
    assert run.result["notes"][-2].endswith(f"{counted}{of_one}")
    assert run.result["notes"][-1].startswith("The black box itself ")
    assert run.result["notes"][-1].endswith("2 images, which says little about others.")
    if access == "embeddings":
        assert [count for count, _ in found["map"]["curve"]] == [19, 38]
    if access == "scores":
        (*_, (last, highest)) = found["people"][0]["curve"]
        assert (last, highest) == (23, found["people"][0]["highest_score"])
    json.dumps(run.result)


def test_what_the_targets_file_leaves_open_is_a_note(target: Recogniser, tiny_model: Path) -> None:
    unsure = Recogniser(target.backbone, name="unsure", source=Source(readings=("insightface", "adaface")))
    notes = attacked(unsure.freeze(), tiny_model, "embeddings").result["notes"]
    (note,) = (note for note in notes if "is assumed" in note)
    assert note.startswith("unsure: its file does not say how images are prepared: insightface is assumed")


@pytest.mark.parametrize("access", ["embeddings", "scores"])
@pytest.mark.parametrize("refine", [0, 7])
def test_the_result_is_the_candidate_that_the_black_box_prefers(
    target: Recogniser, tiny_model: Path, access: str, refine: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []

    def recorded(*given: Any) -> Any:
        shown.append(candidates(*given))
        return shown[-1]

    monkeypatch.setattr(surrogate_attacker, "candidates", recorded)
    monkeypatch.setattr(surrogate_attacker, "_EXPLAINED", 2.0)
    monkeypatch.setattr(access_options, "QUERIES_FOR_A_CANDIDATE", 10)
    run = attacked(target, tiny_model, access, queries=30, faces=30, refine=refine)
    found = run.result["access"]
    queries = found["queries"]["by_purpose"]
    assert found["queries"]["most_for_one_person"] <= 30
    assert queries["candidates"] == 2 * 3
    assert queries.get("results", 0) == (2 if refine else 0)
    templates = np.random.default_rng(0).normal(size=(2, 24))
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    for row, (of_person, opinion) in enumerate(zip(shown, found["own_opinion"], strict=True)):
        answers = embedding_function(target)(to_uint8(torch.stack(list(of_person.values())))) @ templates[row]
        best = int(answers.argmax())
        assert opinion["candidate"] == list(of_person)[best]
        if refine:
            assert opinion["answer"] >= answers[best] - 1e-6
        else:
            assert opinion["answer"] == pytest.approx(answers[best], abs=1e-5)
            assert np.array_equal(run.images[row], to_uint8(of_person[opinion["candidate"]][None])[0])
    others = sum(opinion["candidate"] != "finished" for opinion in found["own_opinion"])
    said = f"It preferred another candidate to the end of the attack for {others}."
    assert (said in run.result["notes"][-1]) == bool(others)


@pytest.mark.parametrize(("needed", "shown"), [(2.0, 17), (-100.0, 18)])
def test_candidates_are_left_out_where_the_surrogate_explains_the_black_box(
    target: Recogniser, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, needed: float, shown: int
) -> None:
    monkeypatch.setattr(surrogate_attacker, "_EXPLAINED", needed)
    monkeypatch.setattr(access_options, "QUERIES_FOR_A_CANDIDATE", 10)
    found = attacked(target, tiny_model, "embeddings", queries=20, faces=20).result["access"]
    queries = found["queries"]["by_purpose"]
    assert queries["public faces"] == found["map"]["faces"] == shown
    assert queries.get("candidates", 0) == (4 if needed > 1 else 0)
    assert queries.get("results", 0) == (0 if needed > 1 else 2)
    assert found["queries"]["most_for_one_person"] == 19


def test_the_seed_decides(target: Recogniser, tiny_model: Path) -> None:
    first, again, other = (
        BlackBoxAttacker(options(tiny_model, "scores"), target, device="cpu").from_embedding(
            np.ones(24), seed=seed, steps=1, restarts=1
        )
        for seed in (0, 0, 1)
    )
    assert np.array_equal(first.images[0], again.images[0])
    assert first.result["access"] == again.result["access"]
    assert not np.array_equal(first.images[0], other.images[0])


@pytest.mark.parametrize("access", ["embeddings", "scores"])
def test_the_attack_has_nothing_of_the_target(target: Recogniser, tiny: Recogniser, access: str) -> None:
    """No attribute of the attacker's side leads to a tensor of the target, though it asks for its answers."""
    chosen = AccessOptions(access=access, queries=40)  # type: ignore[arg-type]
    system = local_target(target, chosen, chosen.access, QueryMeter(40))  # type: ignore[arg-type]
    own = Attacker(tiny, device="cpu", calibrate=False)
    side = SurrogateAttacker(system.box, own, load_faces(None, 40, seed=0), chosen, samples=1, seed=0)
    modules = [one for one in reachable(side) if isinstance(one, nn.Module)]
    tensors = {one.data_ptr() for module in modules for one in (*module.parameters(), *module.buffers())}
    theirs = {one.data_ptr() for one in (*target.parameters(), *target.buffers())}
    assert any(one is tiny.backbone for one in modules)
    assert not tensors & theirs - {0}
    assert all(parameter.grad is None for parameter in target.parameters())


def test_every_image_is_counted(
    target: Recogniser, tiny_model: Path, photograph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counting = Counting(target)
    monkeypatch.setattr("tests.arcinvert.access.test_black_box_attacker.answer", counting, raising=False)
    chosen = options(
        tiny_model,
        "embeddings",
        black_box="tests.arcinvert.access.test_black_box_attacker:answer",
        refine=10,
    )
    run = BlackBoxAttacker(chosen, device="cpu").from_image(photograph, **SHORT)
    queries = run.result["access"]["queries"]
    assert counting.seen == queries["count"] <= 40
    assert queries["by_purpose"]["templates"] == 1
    assert any(note.endswith(f"was asked {queries['count']} times.") for note in run.result["notes"])
    # What the black box says of the image that is written.
    (image,), ((opinion,),) = run.images, [[one["answer"] for one in run.result["access"]["own_opinion"]]]
    enrolled = run.result["samples"][0]["attacked_similarity"]
    assert opinion == pytest.approx(enrolled)
    assert image.dtype == np.uint8


@pytest.mark.parametrize("access", ["embeddings", "scores", "decisions"])
def test_what_comes_before_the_steps_is_reported(
    target: Recogniser, tiny_model: Path, access: str, astronaut_crop: Any
) -> None:
    """Each stage is finished, and the queries are all but those that the finished images need."""
    stages: dict[str, list[tuple[int, int]]] = {}
    steps: list[int] = []

    def on_stage(stage: str, done: int, total: int) -> None:
        assert not steps
        stages.setdefault(stage, []).append((done, total))

    chosen = options(tiny_model, access, threshold=0.0)
    attacker = BlackBoxAttacker(chosen, target, device="cpu", on_stage=on_stage)
    run = attacker.from_crops(
        [astronaut_crop, np.ascontiguousarray(astronaut_crop[:, ::-1])],
        progress=lambda step: steps.append(step.number),
        **SHORT,
    )
    assert list(stages)[:2] == [surrogate_attacker.EMBEDDING, black_box_attacker.ASKING]
    assert stages[surrogate_attacker.EMBEDDING][-1] == (40, 40)
    asked = stages[black_box_attacker.ASKING]
    assert asked == sorted(asked)
    # All but one for each finished image; faces serve both people, and each has a template.
    left = chosen.query_budget - 1
    assert {total for _, total in asked} == {left + 1 if access == "embeddings" else 2 * left}
    assert asked[-1][0] == asked[-1][1]
    assert asked[-1][0] == run.result["access"]["queries"]["count"] - len(run.images)
    assert (surrogate_attacker.LEARNING in stages) == (access == "embeddings")


def test_a_measurement_of_the_own_network_shows_a_bar_or_is_reported(
    target: Recogniser, tiny: Recogniser, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[Any] = []
    monkeypatch.setattr(surrogate_attacker, "statistics_layers", lambda recogniser: ())
    monkeypatch.setattr(Attacker, "measure", lambda self, options, progress: measured.append(progress))
    own = Attacker(tiny, device="cpu")
    reported: list[tuple[str, int, int]] = []
    for given in ({}, {"on_stage": lambda *stage: reported.append(stage)}):
        chosen = AccessOptions(access="scores", queries=40)
        box = local_target(target, chosen, "scores", QueryMeter(40)).box
        SurrogateAttacker(box, own, load_faces(None, 40, seed=0), chosen, samples=1, seed=0, **given)
    # None is a bar of the measurement's own.
    bar, report = measured
    assert bar is None
    report(3, 9)
    assert reported[-1] == (surrogate_attacker.MEASURING, 3, 9)


def test_what_a_report_raises_ends_the_attack(
    target: Recogniser, tiny_model: Path, astronaut_crop: Any
) -> None:
    def cancel(stage: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    attacker = BlackBoxAttacker(options(tiny_model, "scores"), target, device="cpu", on_stage=cancel)
    with pytest.raises(KeyboardInterrupt):
        attacker.from_crops(astronaut_crop, **SHORT)
    assert attacker.meter.count == 0


def test_a_network_that_is_loaded_already_is_the_attackers_own(
    target: Recogniser, tiny_model: Path, astronaut_crop: Any
) -> None:
    """The result is that of the file, whether the network was loaded by the attacker or before."""
    chosen = options(tiny_model, "embeddings")
    own = Attacker(tiny_model, device="cpu")
    runs = [
        BlackBoxAttacker(chosen, target, device="cpu", **given).from_crops(astronaut_crop, **SHORT)
        for given in ({}, {"own": own})
    ]
    assert np.array_equal(runs[0].images[0], runs[1].images[0])
    assert runs[0].result["access"] == runs[1].result["access"]


@pytest.mark.parametrize(
    ("images", "said"),
    [
        ([("finished", 0.5)], "gives a mean similarity of 0.500 to 1 image, which says little about others."),
        (
            [("start", 0.25), ("finished", 0.75), ("finished", None)],
            "gives a mean similarity of 0.500 to 2 images, which says little about others. It preferred "
            "another candidate to the end of the attack for 1. For 1 image no query was left, so that the "
            "similarity is the surrogate's.",
        ),
    ],
)
def test_what_a_black_box_says_in_words(images: list[tuple[str, float | None]], said: str) -> None:
    answers = [{"candidate": name, "answer": answer} for name, answer in images]
    assert opinion_of(answers, "scores") == f"The black box itself {said}"
    assert "no query was left" in opinion_of([{"candidate": "finished", "answer": None}], "scores")


def test_scores_of_a_server_with_failures(target: Recogniser, tiny_model: Path, photograph: Path) -> None:
    embed = embedding_function(target)
    person = photograph.parent.name
    template = embed(np.zeros((1, 112, 112, 3), np.uint8))[0]
    ask = comparing_ask(embed, {person: template}, decimals=2)
    with ReferenceServer(ask, "scores", failures=0.1, seed=3) as server:
        chosen = options(tiny_model, "scores", black_box=server.url, decimals=2)
        run = BlackBoxAttacker(chosen, device="cpu").from_image(photograph, **SHORT)
        queries = run.result["access"]["queries"]
        assert queries["count"] == server.requests <= 24
        assert queries["retries"] > 0
    # Attempts that fail leave the query for the answer on the image.
    (opinion,) = run.result["access"]["own_opinion"]
    assert opinion["answer"] == pytest.approx(run.result["samples"][0]["attacked_similarity"])
    assert run.result["access"]["people"][0]["highest_score"] <= 1


def test_a_server_that_only_fails_is_one_line(
    target: Recogniser, tiny_model: Path, photograph: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arcinvert.access.http_client.FIRST_WAIT", 0.0)
    monkeypatch.setattr("arcinvert.access.http_client.ATTEMPTS", 50)
    ask = comparing_ask(embedding_function(target), {})
    with ReferenceServer(ask, "scores", failures=1.0) as server:
        chosen = options(tiny_model, "scores", black_box=server.url)
        with pytest.raises(InputError, match="queries: expected room for 1 more images, got 0"):
            BlackBoxAttacker(chosen, device="cpu").from_image(photograph, **SHORT)
        assert server.requests == 23


def test_a_person_elsewhere_is_one(tiny_model: Path, photograph: Path) -> None:
    chosen = options(tiny_model, "scores", black_box="http://127.0.0.1:9/")
    attacker = BlackBoxAttacker(chosen, device="cpu")
    with pytest.raises(InputError, match="expected one with scores of a system elsewhere, got 2"):
        attacker.from_image([photograph, photograph], **SHORT)
    with pytest.raises(InputError, match="access: expected embeddings of a system elsewhere"):
        attacker.from_embedding(np.ones(24), **SHORT)
    with pytest.raises(InputError, match="access: expected embeddings of a system elsewhere for crops"):
        attacker.from_crops(np.zeros((112, 112, 3), np.uint8), **SHORT)


@pytest.mark.parametrize("given", [{"knowledge": "weights"}, {"recipe": "paper"}])
def test_what_needs_the_weights_is_refused(target: Recogniser, tiny_model: Path, given: Any) -> None:
    attacker = BlackBoxAttacker(options(tiny_model, "scores"), target, device="cpu")
    with pytest.raises(InputError, match="with a black box"):
        attacker.from_embedding(np.ones(24), **given)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model.onnx", "give a file of a network as --model"),
        ("nowhere.at.all:answer", "importable package.module:function"),
        ("math:pi", "expected a function, math:pi is float"),
    ],
)
def test_what_cannot_answer_is_refused(tiny_model: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        BlackBoxAttacker(options(tiny_model, "embeddings", black_box=text), device="cpu")


def test_attacked_photographs_among_the_public_faces_are_refused(
    target: Recogniser, tiny_model: Path, photograph: Path, tmp_path: Path, astronaut_crop: Any
) -> None:
    from recognition.images import write_png

    draw = np.random.default_rng(0)
    for number in range(12):
        noise = draw.integers(0, 256, astronaut_crop.shape, dtype=np.uint8)
        write_png(tmp_path / f"{number}.png", noise)
    (tmp_path / "same.png").write_bytes(photograph.read_bytes())
    chosen = options(tiny_model, "embeddings", public_faces=tmp_path)
    attacker = BlackBoxAttacker(chosen, target, device="cpu")
    with pytest.raises(InputError, match="public"):
        attacker.from_image(photograph, **SHORT)
    attacker = BlackBoxAttacker(chosen, target, device="cpu")
    run = attacker.from_image(photograph, out=tmp_path / "out", allow_overlap=True, **SHORT)
    assert read_result(tmp_path / "out")["overlap"]["photographs"]
    assert run.result["access"]["faces"] == {"count": 13, "kind": "public faces"}
