"""A champion that answers a share of the users: who has which model, and that nobody notices a change."""

import json
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mtmd.errors import BundleError, RegistryError
from mtmd.promote.rollback import roll_out
from mtmd.serve.http.intake import Settings
from mtmd.serve.http.live import Live
from mtmd.store.workspace import Workspace
from tests.serve.http.conftest import SETTINGS, Client, Line, serving, until

ROW = {"surface": "search", "activity": 1.0, "depth": 0.25}


@pytest.fixture
def two(line: Line) -> Line:
    """Model 1 answers a half of the users, model 0 the others: users 1 and 2."""
    line.promote(0)
    line.promote(1, octr_scale=3.0)
    line.publish("model-0", line.registry.manifest("model-1").as_of)
    assert roll_out(Workspace(line.root), 0.5, "try it") == (
        "model-1 answers 0.5 of the users, model-0 the others"
    )
    return line


def rows(*users: object) -> list[dict[str, Any]]:
    return [ROW | {"request_id": place, "user_id": user} for place, user in enumerate(users)]


@pytest.mark.parametrize("path", ["/rank", "/embed"])
def test_a_call_with_users_of_both_models_is_answered_request_by_request(two: Line, path: str) -> None:
    champion = two.registry.require_champion()
    new = next(user for user in range(99) if champion.has_live(user))
    old = next(user for user in range(99) if not champion.has_live(user))
    more = {"ad_ids": [7, 99]} if path == "/rank" else {}
    with serving(two.root, SETTINGS) as client:
        alone = {user: client.post(path, {"requests": rows(user)} | more)[1] for user in (new, old)}
        assert [alone[user]["model_id"] for user in (new, old)] == ["model-1", "model-0"]
        for user in range(20):  # however JSON writes an id, it is one user, as in the logs
            written = (client.post(path, {"requests": rows(form(user))})[1] for form in (int, float, str))
            assert {answer["model_id"] for answer in written} == {champion.model_of(user)}
        status, mixed = client.post(path, {"requests": rows(old, new, None, str(new))} | more)
        assert (status, mixed["model_id"]) == (200, "model-0")
        assert mixed.get("unpublished") == ((more and [99]) or None)
        models = [row.pop("model_id", None) for row in mixed["requests"]]
        assert models == [None, "model-1", None, "model-1"]  # whoever has no id keeps the model of before
        assert [row.pop("request_id") for row in mixed["requests"]] == [0, 1, 2, 3]
        answers = [alone[user]["requests"][0] | {"request_id": 0} for user in (old, new, old, new)]
        assert [{"request_id": 0} | row for row in mixed["requests"]] == answers
        wrong = [*rows(old, new), rows(new)[0] | {"surface": "sidebar"}]
        assert client.post(path, {"requests": wrong})[1]["detail"][0]["loc"][:3] == ["requests", 2, "surface"]
        many = rows(*range(SETTINGS.requests + 1))
        for body in (
            {"requests": many},
            b"{",
            b"[" * 9000,
            {"requests": 3},
            {"requests": [3]},
            {"requests": []},
        ):
            assert client.post(path, body)[0] == 422
        assert client.get("/ready")[1]["rollout"] == "model-1 answers 0.5 of the users, model-0 the others"
        text = client.send("GET", "/metrics")[2].decode()
        assert text.count("mtmd_serving_info{") == 2


@pytest.mark.parametrize("lost", ["models/model-1/query_search.onnx", "ads/model-0/current.json"])
def test_a_service_that_finds_one_of_two_models_gives_it_to_everybody(two: Line, lost: str) -> None:
    path, sound = two.root / lost, "model-0" if "model-1" in lost else "model-1"
    content, live = path.read_bytes(), Live(two.root, Settings(poll_s=0.001))
    path.unlink()
    assert live.refresh()
    alone = live.serving
    assert alone is not None
    assert (alone.ranker.model_id, alone.others) == (sound, None)
    assert str(live.problem).endswith(f"; {sound} answers all users")
    time.sleep(0.02)
    assert not live.refresh()  # tried again: nothing is swapped
    path.write_bytes(content)
    until(live.refresh)
    both = live.serving
    assert both is not None
    assert (live.problem, both.rollout) == (None, two.registry.require_champion())
    two.promote(2, publish=False)
    assert not live.refresh()
    assert live.serving is both  # each user keeps the model that answers


