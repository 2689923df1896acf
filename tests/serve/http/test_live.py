"""The champion is followed: whole models take over from each other, and no question notices."""

import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from mtmd.config import Declarations, Preset
from mtmd.config.model import architecture, architectures
from mtmd.export.bundle import export_bundle
from mtmd.model.ranker import TwoTower, build_model
from mtmd.serve.http.intake import Settings
from mtmd.serve.http.live import Live
from tests.serve.http.conftest import DAY, JSON, SETTINGS, Client, Line, serving, until

# What of the architectures has no default, or would take long to export.
SIZES: dict[str, Any] = {"mtmd": {"emb_deep": 8}, "split": {"each": {"architecture": "plain"}}}
QUESTION = {"requests": [{"surface": "search", "activity": 1.0, "depth": 0.25}], "top_k": 4}


@pytest.fixture
def live(line: Line) -> Iterator[Live]:
    """Followed by hand."""
    made = Live(line.root, Settings(poll_s=0.1))
    yield made
    made.stop()


def test_what_cannot_be_loaded_changes_nothing_and_says_why(line: Line, live: Live) -> None:
    line.promote(0)
    live.refresh()
    line.promote(1, publish=False)
    assert not live.refresh()
    assert live.problem == "no ads are published for champion model-1; run `mtmd publish`"
    tower = line.registry.path("model-1") / "query_search.onnx"
    content = tower.read_bytes()
    line.publish("model-1", DAY)
    tower.write_bytes(content[:-1])
    assert not live.refresh()
    assert not live.refresh()  # not tried again at once: nothing is read
    assert "query_search.onnx of model 'model-1' is" in str(live.problem)
    assert live.serving is not None
    assert live.serving.ranker.model_id == "model-0"
    tower.write_bytes(content)
    until(live.refresh)
    assert (live.problem, live.serving.ranker.model_id) == (None, "model-1")


def test_no_question_fails_while_models_take_over_from_each_other(line: Line) -> None:
    """Three promotions and a rollback under load; each model's numbers are its own, so a mixture would show."""
    seen = _take_over(line, [{"octr_scale": 1.0 + number} for number in range(4)])
    assert {bundle_id: model for model, bundle_id in seen} == {f"{n}" * 64: f"model-{n}" for n in range(4)}


@pytest.mark.slow
def test_no_question_fails_while_architectures_take_over_from_each_other(
    line: Line, declarations: Declarations, tmp_path: Path
) -> None:
    names = [name for name in architectures() if architecture(name).servable]
    for name in names:
        model = {"architecture": name, "norm_min_rows": 4} | SIZES.get(name, {})
        values = {"domains": declarations.domains, "features": declarations.features, "model": model}
        training = {"loss_weights": 1.0}
        preset = Preset.model_validate({"name": "small", "logs": "unused", "training": training} | values)
        network = build_model(name, preset)
        assert isinstance(network, TwoTower)
        (tmp_path / name).mkdir()
        export_bundle(network.eval(), preset, tmp_path / name)
    _take_over(line, [{"made": tmp_path / name} for name in names])


def _take_over(line: Line, bundles: Sequence[dict[str, Any]]) -> set[tuple[str, str]]:
    """Promote models of the bundles one after the other, and roll back the last, under load: (model, bundle) seen.

    No question fails, and each model has one answer, which is no other model's.
    """
    line.promote(0, **bundles[0])
    answers: list[tuple[int, dict]] = []
    with serving(line.root, SETTINGS) as client, ThreadPoolExecutor(3) as clients:
        done = threading.Event()
        asking = [clients.submit(_ask, client, done, answers) for _ in range(3)]
        try:
            until(lambda: answers)
            for number, bundle in enumerate(bundles[1:], start=1):
                line.promote(number, **bundle)
                until(lambda wanted=f"model-{number}": answers[-1][1]["model_id"] == wanted)
            line.registry.rollback("bad", lambda _: None)
            until(lambda: answers[-1][1]["model_id"] == f"model-{len(bundles) - 2}")
        finally:
            done.set()
        for one in asking:
            one.result()
    seen: dict[tuple[str, str], set[str]] = {}
    for status, answer in answers:
        assert status == 200
        seen.setdefault((answer["model_id"], answer["bundle_id"]), set()).add(json.dumps(answer["requests"]))
    assert {model for model, _ in seen} == {f"model-{number}" for number in range(len(bundles))}
    assert {len(own) for own in seen.values()} == {1}
    assert len(set().union(*seen.values())) == len(bundles) == len(seen)
    return set(seen)


def _ask(client: Client, done: threading.Event, answers: list[tuple[int, dict]]) -> None:
    connection = HTTPConnection("127.0.0.1", client.port, timeout=60)
    body = json.dumps(QUESTION).encode()
    while not done.is_set():
        connection.request("POST", "/rank", body, JSON)
        answer = connection.getresponse()
        answers.append((answer.status, json.loads(answer.read())))
    connection.close()
