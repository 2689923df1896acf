"""Who may ask: keys of a file or of the environment, exchanged without a restart, and no open door by mistake."""

import hashlib
import logging
import os
from pathlib import Path

import pytest

from mtmd.errors import ConfigError
from mtmd.serve.http import __main__ as service
from mtmd.serve.http import keys as keys_module
from mtmd.serve.http.keys import Keys, require_safe
from tests.serve.http.conftest import JSON, SETTINGS, Client, Line, serving

OLD, NEW = "old-key-of-the-ranker", "new-key-of-the-ranker"
QUESTION = b'{"requests": [{"surface": "search", "activity": 1.0, "depth": 0.25}]}'


def asked(client: Client, headers: dict[str, str], path: str = "/rank") -> int:
    method, body = ("POST", QUESTION) if path in {"/rank", "/embed"} else ("GET", None)
    return client.send(method, path, body, JSON | headers)[0]


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def test_keys_are_exchanged_without_a_restart(
    line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(keys_module, "_POLL_S", 0.0)
    line.promote(0)
    file = tmp_path / "keys"
    file.write_text(f"# of the ranker\n\n{OLD}\n")
    with serving(line.root, SETTINGS, Keys.of(file, {})) as client:
        assert asked(client, bearer(OLD)) == 200
        assert asked(client, bearer(NEW)) == 401
        file.write_text(f"{OLD}\nsha256:{hashlib.sha256(NEW.encode()).hexdigest()}\n")
        assert [asked(client, bearer(key)) for key in (OLD, NEW)] == [200, 200]
        file.write_text("short\n")
        assert [asked(client, bearer(key)) for key in (OLD, NEW, "short")] == [200, 200, 401]
        file.unlink()
        with caplog.at_level(logging.WARNING):
            assert asked(client, bearer(NEW)) == 200
        assert f"the keys of {file} stay as they were: " in caplog.text
        file.write_text(NEW)
        assert [asked(client, bearer(key)) for key in (OLD, NEW)] == [401, 200]
        _every_path_asks_for_one(client)


def _every_path_asks_for_one(client: Client) -> None:
    for path in ("/rank", "/embed", "/metrics", "/openapi.json"):
        assert [asked(client, one, path) for one in (bearer(NEW), {"x-api-key": NEW})] == [200, 200]
        wrong = ("", "Bearer", f"bearer {NEW}x", f"Digest {NEW}", NEW)
        assert {asked(client, {"authorization": one}, path) for one in wrong} == {401}
        assert asked(client, {"x-api-key": "\xe9" * 20}, path) == 401
    status, headers, content = client.send("POST", "/rank", QUESTION, JSON)
    assert (status, headers["www-authenticate"]) == (401, 'Bearer realm="mtmd"')
    assert b"Authorization: Bearer KEY" in content
    assert client.send("GET", "/health")[::2] == (200, b"ok")
    assert client.send("GET", "/ready")[::2] == (200, b"ready")
    assert b'"model_id":"model-0"' in client.send("GET", "/ready", headers=bearer(NEW))[2]
    document = client.send("GET", "/openapi.json", headers=bearer(NEW))[2]
    assert document.count(b'"security":[{"HTTPBearer":[]},{"APIKeyHeader":[]}]') == 4
    metrics = client.send("GET", "/metrics", headers=bearer(NEW))[2].decode()
    assert 'mtmd_request_seconds_count{path="/rank",status="401"}' in metrics


def test_who_shows_no_key_does_not_learn_why_nothing_is_ready(line: Line) -> None:
    with serving(line.root, SETTINGS, Keys.of(None, {"MTMD_API_KEYS": f"{OLD}, {NEW}"})) as client:
        assert client.send("GET", "/ready")[::2] == (503, b"not ready")
        assert b"has no champion" in client.send("GET", "/ready", headers={"x-api-key": NEW})[2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no keys; it must have at least one"),
        ("# nothing\n", "has no keys"),
        (f"{NEW}\nsecret\n", "key 2 of .* has 6 characters; a key must be 16 to 512 visible"),
        ("a key with spaces in it\n", "key 1 of .* has 23 characters"),
        ("sha256:0123456789abcdef\n", "64 hexadecimal digits of its digest"),
    ],
)
def test_keys_that_are_none_are_refused_and_never_shown(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(ConfigError, match=words) as refused:
        Keys.of(file, {})
    assert "secret" not in str(refused.value)


def test_keys_come_from_one_place(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(OLD)
    with pytest.raises(ConfigError, match=r"keys are given by .*keys and by MTMD_API_KEYS"):
        Keys.of(tmp_path / "keys", {"MTMD_API_KEYS": OLD})
    with pytest.raises(ConfigError, match="cannot be read"):
        Keys.of(tmp_path / "nowhere", {})
    with pytest.raises(ConfigError, match="MTMD_API_KEYS has no keys"):
        Keys.of(None, {"MTMD_API_KEYS": " "})
    assert Keys.of(None, {}) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.7", "ranker.internal"])
def test_the_network_is_not_let_in_by_mistake(host: str) -> None:
    with pytest.raises(ConfigError, match="can be reached from the network and no keys are set"):
        require_safe(host, None, open_to_the_network=False)
    require_safe(host, Keys.of(None, {"MTMD_API_KEYS": OLD}), open_to_the_network=False)
    require_safe(host, None, open_to_the_network=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_needs_no_key(host: str) -> None:
    require_safe(host, None, open_to_the_network=False)


def test_the_command_refuses_before_it_listens(
    line: Line, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(os.environ, "MTMD_API_KEYS", raising=False)
    monkeypatch.setattr("uvicorn.Server.run", lambda *_: pytest.fail("it listens"))
    assert service.main([str(line.root), "--host", "0.0.0.0"]) == 1
    assert "host (0.0.0.0) can be reached from the network" in capsys.readouterr().err
