"""More than the service takes, for a few seconds, with connections beyond its limit and slow clients among them."""

import json
from pathlib import Path

from benchmarks.service_clients import Answers, Load
from benchmarks.service_load import Seen, loaded, table
from tests.serve.conftest import MakeBundle, declarations, make_bundle
from tests.serve.http.conftest import Line

__all__ = ["declarations", "make_bundle"]
QUESTION = {"requests": [{"surface": "search", "activity": 1.0, "depth": 0.25}], "top_k": 2}


def test_too_much_is_told_to_come_back_and_what_comes_afterwards_is_answered(
    make_bundle: MakeBundle, tmp_path: Path
) -> None:
    line = Line(tmp_path / "line", make_bundle)
    line.promote(0)
    load = Load(duration_s=3, connections=600, slow=60, published=4, named=0, asked_s=1, timeout_s=20)
    seen = loaded(line.root, [json.dumps(QUESTION).encode()], load)
    assert {"200"} <= seen.answers.quick.keys() <= {"200", "503"}
    assert {"408"} <= seen.answers.slow.keys() <= {"408", "503", "closed"}
    assert max(seen.memory_mb) < 2 * seen.memory_mb[0]


def test_what_must_not_happen_is_named() -> None:
    answers = Answers()
    answers.took("200", 0.1)
    assert Seen(10, answers, [200.0], 0.01, 0.01, 0.1).wrong == []
    answers.took("500", 0.1)
    answers.slow["200"] += 1
    assert Seen(10, answers, [200.0], 0.01, 0.03, 0.1).wrong == [
        "calls ended with ['500']",
        "slow clients got ['200']",
        "calls took 30.0 ms after the load",
    ]


def test_memory_is_shown_minute_by_minute() -> None:
    answers = Answers()
    answers.took("200", 0.1)
    answers.slow["408"] += 2
    rows = dict(table(Seen(10, answers, [*range(100, 221)], 0.01, 0.01, 0.1), Load(duration_s=121)).rows)
    assert rows["memory, at the start of each minute and at the end"] == "100, 160, 220, 220 MB"
    assert rows["slow clients"] == "2 × 408"
    assert rows["answered 200"] == "1 (0 in a second); p50 100 ms, p99 100 ms, longest 100 ms"