def test_a_rollout_that_cannot_be_is_refused_and_changes_nothing(line: Line) -> None:
    workspace = Workspace(line.root)
    line.promote(0)
    with pytest.raises(RegistryError, match="no champion before the live model"):
        roll_out(workspace, 0.1)
    line.promote(1)
    for share in (0.0, 1.1, float("nan")):
        with pytest.raises(RegistryError, match=rf"share \({share:g}\) must be between 0\.0001 and 1"):
            roll_out(workspace, share)
    with pytest.raises(RegistryError, match="model-1 answers all users already"):
        roll_out(workspace, 1.0)
    with pytest.raises(
        RegistryError, match=r"model 'model-0' is not live \(model-1 is\); nothing was changed"
    ):
        roll_out(workspace, 0.1, model="model-0")
    (line.root / "ads" / "model-0" / "current.json").unlink()
    with pytest.raises(BundleError, match="no ads are published for champion model-0"):
        roll_out(workspace, 0.1)
    (line.registry.path("model-0") / "query_search.onnx").write_bytes(b"altered")
    with pytest.raises(BundleError, match=r"query_search\.onnx of model 'model-0'"):
        roll_out(workspace, 0.1)
    assert [change.action for change in line.registry.history()] == ["promote", "promote"]
    assert b"share" not in b"".join(path.read_bytes() for path in line.root.glob("**/*.json"))


def test_each_user_has_one_model_through_a_rollout_a_promotion_and_a_rollback(line: Line) -> None:
    """10,000 requests of two clients: none fails, and a tenth of the users has the new models until the rollback."""
    line.promote(0)
    line.promote(1)
    roll_out(Workspace(line.root), 0.1)
    seen: dict[int, list[str]] = defaultdict(list)
    users = iter(range(10_000_000))
    allowed, lock = threading.Semaphore(0), threading.Lock()

    def ask(client: Client) -> None:
        while allowed.acquire(timeout=60) and not done.is_set():
            own = [next(users) % 5_000 for _ in range(20)]
            status, answer = client.post("/rank", {"requests": rows(*own), "top_k": 1})
            assert status == 200
            with lock:
                for user, row in zip(own, answer["requests"], strict=True):
                    seen[user].append(row.get("model_id", answer["model_id"]))

    def asked(requests: int) -> int:
        allowed.release(requests // 20)
        wanted = sum(map(len, seen.values())) + requests
        until(lambda: sum(map(len, seen.values())) >= wanted or any(one.done() for one in asking))
        return sum(map(len, seen.values()))

    done = threading.Event()
    settings = Settings(poll_s=0.02, timeout_s=60)
    with serving(line.root, settings) as client, ThreadPoolExecutor(2) as clients:
        asking = [clients.submit(ask, client) for _ in range(2)]
        assert asked(5_000) == 5_000
        line.promote(2)
        until(lambda: client.get("/ready")[1]["model_id"] == "model-2")
        assert asked(3_000) == 8_000
        line.registry.rollback("bad conversions", lambda _: None)
        until(lambda: client.get("/ready")[1]["model_id"] == "model-0")
        assert asked(2_000) == 10_000
        done.set()
        allowed.release(2)
        for one in asking:
            one.result()
    orders = {tuple(dict.fromkeys(models)) for models in seen.values()}
    assert orders <= {("model-0",), ("model-1",), *((f"model-{n}", "model-0") for n in (1, 2)),
                      ("model-1", "model-2"), ("model-1", "model-2", "model-0")}  # fmt: skip
    assert len(orders) > 2
    new = sum(models[0] != "model-0" for models in seen.values())
    assert len(seen) == 5_000
    assert new / 5_000 == pytest.approx(0.1, abs=0.01)
    champion = line.registry.require_champion()
    assert (champion.model_id, champion.share, champion.rolled_back) == ("model-0", 1.0, ("model-2",))
    assert json.loads((line.root / "champion.json").read_text())["standing"][0]["model_id"] == "model-0"
