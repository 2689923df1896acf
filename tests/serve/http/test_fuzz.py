"""Bodies that nobody would write: each is answered or refused, and the next one is answered."""

import json
import random
from typing import Any

from tests.serve.http.conftest import Client

BODY: dict[str, Any] = {
    "requests": [{"request_id": 1, "surface": "search", "activity": 1.0, "depth": 0.25, "country": "fr"}],
    "rank_by": {"ctr": 1.0, "octr": 2.0},
    "top_k": 3,
    "ad_ids": [7, 9],
}
STRANGE = [
    None, True, 0, -1, 2**31, 2**63, -(2**63), 2**64, 1e12, -1e12, 1e13, 1e308, 5e-324, float("nan"), float("inf"),
    1.0, "", "ctr", "search", "\x00", "é" * 600, [], {}, [[]], [None], [1.5], {"": None}, {"ctr": None},
]  # fmt: skip


def mutated(rng: random.Random, value: Any, depth: int = 0) -> Any:
    """The question with some of its places changed, removed or repeated."""
    if rng.random() < 0.08 * (1 + depth):
        return rng.choice(STRANGE)
    if isinstance(value, dict):
        kept = {name: mutated(rng, own, depth + 1) for name, own in value.items() if rng.random() < 0.95}
        return kept | ({rng.choice(["", "more", "surface", "__class__"]): 1} if rng.random() < 0.03 else {})
    if isinstance(value, list):
        return [mutated(rng, own, depth + 1) for own in value] * rng.choice([1, 1, 1, 1, 2, 60])
    return value


def torn(rng: random.Random, body: bytes) -> bytes:
    """The same bytes with some of them changed or cut off."""
    changed = bytearray(body)
    for _ in range(rng.randrange(4)):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return bytes(changed[: rng.randrange(len(changed)) if rng.random() < 0.3 else None])


def test_strange_questions_are_answered_or_refused_and_never_break_anything(client: Client) -> None:
    rng, seen = random.Random(0), set()
    for number in range(400):
        body = json.dumps(mutated(rng, BODY)).encode()
        if number % 4 == 0:
            body = torn(rng, body)
        status, answer = client.post("/rank" if number % 3 else "/embed", body)
        assert status in {200, 400, 413, 422}, (body, answer)
        assert status != 200 or answer["bundle_id"] == "0" * 64
        seen.add(status)
    assert {200, 400, 422} <= seen
    assert client.post("/rank", BODY)[0] == 200
